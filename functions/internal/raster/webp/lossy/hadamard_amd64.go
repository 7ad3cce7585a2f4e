package lossy

// hadamardVectors is hadamardBlocks with the vectors of SSE2, which every amd64 processor has.
//
//go:noescape
func hadamardVectors(source, predicted *uint8, across, down int) int32

// hadamard is hadamardBlocks. Across and down are 1 or more.
func hadamard(source, predicted []uint8, across, down int) int32 {
	span := (4*down-1)*stride + 4*across
	return hadamardVectors(&source[:span][0], &predicted[:span][0], across, down)
}
