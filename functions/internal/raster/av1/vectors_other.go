//go:build !amd64

package av1

// These report that they have done nothing, where they are not in assembly.

func narrowVectors([]uint8, []uint16) int { return 0 }

func runStepVectors([]step, []int32, []int32, int32) bool { return false }

func transposeVectors(_, _ []int32, _ uint8, _ int32) bool { return false }

func addSampleVectors(_ []uint16, _, _, _ int, _ []int32, _ int32) bool { return false }
