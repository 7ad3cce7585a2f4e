package service

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
)

// countReads starts another pod, and counts the bytes that it reads from MinIO.
func (s *testServer) countReads() (pod *testServer, read *atomic.Int64) {
	s.t.Helper()
	read = new(atomic.Int64)
	return s.behind(func(minio http.Handler) http.Handler {
		proxy := minio.(*httputil.ReverseProxy)
		proxy.ModifyResponse = func(r *http.Response) error {
			if r.Request.Method == http.MethodGet {
				r.Body = countedBody{r.Body, read}
			}
			return nil
		}
		return proxy
	}), read
}

type countedBody struct {
	io.ReadCloser
	read *atomic.Int64
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

// What a repetition under a key makes the service read does not grow with the stored image, but for one comparison.
func TestRepetitionsReadNoImage(t *testing.T) {
	t.Parallel()
	const size, small = 7 << 20, 1 << 20
	s := start(t)
	pod, read := s.countReads()
	key, content := uuid.NewString(), padded(t, size)
	first := pod.uploadRaw(key, "a.png", bytes.NewReader(content))
	if first.status != http.StatusOK {
		t.Fatalf("the first answer is %d %s, want 200", first.status, first.body)
	}
	s.complete(first.imageID(t)) // nothing is announced again, for which the header would be read
	changed := bytes.Clone(content)
	changed[len(changed)-1]++
	for _, test := range []struct {
		name   string
		body   []byte
		status int
		most   int64 // bytes
	}{
		{"80 bytes", content[:80], http.StatusUnprocessableEntity, small},
		{"all but a byte", content[:len(content)-1], http.StatusUnprocessableEntity, small},
		{"another byte, the first time", changed, http.StatusUnprocessableEntity, size + small},
		{"another byte again", changed, http.StatusUnprocessableEntity, small},
		{"the same bytes", content, http.StatusOK, small},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := read.Load()
			got := pod.uploadRaw(key, "a.png", ofUnknownLength(bytes.NewReader(test.body)))
			if got.status != test.status {
				t.Errorf("answer is %d %s, want %d", got.status, got.body, test.status)
			}
			if grown := read.Load() - before; grown > test.most {
				t.Errorf("it read %d bytes, want at most %d", grown, test.most)
			}
		})
	}
}

// An event that refers to an image of the service brings that image, and makes no copy.
func TestReferenceToOwnImage(t *testing.T) {
	t.Parallel()
	s := start(t)
	own := s.getenv("MINIO_BUCKET")
	pod := s.startAnother("SOURCE_BUCKETS=" + own)
	id := pod.upload("a.png", pngOf(t, 8, 8))
	stored := len(s.keys())
	for i := range 6 {
		event := fmt.Sprint(i, "-", uuid.NewString())
		got := pod.post("/", "", nil, binaryHeader(event, "Ce-Dataref: "+events.FormatDataRef(own, id+"/a.png"))...)
		location := got.header.Get("Location")
		if got.status != http.StatusOK || !strings.HasSuffix(location, "/status/"+id) {
			t.Errorf("answer is %d %s, Location %q; want 200 and image %s", got.status, got.body, location, id)
		}
		if known := pod.statusOf(eventSource, event); known.status != http.StatusOK || known.json(t)["image_id"] != id {
			t.Errorf("the status of the event is %d %s, want that of image %s", known.status, known.body, id)
		}
		derived := idempotency.EventImageID("", eventSource, event)
		if known := pod.get("/status/" + derived); known.status != http.StatusOK || known.json(t)["image_id"] != id {
			t.Errorf("the status of %s is %d %s, want that of image %s", derived, known.status, known.body, id)
		}
		got = pod.post("/upload", "application/json", reference(own, id+"/a.png"), binaryHeader(uuid.NewString())...)
		if got.status != http.StatusOK || got.imageID(t) != id {
			t.Errorf("answer to an upload is %d %s, want 200 and image %s", got.status, got.body, id)
		}
	}
	if got := s.keys(); len(got) != stored {
		t.Errorf("bucket has %q, want %d objects as before", got, stored)
	}
}

// The bytes of bodies are counted for each client, whether or not their number is declared, and a client that has none
// left does not keep another from uploading.
func TestByteLimit(t *testing.T) {
	t.Parallel()
	const limit, size = 4 << 20, 3 << 20
	for name, body := range map[string]func([]byte) io.Reader{
		"declared": func(content []byte) io.Reader { return bytes.NewReader(content) },
		"chunks":   func(content []byte) io.Reader { return ofUnknownLength(bytes.NewReader(content)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startWithKeys(t, fmt.Sprint("RATE_LIMIT_BYTES=", limit))
			content := padded(t, size)
			if got := c.ada.post("/upload", "image/png", body(content)); got.status != http.StatusOK {
				t.Fatalf("the first upload is answered %d %s, want 200", got.status, got.body)
			}
			got := c.ada.post("/upload", "image/png", body(content))
			if got.status != http.StatusTooManyRequests || got.code(t) != "rate_limited" || got.header.Get("Retry-After") == "" {
				t.Errorf("the second upload is answered %d %s, want 429 rate_limited, and Retry-After", got.status, got.body)
			}
			if got := c.bob.post("/upload", "image/png", body(content)); got.status != http.StatusOK {
				t.Errorf("another client's upload is answered %d %s, want 200", got.status, got.body)
			}
			if got := c.ada.keys(); len(got) != 2 {
				t.Errorf("bucket has %q, want two images", got)
			}
		})
	}
}
