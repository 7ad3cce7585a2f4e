package raster

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Hostile files of every kind are rejected, or rendered, within a bound that depends on the pixels in their headers. It
// is twice the one of the package comment, because this counts all allocations, not only what is held at a time.
func TestHostileFilesMemory(t *testing.T) {
	const (
		base   = 6 << 20
		pixel  = 24 // bytes
		pixels = 1 << 18
	)
	files := small(t)
	golden, err := filepath.Glob("testdata/golden/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range golden {
		files[name] = read(t, name)
	}
	all := names(files)
	random := rand.New(rand.NewPCG(2026, 11))
	tried, rejected := 0, 0
	for _, name := range all {
		for range 30 {
			file := mutant(random, files[name], files[all[random.IntN(len(all))]])
			bound := uint64(base)
			if header, err := Probe(t.Context(), bytes.NewReader(file)); err == nil {
				bound += uint64(pixel * min(header.Pixels(), pixels))
			}
			var err error
			got := allocated(func() { err = tryRender(t.Context(), bytes.NewReader(file), Limits{Pixels: pixels}) })
			if got > bound {
				t.Errorf("a file made of %s took %d bytes of memory, want %d at most: %v", name, got, bound, err)
			}
			tried++
			var imgErr *Error
			if errors.As(err, &imgErr) {
				rejected++
			} else if err != nil {
				t.Errorf("a file made of %s: got %v, want an *Error, because the reader does not fail", name, err)
			}
		}
	}
	if tried < 3000 || rejected < tried/4 || rejected > tried*9/10 {
		t.Errorf("of %d files, %d were rejected, want a quarter to nine tenths", tried, rejected)
	}
}

// mutant is a file with some bytes changed, removed, repeated, or taken from another one; or its first bytes and noise.
func mutant(random *rand.Rand, file, other []byte) []byte {
	file = bytes.Clone(file)
	for range 1 + random.IntN(3) {
		at := random.IntN(len(file))
		length := min(1+random.IntN(1+random.IntN(64)), len(file)-at)
		switch random.IntN(8) {
		case 0:
			file = file[:at+1]
		case 1:
			file = slices.Delete(file, at, at+length-1)
		case 2:
			file = slices.Insert(file, at, bytes.Clone(file[at:at+length])...)
		case 3:
			copy(file[at:at+length], other[random.IntN(len(other)):])
		case 4:
			at = min(at, 40)
			for i := at; i < len(file); i++ {
				file[i] = byte(random.Uint32())
			}
		default:
			for i := range min(length, 4) {
				file[at+i] = byte(random.Uint32())
			}
		}
	}
	if random.IntN(4) > 0 {
		correctSums(file)
	}
	return file
}

// A header of 48 megapixels with nothing after it costs no more than the package comment says.
func TestOpenLargeHeaderMemory(t *testing.T) {
	const width, height, base = 8000, 6000, 3 << 20
	tests := map[string]struct {
		file  []byte
		pixel float64 // bytes
	}{
		"JPEG":             {tiledJPEG(t, "baseline", width, height), 0.1},
		"progressive JPEG": {tiledJPEG(t, "progressive", width, height), 0.2},
		"PNG":              {append(pngHeader(width, height, 8, 6), pngChunk("IDAT", nil)...), 0.1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := test.file[:min(len(test.file), 2000)]
			var err error
			got := allocated(func() { err = tryRender(t.Context(), bytes.NewReader(file), Limits{}) })
			var imgErr *Error
			if !errors.As(err, &imgErr) || imgErr.Reason != ReasonDamaged {
				t.Errorf("got %v, want reason damaged", err)
			}
			if want := base + uint64(test.pixel*width*height); got > want {
				t.Errorf("it took %d bytes of memory, want %d at most", got, want)
			}
		})
	}
}

// Images of 48 megapixels, and one of 400, are rendered by a process that needs hardly more memory than for one pixel.
// It is a separate process without the race detector, which needs many times the memory.
func TestRenderLargeImageMemory(t *testing.T) {
	command := filepath.Join(t.TempDir(), "bench")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", command, "./bench")
	// Without the race detector, which takes memory, and compiled as ko does, so that a new clone has it compiled already.
	build.Env = append(os.Environ(), "GOFLAGS=-trimpath", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build bench: %v\n%s", err, out)
	}
	least := peak(t, command, bytes.NewReader(encodePNG(t, painted(1, 1))))
	tests := map[string]struct {
		file io.Reader
		more int64 // than the file and what one pixel needs, in MB
	}{
		"JPEG of 200 MP":             {bytes.NewReader(tiledJPEG(t, "baseline", 16320, 12240)), 20},
		"JPEG of 48 MP":              {bytes.NewReader(tiledJPEG(t, "baseline", 8000, 6000)), 15},
		"progressive JPEG of 200 MP": {bytes.NewReader(tiledJPEG(t, "progressive", 16320, 12240)), 45},
		"progressive JPEG of 48 MP":  {bytes.NewReader(tiledJPEG(t, "progressive", 8000, 6000)), 15},
		"PNG of 48 MP":               {tiledPNG(t, 8000, 6000, 2), 15},
		"lossless WebP of 48 MP":     {bytes.NewReader(plainWebP(8000, 6000)), 15},
		"PNG of 400 MP":              {tiledPNG(t, 20000, 20000, 6), 15},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := counted{r: test.file}
			if got, want := peak(t, command, &file), least+file.n>>20+test.more; got > want {
				t.Errorf("it needs %d MB, want %d at most, of which the file is %d and one pixel needs %d", got, want, file.n>>20,
					least)
			}
		})
	}
}

