package raster

import (
	"bytes"
	"errors"
	"testing"
)

func TestTolerantLimits(t *testing.T) {
	file := encodeJPEG(t, painted(320, 240))
	broken := file[:len(file)*98/100]
	for _, tolerant := range []bool{false, true} {
		picture, err := Open(bytes.NewReader(broken), Limits{Tolerant: tolerant})
		if err != nil {
			t.Fatal(err)
		}
		renditions, err := picture.Render(t.Context(), Target{Box: thumbnail})
		var refusal *Error
		switch {
		case tolerant && err != nil:
			t.Errorf("tolerant: %v", err)
		case tolerant:
			decode(t, renditions[0])
		case !errors.As(err, &refusal) || refusal.Reason != ReasonDamaged:
			t.Errorf("not tolerant: got %v, want reason %s", err, ReasonDamaged)
		}
	}
}
