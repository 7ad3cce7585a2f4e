package service

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
)

// uploadRaw uploads an image as the whole body, with an idempotency key.
func (s *testServer) uploadRaw(key, filename string, body io.Reader) response {
	s.t.Helper()
	return s.post("/upload?filename="+filename, "image/png", body, "Idempotency-Key: "+key)
}

// padded is a PNG of a size: the bytes after its end are stored with it.
func padded(tb testing.TB, size int) []byte {
	tb.Helper()
	content := pngOf(tb, 8, 8)
	return append(content, bytes.Repeat([]byte("noise"), (size-len(content))/5+1)...)
}

// ofUnknownLength hides the length of a body from net/http, which then sends it in chunks.
func ofUnknownLength(body io.Reader) io.Reader { return io.MultiReader(body) }

// A repetition with the same key gets the same answer, to the letter, whatever the form of the request.
func TestSameKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, content := range map[string][]byte{"small": pngOf(t, 40, 30), "multipart": padded(t, 11<<20)} {
		key := uuid.NewString()
		first := s.uploadRaw(key, "a.png", bytes.NewReader(content))
		if first.status != http.StatusOK {
			t.Fatalf("%s: the first answer is %d %s, want 200", name, first.status, first.body)
		}
		form := func() response {
			body, contentType := formOf(t, field{"file", "a.png", content})
			return s.post("/upload", contentType, body, "Idempotency-Key: "+key)
		}
		for form, repeat := range map[string]func() response{
			"raw": func() response { return s.uploadRaw(key, "a.png", bytes.NewReader(content)) },
			"of unknown length": func() response {
				return s.uploadRaw(key, "a.png", ofUnknownLength(bytes.NewReader(content)))
			},
			"key in quotes": func() response { return s.uploadRaw(`"`+key+`"`, "a.png", bytes.NewReader(content)) },
			"as a form":     form,
		} {
			t.Run(name+", "+form, func(t *testing.T) {
				if got := repeat(); got.status != first.status || got.body != first.body {
					t.Errorf("answer is %d %s, want %d %s", got.status, got.body, first.status, first.body)
				}
			})
		}
		other := s.uploadRaw(uuid.NewString(), "a.png", bytes.NewReader(content))
		if other.status != http.StatusOK || other.imageID(t) == first.imageID(t) {
			t.Errorf("%s, with another key: %d %s, want 200 and another ID", name, other.status, other.body)
		}
	}
	if got := s.keys(); len(got) != 4 {
		t.Errorf("bucket has %q, want two images of each size", got)
	}
}

// A key that was used for an image cannot be used for another one, or with another filename.
func TestKeyReused(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, content := uuid.NewString(), pngOf(t, 40, 30)
	first := s.uploadRaw(key, "a.png", bytes.NewReader(content))
	sameSize := bytes.Clone(content)
	sameSize[len(sameSize)-1]++
	for name, test := range map[string]struct {
		filename string
		body     io.Reader
	}{
		"another image":                       {"a.png", bytes.NewReader(pngOf(t, 41, 30))},
		"another image of unknown length":     {"a.png", ofUnknownLength(bytes.NewReader(pngOf(t, 41, 30)))},
		"another image of the same size":      {"a.png", bytes.NewReader(sameSize)},
		"another filename":                    {"b.png", bytes.NewReader(content)},
		"no filename, and cut":                {"", bytes.NewReader(content[:9])},
		"not an image":                        {"a.png", strings.NewReader("x")},
		"not an image, and of unknown length": {"a.png", ofUnknownLength(strings.NewReader("x"))},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.uploadRaw(key, test.filename, test.body)
			if got.status != http.StatusUnprocessableEntity || got.code(t) != "idempotency_key_reused" {
				t.Errorf("answer is %d %s, want 422 idempotency_key_reused", got.status, got.body)
			}
		})
	}
	if again := s.uploadRaw(key, "a.png", bytes.NewReader(content)); again.body != first.body {
		t.Errorf("afterwards the answer is %d %s, want %s", again.status, again.body, first.body)
	}
	if got := s.keys(); len(got) != 1 {
		t.Errorf("bucket has %q, want one image", got)
	}
}

// Requests with one key at the same time, at two pods: each is answered with the stored image, or refused because it
// brings another one. (Images of one part: the fake MinIO replaces what others store while parts come.)
func TestSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	pods := []*testServer{s, s.startAnother()}
	key, contents := uuid.NewString(), [][]byte{padded(t, 2<<20), padded(t, 2<<20+5)}
	answers := make([]response, 12)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() {
			var body io.Reader = bytes.NewReader(contents[i%2])
			if i%3 == 0 {
				body = ofUnknownLength(body)
			}
			answers[i] = pods[i%4/2].uploadRaw(key, "a.png", body)
		})
	}
	wait.Wait()
	bodies := map[string]int{}
	for i, got := range answers {
		bodies[got.body]++
		if got.status != answers[i%2].status || got.status != http.StatusOK && got.code(t) != "idempotency_key_reused" {
			t.Errorf("request %d: %d %s, want the answer of all that sent the same image", i, got.status, got.body)
		}
	}
	if keys := s.keys(); len(bodies) != 2 || len(keys) != 1 {
		t.Errorf("answers are %v, bucket has %q; want one answer for each image, and one stored", bodies, keys)
	}
}

