package jpeg

import (
	"bytes"
	"errors"
	"image"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

func TestScans(t *testing.T) {
	const scan = "\xff\xda\x00\x03\x00pixels\xff\x00pixels\xff\xd0pixels"
	tests := []struct {
		name, stream string
		want         int
	}{
		{"one", scan + "\xff\xd9", 1},
		{"some", strings.Repeat(scan, 7) + "\xff\xd9", 7},
		{"with filling", strings.Repeat("\xff\xff\xff"+scan, 2), 2},
		{"in a segment", "\xff\xc4\x00\x0c" + "\xff\xda\xff\xda\xff\xda\xff\xda\xff\xda" + scan, 1},
		{"after a broken segment", "\xff\xc4\x00\x00" + scan, 1},
		{"after the end", scan + "\xff\xd9" + scan, 1},
	}
	for _, test := range tests {
		for name, by := range map[string]func(io.Reader) io.Reader{
			"": func(r io.Reader) io.Reader { return r }, " byte by byte": iotest.OneByteReader, " by halves": iotest.HalfReader,
		} {
			t.Run(test.name+name, func(t *testing.T) {
				s := newScans(by(strings.NewReader(test.stream)), false)
				passed, err := io.ReadAll(s)
				if string(passed) != test.stream || err != nil {
					t.Errorf("passed %q, %v, want %q", passed, err, test.stream)
				}
				if s.count != test.want {
					t.Errorf("counted %d, want %d", s.count, test.want)
				}
			})
		}
	}
}

func TestScansBreaksOff(t *testing.T) {
	_, err := io.ReadAll(newScans(strings.NewReader(strings.Repeat("\xff\xda\x00\x02", MaxScans)), false))
	if err != nil {
		t.Errorf("%d scans: %v", MaxScans, err)
	}
	_, err = io.ReadAll(newScans(strings.NewReader(strings.Repeat("\xff\xda\x00\x02", MaxScans+1)), false))
	var refusal *refuse.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != refuse.Unsupported || refusal.Limit != MaxScans {
		t.Errorf("%d scans: got %v, want it refused", MaxScans+1, err)
	}
}

// image/jpeg does not understand restart markers in scans of one component, so they must not be called damage.
func TestDecodeRestartMarkersInSeveralScans(t *testing.T) {
	var file bytes.Buffer
	m := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	m.Pix[0], m.Pix[3] = 99, 255
	if err := Encode(&file, m); err != nil {
		t.Fatal(err)
	}
	withRestarts := bytes.Replace(file.Bytes(), []byte("\xff\xda"), []byte("\xff\xdd\x00\x04\x00\x01\xff\xda"), 1)
	twoScans := append(withRestarts[:len(withRestarts)-2], "\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"...)
	f, err := Open(bytes.NewReader(twoScans))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Decode()
	var refusal *refuse.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != refuse.Unsupported {
		t.Errorf("got %v, want it unsupported", err)
	}
}
