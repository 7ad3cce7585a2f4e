package service

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// grant asks for a grant, and returns its text.
func (s *testServer) grant(body string) string {
	s.t.Helper()
	got := s.post("/grants", "application/json", strings.NewReader(body))
	text, _ := got.json(s.t)["grant"].(string)
	if got.status != http.StatusOK || text == "" {
		s.t.Fatalf("POST /grants: %d %s", got.status, got.body)
	}
	return text
}

// uploadWith uploads an image with a grant in the query.
func (s *testServer) uploadWith(grant string, content []byte, header ...string) response {
	s.t.Helper()
	return s.post("/upload?filename=a.png&grant="+grant, "image/png", bytes.NewReader(content), header...)
}

// A browser without a key uploads with a grant, follows its images, and shows them; they belong to the grant's client.
func TestGrant(t *testing.T) {
	t.Parallel()
	setting, _ := signingKeys(t)
	c := startWithKeys(t, setting)
	grant := c.ada.grant(`{"images":2}`)
	own := c.ada.upload("own.png", pngOf(t, 9, 9))
	first := c.anonymous.uploadWith(grant, pngOf(t, 20, 10))
	body, contentType := formOf(t, field{"file", "b.png", pngOf(t, 21, 10)})
	second := c.anonymous.post("/upload", contentType, body, "X-Upload-Grant: "+grant)
	if first.status != http.StatusOK || second.status != http.StatusOK {
		t.Fatalf("uploads: %d %s, %d %s; want 200", first.status, first.body, second.status, second.body)
	}
	id, other := first.imageID(t), second.imageID(t)
	bobs := c.bob.get("/status/" + id).status
	if !ownership.Owns("ada", id) || !ownership.Owns("ada", other) || bobs != http.StatusNotFound {
		t.Errorf("%s and %s are not ada's", id, other)
	}
	c.ada.complete(id)
	for path, status := range map[string]int{
		"/status/" + id: 200, "/status/" + other: 200, "/status/" + id + "/events": 200,
		"/status/" + own: 404, "/status/" + own + "/events": 404,
		"/images/" + id: 401, "/thumbnails/" + id: 401, "/images": 401, "/status": 401,
	} {
		t.Run(path, func(t *testing.T) {
			if got := c.anonymous.get(path + "?grant=" + grant); got.status != status {
				t.Errorf("answer is %d %.200s, want %d", got.status, got.body, status)
			}
		})
	}
	if got := c.anonymous.get("/status/" + id + "?wait=1&grant=" + grant); got.status != http.StatusOK {
		t.Errorf("with a wait: %d %s, want 200", got.status, got.body)
	}
	if got := c.anonymous.get("/events?ids=" + own + "&grant=" + grant); got.status != http.StatusNotFound {
		t.Errorf("the stream of an image of the client: %d, want 404", got.status)
	}
	thumbnail := c.anonymous.get("/status/"+id, "X-Upload-Grant: "+grant).urls(t)["thumbnail"]
	if got := c.anonymous.get(thumbnail); got.status != http.StatusOK {
		t.Errorf("thumbnail %s: %d, want 200", thumbnail, got.status)
	}
	third := c.anonymous.uploadWith(grant, pngOf(t, 22, 10))
	if got := third; got.code(t) != "grant_used_up" || got.status != http.StatusForbidden {
		t.Errorf("a third upload: %d %s, want 403 grant_used_up", got.status, got.body)
	}
	fromOther := c.ada.grant(`{}`)
	if got := c.anonymous.get("/status/" + id + "?grant=" + fromOther); got.status != http.StatusNotFound {
		t.Errorf("the image of another grant: %d, want 404", got.status)
	}
}

