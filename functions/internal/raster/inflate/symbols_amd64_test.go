package inflate

import "testing"

// Go decodes as the assembly does: both pass the same tests.
func TestDecodeInGo(t *testing.T) {
	inAssembly = false
	defer func() { inAssembly = true }()
	t.Run("texts", TestReadRoundTrip)
	t.Run("random codes", TestRandomCodes)
	t.Run("cut", TestTruncatedStreams)
	t.Run("broken", TestBrokenStreams)
}