// If the function crashed after the image was stored, a repetition finishes the upload.
func TestKeyAfterCrash(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, content := uuid.NewString(), pngOf(t, 8, 8)
	id := idempotency.KeyImageID("", key, 0)
	s.storeOriginal(id, content)
	got := s.uploadRaw(key, "a.png", bytes.NewReader(content))
	if got.status != http.StatusOK || got.imageID(t) != id {
		t.Errorf("answer is %d %s, want 200 and %s", got.status, got.body, id)
	}
	if published := s.broker.publishedFor(id); published != 1 {
		t.Errorf("published %d events, want 1", published)
	}
	if got := s.status(id); got != "queued" {
		t.Errorf("status is %q, want queued", got)
	}
}

// A failure is not remembered: the next request with the key does what the first could not.
func TestKeyAfterFailure(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, content := uuid.NewString(), pngOf(t, 8, 8)
	id := idempotency.KeyImageID("", key, 0)
	repeat := func(s *testServer) response { return s.uploadRaw(key, "a.png", bytes.NewReader(content)) }

	s.broker.setDown(true)
	if got := repeat(s); got.status != http.StatusServiceUnavailable {
		t.Errorf("while the broker is down: %d %s, want 503", got.status, got.body)
	}
	s.broker.setDown(false)
	if got := repeat(s); got.status != http.StatusOK || got.imageID(t) != id || s.broker.publishedFor(id) != 1 {
		t.Errorf("afterwards: %d %s, published %d; want 200, %s, 1", got.status, got.body, s.broker.publishedFor(id), id)
	}
	if got := repeat(s.startAnother("REDIS_PORT=1")); got.status != http.StatusServiceUnavailable {
		t.Errorf("while Redis is down: %d %s, want 503", got.status, got.body)
	}
	s.redis().Del(t.Context(), s.statusKey(id))
	s.redis().Del(t.Context(), "image:answer:"+id)
	if got := repeat(s); got.status != http.StatusOK || got.imageID(t) != id {
		t.Errorf("after Redis came back empty: %d %s, want 200 and %s", got.status, got.body, id)
	}
}

// The bucket has lost an image whose status Redis still has. When the image is sent again, it is accepted anew.
func TestKeyAfterLoss(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, send := range map[string]func(image []byte) response{
		"upload": func(image []byte) response {
			return s.uploadRaw("lost and sent again", "a.png", bytes.NewReader(image))
		},
		"event": func(image []byte) response {
			header := binaryHeader("lost and sent again", "Ce-Subject: a.png")
			return s.post("/upload", "image/png", bytes.NewReader(image), header...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := send(pngOf(t, 8, 8)).imageID(t)
			completed := status.Status{ImageID: id, State: status.Completed}
			if _, err := s.statuses().Advance(t.Context(), completed); err != nil {
				t.Fatal(err)
			}
			if err := s.images().Remove(t.Context(), imagestore.OriginalKey(id, "a.png")); err != nil {
				t.Fatal(err)
			}
			if got := send(pngOf(t, 9, 9)); got.status != http.StatusOK || got.imageID(t) != id {
				t.Errorf("answer is %d %s, want 200 and %s", got.status, got.body, id)
			}
			if got := s.status(id); got != "queued" {
				t.Errorf("status is %q, want queued", got)
			}
		})
	}
}

// Each image of a form has an index under the key.
func TestKeyOfSeveral(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := uuid.NewString()
	upload := func(last []byte) response {
		body, contentType := formOf(t, field{"file", "a.png", pngOf(t, 8, 8)}, field{"file", "a.png", pngOf(t, 8, 8)},
			field{"file", "b.jpg", last})
		return s.post("/upload", contentType, body, "Idempotency-Key: "+key)
	}
	partly := upload([]byte("junk"))
	if keys := s.keys(); partly.status != http.StatusMultiStatus || len(keys) != 2 {
		t.Fatalf("answer is %d %s, bucket has %q; want 207, and two images", partly.status, partly.body, keys)
	}
	if got := upload([]byte("junk")); got.status != partly.status || got.body != partly.body {
		t.Errorf("the answer to a repetition is %d %s, want %s", got.status, got.body, partly.body)
	}
	whole := upload(jpegOf(t, 8, 8))
	if keys := s.keys(); whole.status != http.StatusOK || len(keys) != 3 {
		t.Errorf("with a good last image: %d %s, bucket has %q; want 200, and three images", whole.status, whole.body, keys)
	}
	if got, want := whole.imageID(t), idempotency.KeyImageID("", key, 0); got != want {
		t.Errorf("the first image is %s, want %s", got, want)
	}
}

func TestBadKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, key := range map[string]string{"not ASCII": "ä", "too long": strings.Repeat("a", 256), "a tab": "a\tb"} {
		t.Run(name, func(t *testing.T) {
			got := s.uploadRaw(key, "a.png", bytes.NewReader(pngOf(t, 8, 8)))
			if got.status != http.StatusBadRequest || got.code(t) != "bad_idempotency_key" {
				t.Errorf("answer is %d %s, want 400 bad_idempotency_key", got.status, got.body)
			}
		})
	}
	if got := s.keys(); len(got) != 0 {
		t.Errorf("bucket has %q, want nothing", got)
	}
}