// What a grant limits is refused, and refused uploads do not use it up. One that is too large is refused before it is
// read, if its size is declared.
func TestGrantLimits(t *testing.T) {
	t.Parallel()
	setting, _ := signingKeys(t)
	c := startWithKeys(t, setting)
	small := pngOf(t, 9, 9)
	large := append(pngOf(t, 9, 9), make([]byte, 4000)...)
	grant := c.ada.grant(`{"max_bytes":1000,"types":["image/png"]}`)
	unread := &countingReader{from: bytes.NewReader(make([]byte, 3<<20))}
	for name, test := range map[string]struct {
		send func() response
		code string
	}{
		"too large": {func() response { return c.anonymous.uploadWith(grant, large) }, "too_many_bytes"},
		"too large, of unknown size": {func() response {
			return c.anonymous.post("/upload?grant="+grant, "image/png", io.MultiReader(bytes.NewReader(large)))
		}, "too_many_bytes"},
		"too large, in a form": {func() response {
			body, contentType := formOf(t, field{"file", "b.png", large})
			return c.anonymous.post("/upload?grant="+grant, contentType, body)
		}, "too_many_bytes"},
		"another type": {func() response { return c.anonymous.uploadWith(grant, gifOf(t, 2, 2)) }, "type_not_granted"},
		"not an image": {func() response { return c.anonymous.uploadWith(grant, []byte("text")) }, "not_an_image"},
		"an event": {func() response {
			return c.anonymous.post("/upload?grant="+grant, "application/cloudevents+json", strings.NewReader(`{}`))
		}, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.send(); got.code(t) != test.code {
				t.Errorf("answer is %d %s, want %s", got.status, got.body, test.code)
			}
		})
	}
	t.Run("too large, before it is read", func(t *testing.T) {
		url := c.anonymous.url + "/upload?grant=" + grant
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, unread)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = 3 << 20
		request.Header.Set("Expect", "100-continue")
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		defer client.CloseIdleConnections()
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusRequestEntityTooLarge || unread.count != 0 {
			t.Errorf("answer is %s after %d bytes, want 413 after none", answer.Status, unread.count)
		}
	})
	if got := c.anonymous.uploadWith(grant, small); got.status != http.StatusOK {
		t.Errorf("the only image, after those that were refused: %d %s, want 200", got.status, got.body)
	}
}

type countingReader struct {
	from  io.Reader
	count int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.count += n
	return n, err
}

// A grant for some images brings as many of uploads at the same time, and a repetition does not count.
func TestGrantTogether(t *testing.T) {
	t.Parallel()
	setting, _ := signingKeys(t)
	c := startWithKeys(t, setting)
	grant := c.ada.grant(`{"images":3}`)
	var accepted sync.Map
	var uploads sync.WaitGroup
	for i := range 12 {
		uploads.Go(func() {
			got := c.anonymous.uploadWith(grant, pngOf(t, 20+i, 10), fmt.Sprintf("Idempotency-Key: key-%d", i))
			if got.status == http.StatusOK {
				accepted.Store(i, got.imageID(t))
			} else if got.code(t) != "grant_used_up" {
				t.Errorf("answer is %d %s, want 200 or grant_used_up", got.status, got.body)
			}
		})
	}
	uploads.Wait()
	count := 0
	accepted.Range(func(i, id any) bool {
		count++
		again := c.anonymous.uploadWith(grant, pngOf(t, 20+i.(int), 10), fmt.Sprintf("Idempotency-Key: key-%d", i))
		if again.status != http.StatusOK || again.imageID(t) != id {
			t.Errorf("the repetition: %d %s, want 200 and %s", again.status, again.body, id)
		}
		return true
	})
	if count != 3 || len(c.ada.keys()) != 3 {
		t.Errorf("%d uploads were accepted, the bucket has %q; want 3", count, c.ada.keys())
	}
	// The keys of a grant are its own: the client's upload with the same key is another image.
	mine := c.ada.uploadRaw("key-0", "a.png", bytes.NewReader(pngOf(t, 20, 10)))
	if id, same := accepted.Load(0); mine.status != http.StatusOK || same && mine.imageID(t) == id {
		t.Errorf("the client's own upload: %d %s, want another image", mine.status, mine.body)
	}
}

// Without Redis a grant is not accepted, because its images cannot be counted.
func TestGrantWithoutRedis(t *testing.T) {
	t.Parallel()
	setting, _ := signingKeys(t)
	c := startWithKeys(t, setting)
	grant := c.ada.grant(`{}`)
	away := c.anonymous.startAnother("REDIS_HOST=127.0.0.1", "REDIS_PORT=1")
	if got := away.uploadWith(grant, pngOf(t, 9, 9)); got.status != http.StatusServiceUnavailable {
		t.Errorf("answer is %d %s, want 503", got.status, got.body)
	}
	if got := c.ada.keys(); len(got) != 0 {
		t.Errorf("the bucket has %q, want nothing", got)
	}
}

