//go:build hostile && linux

package raster

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
)

// A suspect is a file, and what rendering it takes.
type suspect struct {
	name   string
	file   []byte
	cpu    time.Duration // of all threads of the process, the garbage collector's included
	memory uint64        // bytes that were allocated, whether or not at the same time
	pixels int64
}

func (s suspect) kilobytes() float64   { return float64(len(s.file)) / 1000 }
func (s suspect) cpuPerKB() float64    { return float64(s.cpu.Microseconds()) / 1000 / s.kilobytes() }
func (s suspect) megabytesKB() float64 { return float64(s.memory) / 1e6 / s.kilobytes() }

// worstPixels bounds the pixels of a file in the search. What takes time for each pixel takes 48 times as much at the
// default limit.
const worstPixels = 1 << 20

// suspects are the files that the search begins with, by format: those that take most for their size by construction.
func suspects(t *testing.T) map[Format][]suspect {
	t.Helper()
	const side = 1024 // squared, worstPixels
	flat := image.NewNRGBA(image.Rect(0, 0, side, side))
	reduced := palette.Reduce(flat)
	var frames []*image.Paletted
	for range 50 {
		frames = append(frames, palette.Reduce(image.NewNRGBA(image.Rect(0, 0, 1, 1))))
	}
	lossless, err := hex.DecodeString("524946463a000000574542505650384c2e0000002f" +
		"fe7ffa12812e14a000fd2fc0a04d6d6a53ff0b5034a0021de87f01")
	if err != nil {
		t.Fatal(err)
	}
	lossless = append(lossless, make([]byte, 66-len(lossless))...)
	copy(lossless[21:], []byte{0xff, 0xc3, 0xff, 0x10}) // 1024x1024, and what the fourth byte had beside the height
	profile := pngChunk("iCCP", slices.Concat([]byte("a\x00\x00"), deflated(t, make([]byte, 1<<20))))
	files := map[Format]map[string][]byte{
		JPEG: {
			"1000 scans": scansJPEG(side, side, 1000), "a flat one": encodeJPEG(t, flat),
			"a profile": small(t)["JPEG with profile"], "a small one": small(t)["JPEG"],
		},
		PNG: {
			"a flat one": encodePNG(t, flat), "a palette": encodePNG(t, reduced),
			"a profile of zeros": afterIHDR(encodePNG(t, painted(24, 17)), profile), "a small one": small(t)["PNG"],
		},
		GIF: {
			"a flat one": encodeGIF(t, side, side, reduced), "50 frames": encodeGIF(t, side, side, frames...),
			"a small one": small(t)["animated GIF"],
		},
		WebP: {
			"66 bytes": lossless, "a flat lossy one": encodeWebP(t, flat, false),
			"a flat lossless one": encodeWebP(t, flat, true), "an animation": small(t)["animated WebP"],
		},
		HEIC: {"a grid with alpha": heic(t, "grid_alpha"), "a small one": heic(t, "cut_turned")},
		AVIF: {
			"a grid with alpha": avif(t, "grid_alpha"), "a small one": avif(t, "cut"), "layers": avif(t, "layers"),
		},
	}
	all := map[Format][]suspect{}
	for format, named := range files {
		for _, name := range names(named) {
			all[format] = append(all[format], investigate(t, name, named[name]))
		}
	}
	return all
}

// investigate renders a file.
func investigate(t *testing.T, name string, file []byte) suspect {
	t.Helper()
	s := suspect{name: name, file: file}
	if header, err := Probe(t.Context(), bytes.NewReader(file)); err == nil {
		s.pixels = min(header.Pixels(), worstPixels)
	}
	s.memory = allocated(func() {
		began := processorTime(t)
		_ = tryRender(t.Context(), bytes.NewReader(file), Limits{Pixels: worstPixels})
		s.cpu = processorTime(t) - began
	})
	return s
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestWorst searches for the files of each format that take most time and memory for their size: it changes the worst
// ones that it knows, and keeps what is worse. It prints the table of docs/security.md. None takes more memory than
// TestHostileFilesMemory allows. WORST_TRIES is how many changes it tries for each format.
func TestWorst(t *testing.T) {
	tries, err := strconv.Atoi(cmp.Or(os.Getenv("WORST_TRIES"), "50"))
	if err != nil {
		t.Fatal(err)
	}
	const base, pixel = 6 << 20, 24 // bytes, as in TestHostileFilesMemory
	all := suspects(t)
	t.Log("| format | most time: ms a KB | of | most memory: MB a KB | of |")
	for _, format := range []Format{JPEG, PNG, GIF, WebP, HEIC, AVIF} {
		known := all[format]
		random := rand.New(rand.NewPCG(2026, 11))
		for _, by := range []func(a, b suspect) int{
			func(a, b suspect) int { return cmp.Compare(b.cpuPerKB(), a.cpuPerKB()) },
			func(a, b suspect) int { return cmp.Compare(b.megabytesKB(), a.megabytesKB()) },
		} {
			for range tries / 2 {
				slices.SortFunc(known, by)
				parent := known[random.IntN(min(3, len(known)))]
				name := strings.TrimSuffix(parent.name, changed) + changed
				child := investigate(t, name, mutant(random, parent.file, known[0].file))
				if bound := uint64(base + pixel*child.pixels); child.memory > bound {
					t.Errorf("a %s of %d bytes took %d bytes of memory, want %d at most: %x",
						format, len(child.file), child.memory, bound, child.file[:min(len(child.file), 4000)])
				}
				if by(child, known[0]) < 0 {
					known = append(known, child)
				}
			}
		}
		slowest := slices.MaxFunc(known, func(a, b suspect) int { return cmp.Compare(a.cpuPerKB(), b.cpuPerKB()) })
		largest := slices.MaxFunc(known, func(a, b suspect) int { return cmp.Compare(a.megabytesKB(), b.megabytesKB()) })
		t.Logf("| %s | %s | %s | %s | %s |", format, decimal(slowest.cpuPerKB()), of(slowest),
			decimal(largest.megabytesKB()), of(largest))
	}
}

// changed marks the name of a file that was made of another.
const changed = ", changed"

func of(s suspect) string { return fmt.Sprintf("%s, %d bytes", s.name, len(s.file)) }

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
