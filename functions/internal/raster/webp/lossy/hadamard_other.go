//go:build !amd64

package lossy

// hadamard is hadamardBlocks where it is not in assembly.
func hadamard(source, predicted []uint8, across, down int) int32 {
	return hadamardBlocks(source, predicted, across, down)
}
