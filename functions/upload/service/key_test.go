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

// raw uploads an image as the whole body, under a key.
func (s *testServer) raw(key, filename string, body io.Reader) answered {
	s.t.Helper()
	return s.do(http.MethodPost, "/upload?filename="+filename, "image/png", body, "Idempotency-Key: "+key)
}

// noisy is a PNG of so many bytes: what comes after its end is kept with it.
func noisy(t *testing.T, size int) []byte {
	t.Helper()
	content := pngOf(t, 8, 8)
	return append(content, bytes.Repeat([]byte("noise"), (size-len(content))/5+1)...)
}

// The same key and the same image give the same answer, to the letter, whatever form the request has and whatever its size.
func TestSameKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, content := range map[string][]byte{"small": pngOf(t, 40, 30), "in parts": noisy(t, 11<<20)} {
		form := func(key string) answered {
			body, contentType := formOf(t, file{"file", "a.png", content})
			return s.do(http.MethodPost, "/upload", contentType, body, "Idempotency-Key: "+key)
		}
		key := uuid.NewString()
		first := s.raw(key, "a.png", bytes.NewReader(content))
		if first.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, first.status, first.body)
		}
		for form, again := range map[string]answered{
			"again":             s.raw(key, "a.png", bytes.NewReader(content)),
			"of unknown length": s.raw(key, "a.png", io.MultiReader(bytes.NewReader(content))),
			"with quotes":       s.raw(`"`+key+`"`, "a.png", bytes.NewReader(content)),
			"as a form":         form(key),
		} {
			if again.status != first.status || again.body != first.body {
				t.Errorf("%s, %s: %d %s, want %s", name, form, again.status, again.body, first.body)
			}
		}
		if other := s.raw(uuid.NewString(), "a.png", bytes.NewReader(content)); other.status != 200 || other.json(t)["image_id"] == first.json(t)["image_id"] {
			t.Errorf("%s, under another key: %d %s", name, other.status, other.body)
		}
	}
	if got := s.stored(); len(got) != 4 {
		t.Errorf("stored %q, want two images a size", got)
	}
}

// Another image, or another name for it, is not what the key is for.
func TestKeyReused(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, content := uuid.NewString(), pngOf(t, 40, 30)
	first := s.raw(key, "a.png", bytes.NewReader(content))
	sameSize := bytes.Clone(content)
	sameSize[len(sameSize)-1]++
	for name, answer := range map[string]answered{
		"another image":                            s.raw(key, "a.png", bytes.NewReader(pngOf(t, 41, 30))),
		"another image of unknown length":          s.raw(key, "a.png", io.MultiReader(bytes.NewReader(pngOf(t, 41, 30)))),
		"another image of the same size":           s.raw(key, "a.png", bytes.NewReader(sameSize)),
		"another name":                             s.raw(key, "b.png", bytes.NewReader(content)),
		"no name":                                  s.raw(key, "", bytes.NewReader(content[:9])),
		"what is no image":                         s.raw(key, "a.png", strings.NewReader("x")),
		"what is no image, and of unknown length ": s.raw(key, "a.png", io.MultiReader(strings.NewReader("x"))),
	} {
		if answer.status != http.StatusUnprocessableEntity || answer.json(t)["code"] != "idempotency_key_reused" {
			t.Errorf("%s: %d %s", name, answer.status, answer.body)
		}
	}
	if again := s.raw(key, "a.png", bytes.NewReader(content)); again.body != first.body {
		t.Errorf("afterwards: %d %s, want %s", again.status, again.body, first.body)
	}
	if got := s.stored(); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

// Requests under one key at the same time, at two pods: all get the same answer, or are told that their image is another.
// (Images that come in one part: the stand-in for MinIO replaces what others store while parts come.)
func TestSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := s.beside()
	key, contents := uuid.NewString(), [][]byte{noisy(t, 2<<20), noisy(t, 2<<20+5)}
	answers := make([]answered, 12)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() {
			var body io.Reader = bytes.NewReader(contents[i%2])
			if i%3 == 0 {
				body = io.MultiReader(body) // of unknown length
			}
			answers[i] = []*testServer{s, other}[i%4/2].raw(key, "a.png", body)
		})
	}
	wait.Wait()
	bodies := map[string]int{}
	for i, answer := range answers {
		bodies[answer.body]++
		if answer.status != answers[i%2].status || answer.status != 200 && answer.json(t)["code"] != "idempotency_key_reused" {
			t.Errorf("request %d: %d %s", i, answer.status, answer.body)
		}
	}
	if len(bodies) != 2 || len(s.stored()) != 1 {
		t.Errorf("answers %v, stored %q; want one answer for each of the images, and one stored", bodies, s.stored())
	}
}

// Who crashed after the image was stored is finished by the next who comes with the key.
func TestKeyAfterCrash(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, content := uuid.NewString(), pngOf(t, 8, 8)
	id := idempotency.KeyImageID("", key, 0)
	s.store(id, content)
	answer := s.raw(key, "a.png", bytes.NewReader(content))
	if answer.status != http.StatusOK || answer.json(t)["image_id"] != id || s.count(id) != 1 {
		t.Errorf("%d %s, announced %d times", answer.status, answer.body, s.count(id))
	}
	if answer := s.get("/status/" + id); !strings.Contains(answer.body, `"queued"`) {
		t.Errorf("status: %d %s", answer.status, answer.body)
	}
}

