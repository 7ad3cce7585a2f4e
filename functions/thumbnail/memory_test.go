//go:build linux && !race

package main

import (
	"bytes"
	"compress/zlib"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers/pod"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// The pod by knative/base/300-thumbnail.yaml: its memory, and how many requests it gets at once. Below 80 % of the
// limit nothing is killed while the kernel accounts for what the Go runtime does not.
const (
	memoryLimit = 384 << 20
	goLimit     = "GOMEMLIMIT=190MiB"
	atOnce      = 8
)

// A process is the function as Knative runs it: a process of its own, whose memory can be measured.
type process struct {
	*pod.Pod
	t      testing.TB
	images *imagestore.Store
}

func start(t *testing.T) *process {
	t.Helper()
	getenv := testservers.StartStores(t)
	images, err := imagestore.Open(imagestore.ReadSettings(config.NewReader(getenv)))
	if err != nil {
		t.Fatal(err)
	}
	return &process{Pod: pod.Start(t, getenv, goLimit), t: t, images: images}
}

// metrics returns the text of /metrics.
func (p *process) metrics() string {
	response, err := http.Get(p.URL + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// The collector runs when the heap has grown by a half.
func TestMemoryIsCollected(t *testing.T) {
	t.Parallel()
	p := start(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(p.metrics(), "\ngo_gc_gogc_percent 50\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("go_gc_gogc_percent is not 50 after a minute")
		}
	}
}

// deliver stores an image, delivers its event, and reports whether it was answered with the result rather than
// deferred.
func (p *process) deliver(name string, content []byte) bool {
	id := uuid.NewString()
	key := imagestore.OriginalKey(id, name)
	if err := p.images.Put(p.t.Context(), key, content, imagestore.Attributes{ContentType: "image/png"}); err != nil {
		p.t.Error(err)
		return false
	}
	e, err := events.Encode(events.ImageUploaded{
		ImageID: id, ObjectName: key, Filename: name, Timestamp: 1, Bucket: p.images.Bucket(),
	}, events.Envelope{Source: events.SourceUpload})
	if err != nil {
		p.t.Error(err)
		return false
	}
	text, err := json.Marshal(e)
	if err != nil {
		p.t.Error(err)
		return false
	}
	response, err := http.Post(p.URL+"/", "application/cloudevents+json", bytes.NewReader(text))
	if err != nil {
		p.t.Error(err)
		return false
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK || bytes.Contains(answer, []byte("reason")) {
		p.t.Errorf("%s: got %s %.500s, want 200 and a thumbnail, or nothing", name, response.Status, answer)
	}
	return len(answer) > 0
}

// copiesAVIF has 17 megapixels, stripes of 4 samples, in blocks that are copied within the frame, which a decoder
// therefore holds: avifenc -s 6 --min 40 --max 50 -a tune-content=screen -a enable-intrabc=1 -a enable-palette=0.
//
//go:embed testdata/copies.avif
var copiesAVIF []byte

// As many images at once as a pod gets, of the kinds that take most memory and of small ones: memory stays below 80 %
// of the pod's limit, and some of each kind are processed.
func TestMemory(t *testing.T) {
	t.Parallel()
	const bound = memoryLimit / 5 * 4
	kinds := map[string][]byte{
		"interlaced.png": interlacedPNG(t, 8192, 6144),
		// A lossless WebP of 66 bytes and 50 megapixels that takes a second of CPU.
		"lossless.webp": []byte("RIFF\x3a\x00\x00\x00WEBPVP8L\x2e\x00\x00\x00\x2f\xfe\x7f\xfa\x12\x81\x2e\x14\xa0\x00\xfd" +
			"\x2f\xc0\xa0\x4d\x6d\x6a\x53\xff\x0b\x50\x34\xa0\x02\x1d\xe8\x7f\x01" + string(make([]byte, 18))),
		"interlaced.gif": interlacedGIF(t, 8192, 6144),
		"copies.avif":    copiesAVIF,
		"photo.jpg":      photo(t, 2048, 1536),
	}
	p := start(t)
	for name, content := range kinds {
		p.together(atOnce, func(int) { p.deliver(name, content) })
		t.Logf("%d of %s: at most %d MiB", atOnce, name, p.Peak()>>20)
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range kinds {
			if !yield(name) {
				return
			}
		}
	})
	done := make([]atomic.Int64, len(names))
	p.together(atOnce, func(worker int) {
		for round := range 2 * len(names) {
			kind := (worker + round) % len(names)
			if p.deliver(names[kind], kinds[names[kind]]) {
				done[kind].Add(1)
			}
		}
	})
	peak := p.Peak()
	t.Logf("all together: at most %d MiB", peak>>20)
	if peak > bound {
		t.Errorf("memory is at most %d MiB, want less than %d", peak>>20, bound>>20)
	}
	for kind, name := range names {
		if done[kind].Load() == 0 {
			t.Errorf("no %s was processed, want some", name)
		}
	}
}

func (p *process) together(count int, do func(worker int)) {
	var all sync.WaitGroup
	for worker := range count {
		all.Go(func() { do(worker) })
	}
	all.Wait()
}

// interlacedPNG is black, of 4 channels with 8 bits, and has 7 passes.
func interlacedPNG(t *testing.T, width, height int) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for _, pass := range [][4]int{
		{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
	} {
		across, down := (width-pass[0]+pass[2]-1)/pass[2], (height-pass[1]+pass[3]-1)/pass[3]
		row := make([]byte, 1+4*across)
		for range down {
			if _, err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	chunk := func(name string, payload []byte) []byte {
		b := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), name...)
		b = append(b, payload...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(size, 8, 6, 0, 0, 1)),
		chunk("IDAT", packed.Bytes()), chunk("IEND", nil))
}

// interlacedGIF has one colour.
func interlacedGIF(t *testing.T, width, height int) []byte {
	t.Helper()
	var file bytes.Buffer
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})
	if err := gif.Encode(&file, m, nil); err != nil {
		t.Fatal(err)
	}
	const interlaced = 0x40
	b := file.Bytes()
	at := bytes.Index(b, append([]byte{0x2c, 0, 0, 0, 0}, byte(width), byte(width>>8)))
	b[at+9] |= interlaced
	return b
}

func photo(t *testing.T, width, height int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 8)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
