//go:build !amd64

package lossy

// hadamard is hadamardBlocks, for processors that there is no assembly for.
func hadamard(source, predicted []uint8, across, down int) int32 {
	return hadamardBlocks(source, predicted, across, down)
}
