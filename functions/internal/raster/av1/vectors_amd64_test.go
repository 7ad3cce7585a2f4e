package av1

import "testing"

// Go transforms as the vectors of AVX2 do.
func TestTransformWithoutVectors(t *testing.T) {
	if !hasVectors {
		return // as in the other tests
	}
	hasVectors = false
	defer func() { hasVectors = true }()
	TestTransformIsLiteral(t)
}