// What failed is no answer for ever: the next request under the key does what the first could not.
func TestKeyAfterFailure(t *testing.T) {
	t.Parallel()
	s := start(t)
	key, content := uuid.NewString(), pngOf(t, 8, 8)
	s.broker.refuse(true)
	if answer := s.raw(key, "a.png", bytes.NewReader(content)); answer.status != http.StatusServiceUnavailable {
		t.Errorf("with the broker away: %d %s", answer.status, answer.body)
	}
	s.broker.refuse(false)
	first := s.raw(key, "a.png", bytes.NewReader(content))
	id := idempotency.KeyImageID("", key, 0)
	if first.status != http.StatusOK || first.json(t)["image_id"] != id || s.count(id) != 1 {
		t.Errorf("%d %s, announced %d times", first.status, first.body, s.count(id))
	}

	away := *s
	away.url = run(t, func(name string) string {
		if name == "REDIS_PORT" {
			return "1"
		}
		return s.getenv(name)
	})
	if answer := away.raw(key, "a.png", bytes.NewReader(content)); answer.status != http.StatusServiceUnavailable {
		t.Errorf("with redis away: %d %s", answer.status, answer.body)
	}
	s.redis().Del(t.Context(), "image:status:"+id, "image:answer:"+id)
	if again := s.raw(key, "a.png", bytes.NewReader(content)); again.status != http.StatusOK || again.json(t)["image_id"] != id {
		t.Errorf("after redis came back empty: %d %s, want the same image", again.status, again.body)
	}
}

// What Redis remembers of an image that the bucket has lost is not said of the one that is sent under its key.
func TestKeyAfterLoss(t *testing.T) {
	t.Parallel()
	s := start(t)
	for what, send := range map[string]func(image []byte) answered{
		"upload": func(image []byte) answered { return s.raw("lost and sent again", "a.png", bytes.NewReader(image)) },
		"event": func(image []byte) answered {
			return s.do(http.MethodPost, "/upload", "image/png", bytes.NewReader(image), binaryHeader("lost and sent again", "Ce-Subject: a.png")...)
		},
	} {
		id, _ := send(pngOf(t, 8, 8)).json(t)["image_id"].(string)
		if _, err := boardOf(t, s).Advance(t.Context(), status.Status{ImageID: id, State: status.Completed}); err != nil {
			t.Fatal(err)
		}
		if err := s.storeOf().Remove(t.Context(), imagestore.OriginalKey(id, "a.png")); err != nil {
			t.Fatal(err)
		}
		if again := send(pngOf(t, 9, 9)); again.status != http.StatusOK || again.json(t)["image_id"] != id {
			t.Errorf("%s: %d %s, want 200 and the same id", what, again.status, again.body)
		}
		if got := s.get("/status/" + id); !strings.Contains(got.body, `"queued"`) {
			t.Errorf("%s: status %d %s, want queued", what, got.status, got.body)
		}
	}
}

// Each image of a form has its place under the key.
func TestKeyOfSeveral(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := uuid.NewString()
	upload := func(last []byte) answered {
		body, contentType := formOf(t, file{"file", "a.png", pngOf(t, 8, 8)}, file{"file", "a.png", pngOf(t, 8, 8)}, file{"file", "b.jpg", last})
		return s.do(http.MethodPost, "/upload", contentType, body, "Idempotency-Key: "+key)
	}
	partly := upload([]byte("junk"))
	if partly.status != http.StatusMultiStatus || len(s.stored()) != 2 {
		t.Fatalf("%d %s, stored %q", partly.status, partly.body, s.stored())
	}
	if again := upload([]byte("junk")); again.status != partly.status || again.body != partly.body {
		t.Errorf("again: %d %s, want %s", again.status, again.body, partly.body)
	}
	if whole := upload(jpegOf(t, 8, 8)); whole.status != http.StatusOK || len(s.stored()) != 3 || whole.json(t)["image_id"] != idempotency.KeyImageID("", key, 0) {
		t.Errorf("with the last one good: %d %s, stored %q", whole.status, whole.body, s.stored())
	}
}

func TestBadKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, key := range []string{"ä", strings.Repeat("a", 256), "a\tb"} {
		if answer := s.raw(key, "a.png", bytes.NewReader(pngOf(t, 8, 8))); answer.status != 400 || answer.json(t)["code"] != "bad_idempotency_key" {
			t.Errorf("%q: %d %s", key, answer.status, answer.body)
		}
	}
	request, err := http.NewRequest(http.MethodPost, s.url+"/upload", bytes.NewReader(pngOf(t, 8, 8)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header["Idempotency-Key"] = []string{"a", "b"}
	if answer := s.send(request); answer.status != 400 {
		t.Errorf("two keys: %d %s", answer.status, answer.body)
	}
	if got := s.stored(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}
