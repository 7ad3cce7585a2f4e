package inflate

import (
	"bytes"
	"errors"
	"testing"
)

// Go decodes as the assembly does: both pass the same tests.
func TestDecodeInGo(t *testing.T) {
	inAssembly = false
	defer func() { inAssembly = true }()
	t.Run("texts", TestReadRoundTrip)
	t.Run("random codes", TestRandomCodes)
	t.Run("cut", TestTruncatedStreams)
	t.Run("broken", TestBrokenStreams)
}

// Any bytes are decompressed by the assembly as in Go, with the same error.
func FuzzDecodeInGo(f *testing.F) {
	addTexts(f)
	f.Fuzz(func(t *testing.T, packed []byte) {
		packed = packed[:min(len(packed), 8000)]
		got, gotErr := inflate(packed)
		inAssembly = false
		defer func() { inAssembly = true }()
		want, wantErr := inflate(packed)
		if !errors.Is(gotErr, wantErr) || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d bytes, %v", len(got), gotErr, len(want), wantErr)
		}
	})
}