func TestRender400MegapixelPNG(t *testing.T) {
	picture, err := Open(tiledPNG(t, 20000, 20000, 6), Limits{})
	var imgErr *Error
	if !errors.As(err, &imgErr) || imgErr.Reason != ReasonTooManyPixels || picture != nil {
		t.Errorf("got %v, want too_many_pixels", err)
	}
}

// peak is the peak memory of a command that renders a file, in MB.
func peak(t *testing.T, command string, file io.Reader) int64 {
	t.Helper()
	copied, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(copied, file); err != nil {
		t.Fatal(err)
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	// Linux counts the memory of the parent at the time of the fork. A shell has little.
	out, err := exec.Command("sh", "-c", `"$0" "$1" 1; exit $?`, command, copied.Name()).CombinedOutput()
	if err != nil {
		t.Fatalf("render: %v\n%s", err, out)
	}
	var least, median float64
	var mb int64
	if _, err := fmt.Sscanf(string(out), "min %f med %f rss %d", &least, &median, &mb); err != nil {
		t.Fatalf("the command wrote %q: %v", out, err)
	}
	return mb
}

// A counted reader counts the bytes read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// tiledJPEG is a JPEG of testdata/tiles, one MCU high, repeated to a size that is a multiple of its own: between
// restart markers, the data of each scan is the same.
func tiledJPEG(tb testing.TB, name string, width, height int) []byte {
	tb.Helper()
	tile := read(tb, filepath.Join("testdata/tiles", name+".jpg"))
	file, rest := tile[:2:2], tile[2:]
	tiles := 0
	for rest[1] != 0xd9 {
		length := 2 + int(binary.BigEndian.Uint16(rest[2:]))
		header := bytes.Clone(rest[:length])
		rest = rest[length:]
		switch marker := header[1]; marker {
		case 0xc0, 0xc2:
			tileHeight, tileWidth := int(binary.BigEndian.Uint16(header[5:])), int(binary.BigEndian.Uint16(header[7:]))
			tiles = width / tileWidth * (height / tileHeight)
			binary.BigEndian.PutUint16(header[5:], uint16(height))
			binary.BigEndian.PutUint16(header[7:], uint16(width))
			file = append(append(file, header...), segment(0xdd, []byte{0, byte(tileWidth / tileHeight)})...)
		case 0xda:
			end := endOfScan(rest)
			file = append(file, header...)
			for i := range tiles - 1 {
				file = append(append(file, rest[:end]...), 0xff, 0xd0+byte(i%8))
			}
			file = append(file, rest[:end]...)
			rest = rest[end:]
		default:
			file = append(file, header...)
		}
	}
	return append(file, rest...)
}

// endOfScan is the index of the next marker.
func endOfScan(data []byte) int {
	for i := range data {
		if data[i] == 0xff && data[i+1] != 0 {
			return i
		}
	}
	return len(data)
}

// tiledPNG is a PNG of 8 bits that repeats the same rows, generated as it is read.
func tiledPNG(tb testing.TB, width, height, colors int) io.Reader {
	tb.Helper()
	const rows = 50
	row := 1 + width*map[int]int{2: 3, 6: 4}[colors]
	block := make([]byte, rows*row)
	random := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	for i := 1; i < row; i++ {
		if i < 1<<13 {
			block[i] = byte(random.Uint32())
		}
		if colors == 6 && i%4 == 0 {
			block[i] = 0xff // opaque
		}
	}
	const up = 2
	for i := row; i < len(block); i += row {
		block[i] = up
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		tb.Fatal(err)
	}
	w.Write(block)
	if err := w.Flush(); err != nil { // the data that follows does not refer to it
		tb.Fatal(err)
	}
	times := height / rows
	end := binary.BigEndian.AppendUint32([]byte{1, 0, 0, 0xff, 0xff}, adlerOf(block, times))
	return io.MultiReader(
		bytes.NewReader(append(pngHeader(uint32(width), uint32(height), 8, byte(colors)),
			pngChunk("IDAT", []byte{0x78, 0x01})...)),
		&repeated{part: pngChunk("IDAT", packed.Bytes()), times: times},
		bytes.NewReader(append(pngChunk("IDAT", end), pngChunk("IEND", nil)...)),
	)
}

// adlerOf is the checksum of a block repeated times times.
func adlerOf(block []byte, times int) uint32 {
	const prime = 65521
	length, sum := uint64(len(block)), uint64(adler32.Checksum(block))
	bytes, sums := sum&0xffff-1, sum>>16-length%prime+prime // of the block alone
	a, b := uint64(1), uint64(0)
	for range times {
		a, b = (a+bytes)%prime, (b+length%prime*a+sums)%prime
	}
	return uint32(b<<16 | a)
}

// A repeated reader returns a part a number of times.
type repeated struct {
	part      []byte
	times, at int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.part[r.at:])
	if r.at += n; r.at == len(r.part) {
		r.at = 0
		r.times--
	}
	return n, nil
}
