package exif

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOrientation(t *testing.T) {
	const little, big = "II*\x00\x08\x00\x00\x00", "MM\x00*\x00\x00\x00\x08"
	tests := []struct {
		name, payload string
		want          int
	}{
		{"little endian", little + "\x01\x00" + "\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00", 6},
		{"big endian", big + "\x00\x01" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00", 8},
		{"with the prefix of JPEG", "Exif\x00\x00" + big + "\x00\x01" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00",
			3},
		{"as a long", big + "\x00\x01" + "\x01\x12\x00\x04\x00\x00\x00\x01\x00\x00\x00\x05", 5},
		{"as text", big + "\x00\x01" + "\x01\x12\x00\x02\x00\x00\x00\x01\x00\x05\x00\x00", 1},
		{"after another tag", big + "\x00\x02" + "\x01\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x09" +
			"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x02\x00\x00", 2},
		{"directory further on",
			"MM\x00*\x00\x00\x00\x0a\xff\xff\x00\x01" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x07\x00\x00", 7},
		{"zero", big + "\x00\x01" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00", 1},
		{"nine", big + "\x00\x01" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00", 1},
		{"another tag", big + "\x00\x01" + "\x01\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x09", 1},
		{"fewer tags than it says", big + "\xff\xff" + "\x01\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x09", 1},
		{"cut within the tag", big + "\x00\x01" + "\x01\x12\x00\x03\x00\x00\x00\x01\x00", 1},
		{"directory beyond the end", "MM\x00*\xff\xff\xff\xff\x00\x01", 1},
		{"empty", "", 1},
		{"nothing but the prefix", "Exif\x00\x00", 1},
		{"another byte order", "IM*\x00\x08\x00\x00\x00\x00\x00", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Orientation([]byte(test.payload)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	payload := "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" +
		strings.Repeat("x", 3*MaxPayload)
	r := strings.NewReader(payload + "next")
	if got, err := Read(r, int64(len(payload))); got != 6 || err != nil {
		t.Errorf("got %d, %v, want 6", got, err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "next" {
		t.Errorf("%d bytes are left, want those of the next payload", len(rest))
	}

	want := errors.New("connection reset by peer")
	broken := io.MultiReader(strings.NewReader(payload[:50]), iotest.ErrReader(want))
	if _, err := Read(broken, int64(len(payload))); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}