// A grant is valid as it was made, for its time, as long as its client has a key, and alone.
func TestGrantRefused(t *testing.T) {
	t.Parallel()
	setting, keys := signingKeys(t)
	c := startWithKeys(t, setting)
	valid := c.ada.grant(`{}`)
	grantOf := func(client string, ends time.Duration) string {
		text, err := keys.Grant(signing.Grant{
			Client: client, MaxBytes: 1 << 20, Images: 9, Expires: time.Now().Add(ends).Unix(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, test := range map[string]struct {
		grant, header, code string
	}{
		"changed":              {strings.Replace(valid, ".", "x.", 1), "", "grant_invalid"},
		"cut":                  {valid[:len(valid)-1], "", "grant_invalid"},
		"empty":                {"", "", "grant_invalid"},
		"twice":                {valid + "&grant=" + valid, "", "grant_invalid"},
		"with a key":           {valid, "X-Api-Key: " + c.bob.key, "grant_invalid"},
		"in query and header":  {valid, "X-Upload-Grant: " + valid, "grant_invalid"},
		"of an unknown client": {grantOf("carol", time.Hour), "", "grant_invalid"},
		"of a token's client":  {grantOf("https://login.example|carol", time.Hour), "", "grant_invalid"},
		"expired":              {grantOf("ada", -time.Minute), "", "grant_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{}
			if test.header != "" {
				headers = append(headers, test.header)
			}
			got := c.anonymous.uploadWith(test.grant, pngOf(t, 9, 9), headers...)
			if got.status != http.StatusForbidden || got.code(t) != test.code {
				t.Errorf("answer is %d %s, want 403 %s", got.status, got.body, test.code)
			}
		})
	}
	if got := c.anonymous.get("/status/x?grant=" + grantOf("ada", -time.Minute)); got.status != http.StatusNotFound {
		t.Errorf("a status, soon after the end: %d %s, want 404", got.status, got.body)
	}
	if got := c.anonymous.get("/status/x?grant=" + grantOf("ada", -2*time.Hour)); got.code(t) != "grant_expired" {
		t.Errorf("a status, later: %d %s, want grant_expired", got.status, got.body)
	}
	admin := c.admin.grant(`{}`)
	own := c.ada.upload("own.png", pngOf(t, 9, 9))
	if got := c.anonymous.get("/status/" + own + "?grant=" + admin); got.status != http.StatusNotFound {
		t.Errorf("an image of another client, by an administrator's grant: %d, want 404", got.status)
	}
	key, line, err := auth.NewKey("dora")
	if err != nil || os.WriteFile(c.ada.getenv("AUTH_API_KEYS_FILE"), []byte(line+"\n"), 0o600) != nil {
		t.Fatal(err)
	}
	await(t, "the file is read again", func() bool {
		return c.anonymous.get("/status/x", "X-Api-Key: "+key).status == http.StatusNotFound
	})
	if got := c.anonymous.uploadWith(valid, pngOf(t, 9, 9)); got.code(t) != "grant_invalid" {
		t.Errorf("after the client's key was revoked: %d %s, want grant_invalid", got.status, got.body)
	}
}

func TestGrantWithoutSigningKeys(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.post("/upload", "image/png", bytes.NewReader(pngOf(t, 9, 9)), "X-Upload-Grant: a.b")
	if got.status != http.StatusForbidden || got.code(t) != "grant_invalid" {
		t.Errorf("in the header: %d %s, want 403 grant_invalid", got.status, got.body)
	}
	if got := s.uploadWith("a.b", pngOf(t, 9, 9)); got.status != http.StatusBadRequest || got.code(t) != "bad_query" {
		t.Errorf("in the query: %d %s, want 400 bad_query", got.status, got.body)
	}
}

func TestPostGrants(t *testing.T) {
	t.Parallel()
	setting, _ := signingKeys(t)
	c := startWithKeys(t, setting)
	for name, body := range map[string]string{
		"no images": `{"images":0}`, "too many images": `{"images":1001}`, "no bytes": `{"max_bytes":0}`,
		"more bytes than the service takes": `{"max_bytes":1099511627776}`, "an unknown type": `{"types":["image/x"]}`,
		"no types": `{"types":[]}`, "too short": `{"expires_in":59}`, "too long": `{"expires_in":86401}`,
		"an unknown member": `{"count":1}`, "no JSON": ``, "a client": `{"client":"bob"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.ada.post("/grants", "application/json", strings.NewReader(body)); got.code(t) != "bad_body" {
				t.Errorf("answer is %d %s, want bad_body", got.status, got.body)
			}
		})
	}
	grant := c.ada.grant(`{}`)
	for _, path := range []string{"/grants?grant=" + grant, "/urls?grant=" + grant, "/?grant=" + grant} {
		got := c.anonymous.post(path, "application/json", strings.NewReader(`{}`))
		if got.status != http.StatusUnauthorized {
			t.Errorf("%.10s by a grant: %d, want 401", path, got.status)
		}
	}
}
