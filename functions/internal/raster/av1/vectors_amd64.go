package av1

import "golang.org/x/sys/cpu"

// hasVectors reports whether the processor has AVX2.
var hasVectors = cpu.X86.HasAVX2

// These are for runSteps, transpose and addVectors.

//go:noescape
func runStepsAVX2(steps *step, count int, in, out *int32, most int32)

//go:noescape
func transposeAVX2(from, to *int32, shift, most int32)

//go:noescape
func addAVX2(pix *uint16, stride, width, height int, vectors *int32, most int32)

//go:noescape
func narrowAVX2(to *uint8, from *uint16, count int)

// narrowVectors is narrow for the first samples, and returns their number.
func narrowVectors(to []uint8, from []uint16) int {
	count := len(to) &^ 31
	if !hasVectors || count == 0 {
		return 0
	}
	narrowAVX2(&to[0], &from[:count][0], count)
	return count
}

// runStepVectors does not check that in and out have the vectors of all steps, which are constant: see
// TestStepsAtEdges.
func runStepVectors(steps []step, in, out []int32, most int32) bool {
	if hasVectors {
		runStepsAVX2(&steps[0], len(steps), &in[0], &out[0], most)
	}
	return hasVectors
}

func transposeVectors(from, to []int32, shift uint8, most int32) bool {
	if hasVectors {
		transposeAVX2(&from[0], &to[0], int32(shift), most)
	}
	return hasVectors
}

func addSampleVectors(pix []uint16, stride, width, height int, vectors []int32, most int32) bool {
	if hasVectors {
		addAVX2(&pix[0], stride, width, height, &vectors[0], most)
	}
	return hasVectors
}
