package av1

import "testing"

// The functions in Go return what the vectors of AVX2 do: what the text of the specification has.
func TestTransformWithoutVectors(t *testing.T) {
	if !hasVectors {
		return // as the other test had none either
	}
	hasVectors = false
	defer func() { hasVectors = true }()
	TestTransformIsLiteral(t)
}
