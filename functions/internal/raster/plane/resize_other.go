//go:build !amd64

package plane

// resampleVectors is for processors that there is assembly for.
func (Plane) resampleVectors(Plane, *kernel, *kernel) bool { return false }
