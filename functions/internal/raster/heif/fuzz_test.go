package heif

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
)

// addSeeds adds files of every kind that is built here.
func addSeeds(f *testing.F) {
	f.Helper()
	f.Add(gridOf(3, 2, 41, 30).bytes())
	last := gridOf(2, 2, 20, 20)
	last.metaLast, last.wide = true, true
	f.Add(last.bytes())
	turned := painted(raw{width: 12, height: 8, meaning: cicp{matrix: 1}, stored: format{stepX: 2, stepY: 2, depth: 10}},
		[3]float64{0.1, 0.5, 0.9}, clap(7, 1, 5, 1, -1, 2, 1, 2), box("irot", []byte{1}), box("imir", []byte{1}),
		nclx(9, 13, 9, true))
	withAlpha(turned, alphaURN, grayRaw(6, 4), func(x, y int) int { return 10 * (x + y) })
	turned.refer("prem", 1, 2)
	f.Add(turned.bytes())
	small := gridOf(2, 2, 32, 32)
	gray := raw{width: 8, height: 8, stored: format{isGray: true, stepX: 1, stepY: 1, depth: 12}}
	thumb := small.add(&built{
		kind: "rawv", data: make([]byte, 64*2), properties: []int{small.property(gray.property())},
	})
	small.refer("thmb", thumb.id, small.primary)
	f.Add(small.bytes())
	sequence := sequenceOf(shadedTrack(1, 4), trackOf("auxl", shadedTrack(2, 0), 1), trackOf("thmb", shadedTrack(3, 0), 1))
	sequence.tracks[0].sync, sequence.tracks[1].wide, sequence.tracks[2].equal = []int{4}, true, true
	f.Add(sequence.bytes())
}

// checkFuzzed checks that an error is nil, of the end of the file, or an *imgerr.Error.
func checkFuzzed(t *testing.T, err error) {
	t.Helper()
	var refusal *imgerr.Error
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &refusal) {
		t.Errorf("got %v, want a refusal or the end of the file", err)
	}
}

// FuzzOpen is for the container, with pictures that cost next to nothing.
func FuzzOpen(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, file []byte) { checkFuzzed(t, tryAll(file, rawCodecs)) })
}

// FuzzDecode is for whole files.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob("testdata/*.heic")
	if err != nil || len(names) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		header, err := Open(bytes.NewReader(file))
		if err == nil && header.DecodedPixels <= 1<<18 {
			_, err = decode(header, min(header.Width, 20), min(header.Height, 20))
		}
		checkFuzzed(t, err)
	})
}
