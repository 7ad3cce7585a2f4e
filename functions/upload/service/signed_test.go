package service

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

// signingKeys makes a file of signing keys, as a setting, and opens it.
func signingKeys(t *testing.T) (setting string, keys *signing.Keys) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signing-keys")
	if err := os.WriteFile(file, []byte(strings.Repeat("k", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := signing.ReadSettings(config.NewReader(func(string) string { return file }))
	return "AUTH_SIGNING_KEYS_FILE=" + file, signing.Open(s, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// urls returns the signed URLs in the answer to GET /status, by what they are of.
func (r response) urls(t *testing.T) map[string]string {
	t.Helper()
	urls := map[string]string{}
	fields := r.json(t)
	signed, _ := fields["urls"].(map[string]any)
	for name, value := range signed {
		if text, ok := value.(string); ok {
			urls[name] = text
		}
	}
	result, _ := fields["result"].(map[string]any)
	renditions, _ := result["renditions"].([]any)
	for _, rendition := range renditions {
		file, _ := rendition.(map[string]any)
		urls["rendition "+fmt.Sprint(file["name"])] = fmt.Sprint(file["url"])
	}
	return urls
}

// withImage starts the function with keys and signing keys, and stores an image of ada with a thumbnail and a
// rendition.
func withImage(t *testing.T, settings ...string) (c clients, keys *signing.Keys, id string) {
	t.Helper()
	setting, keys := signingKeys(t)
	c = startWithKeys(t, append([]string{setting, "RENDITIONS=" + renditions}, settings...)...)
	id = c.ada.upload("a.png", pngOf(t, 60, 40))
	c.ada.completeWithCard(id)
	return c, keys, id
}

// Where there are keys, what a status refers to can be put into a page: each URL works without credentials.
func TestSignedURLs(t *testing.T) {
	t.Parallel()
	c, _, id := withImage(t)
	status := c.ada.get("/status/" + id)
	urls := status.urls(t)
	for _, name := range []string{"original", "thumbnail", "rendition card"} {
		url, signed := urls[name]
		if !signed || !strings.Contains(url, "signature=") {
			t.Fatalf("the status has no signed URL for %s: %s", name, status.body)
		}
		t.Run(name, func(t *testing.T) {
			want := c.ada.get(strings.SplitN(url, "?", 2)[0])
			got := c.anonymous.get(url)
			if got.status != http.StatusOK || got.body != want.body || want.status != http.StatusOK {
				t.Fatalf("answer is %d %.90q, want %d %.90q", got.status, got.body, want.status, want.body)
			}
			if head := c.anonymous.do("HEAD", url, "", nil); head.status != http.StatusOK {
				t.Errorf("answer to HEAD is %d, want 200", head.status)
			}
			if part := c.anonymous.get(url, "Range: bytes=0-0"); part.status != http.StatusPartialContent {
				t.Errorf("answer to a range is %d, want 206", part.status)
			}
			if same := c.anonymous.get(url, "If-None-Match: "+got.header.Get("ETag")); same.status != http.StatusNotModified {
				t.Errorf("answer with the ETag is %d, want 304", same.status)
			}
			if same := c.bob.get(url); same.status != http.StatusOK || same.header.Get("Vary") != got.header.Get("Vary") {
				t.Errorf("with the key of another client: %d %v, want the same", same.status, same.header)
			}
			checkShared(t, got)
		})
	}
	t.Run("is the same for everybody", func(t *testing.T) {
		if again, admin := c.ada.get("/status/"+id).body, c.admin.get("/status/"+id).body; again != admin {
			t.Errorf("got %s and %s", again, admin)
		}
	})
	t.Run("in a list", func(t *testing.T) {
		queued := c.ada.upload("b.png", pngOf(t, 9, 9))
		for _, prefix := range []string{"", "/pictures"} {
			answer := c.ada.get("/images", "X-Forwarded-Prefix: "+prefix)
			images := answer.json(t)["images"].([]any)
			newest, listed := images[0].(map[string]any), images[1].(map[string]any)
			if newest["image_id"] != queued || newest["urls"] != nil || listed["url"] != "/images/"+id {
				t.Errorf("got %s, want signed URLs of the completed image only", answer.body)
			}
			want := c.ada.get("/status/"+id, "X-Forwarded-Prefix: "+prefix).json(t)
			if fmt.Sprint(listed["urls"]) != fmt.Sprint(want["urls"]) ||
				fmt.Sprint(listed["renditions"]) != fmt.Sprint(want["result"].(map[string]any)["renditions"]) {
				t.Errorf("got %v, want the URLs of the status %v", listed, want)
			}
		}
	})
	t.Run("to be copied", func(t *testing.T) {
		body := strings.NewReader(`{"images":["` + id + `"]}`)
		for name, got := range map[string]response{
			"status": status, "list": c.ada.get("/images"), "POST /urls": c.ada.post("/urls", "application/json", body),
		} {
			if !strings.Contains(got.body, "&signature=") || strings.Contains(got.body, `\u0026`) {
				t.Errorf("%s does not have URLs as they are used: %s", name, got.body)
			}
		}
	})
	t.Run("in a stream", func(t *testing.T) {
		if got := c.ada.get("/status/" + id + "/events").body; !strings.Contains(got, "&signature=") {
			t.Errorf("the stream has no signed URL as it is used: %s", got)
		}
	})
	t.Run("below a prefix", func(t *testing.T) {
		got := c.ada.get("/status/"+id, "X-Forwarded-Prefix: /pictures").urls(t)
		for name, url := range got {
			rest, prefixed := strings.CutPrefix(url, "/pictures")
			if !prefixed || c.anonymous.get(rest, "X-Forwarded-Prefix: /pictures").status != http.StatusOK {
				t.Errorf("%s: %s does not work behind a proxy that removes the prefix", name, url)
			}
		}
		if len(got) != 3 {
			t.Errorf("got %v, want three URLs", got)
		}
	})
}

// checkShared checks that caches may share an image, for no longer than its URL is valid, and that other sites may
// embed it.
func checkShared(t *testing.T, got response) {
	t.Helper()
	cache := got.header.Get("Cache-Control")
	age, rest, _ := strings.Cut(strings.TrimPrefix(cache, "public, max-age="), ",")
	seconds, err := strconv.Atoi(age)
	if err != nil || seconds < 60 || seconds > 3600*5/4 || rest != " must-revalidate" {
		t.Errorf("Cache-Control is %q, want no more than the URL is valid for", cache)
	}
	if vary := got.header.Get("Vary"); strings.Contains(vary, "Authorization") {
		t.Errorf("Vary is %q, want nothing about credentials", vary)
	}
	if policy := got.header.Get("Cross-Origin-Resource-Policy"); policy != "cross-origin" {
		t.Errorf("Cross-Origin-Resource-Policy is %q, want cross-origin", policy)
	}
}

// A signed URL is for GET and HEAD of one path, to the letter, until it expires.
func TestSignedURLIsForOnePath(t *testing.T) {
	t.Parallel()
	c, keys, id := withImage(t)
	other := c.ada.upload("b.png", pngOf(t, 9, 9))
	hour := time.Now().Add(time.Hour)
	original, query, _ := strings.Cut(keys.URL("/images/"+id, "", hour), "?")
	card, cardQuery, _ := strings.Cut(keys.URL("/images/"+id+"/card", "", hour), "?")
	escaped := fmt.Sprintf("/images/%%%X%s?%s", id[0], id[1:], query)
	later := strings.Replace(query, "expires=", "expires=9", 1)
	timeless := query[strings.Index(query, "signature"):]
	expired := keys.URL(original, "", time.Now().Add(-time.Minute))
	for name, test := range map[string]struct {
		method, url, code string
		status            int
	}{
		"as it is":                   {"GET", original + "?" + query, "", 200},
		"empty segments":             {"GET", "//images//" + id + "/?" + query, "", 200},
		"another image":              {"GET", "/images/" + other + "?" + query, "signature_invalid", 403},
		"a rendition":                {"GET", card + "?" + query, "signature_invalid", 403},
		"the original, of rendition": {"GET", original + "?" + cardQuery, "signature_invalid", 403},
		"an escaped slash":           {"GET", "/images/" + id + "%2Fcard?" + cardQuery, "signature_invalid", 403},
		"the thumbnail":              {"GET", "/thumbnails/" + id + "?" + query, "signature_invalid", 403},
		"in upper case":              {"GET", "/images/" + strings.ToUpper(id) + "?" + query, "signature_invalid", 403},
		"an escaped letter":          {"GET", escaped, "signature_invalid", 403},
		"a parameter more":           {"GET", original + "?" + query + "&x=1", "signature_invalid", 403},
		"twice":                      {"GET", original + "?" + query + "&" + query, "signature_invalid", 403},
		"another time":               {"GET", original + "?" + later, "signature_invalid", 403},
		"expired":                    {"GET", expired, "signature_expired", 403},
		"expired and changed":        {"GET", expired + "A", "signature_invalid", 403},
		"without the time":           {"GET", original + "?" + timeless, "signature_invalid", 403},
		"without the signature":      {"GET", original + "?" + strings.Split(query, "&")[0], "unauthorized", 401},
		"the status":                 {"GET", "/status/" + id + "?" + query, "unauthorized", 401},
		"an upload":                  {"POST", "/upload?" + query, "unauthorized", 401},
		"more URLs":                  {"POST", "/urls?" + query, "unauthorized", 401},
		"another method":             {"POST", original + "?" + query, "method_not_allowed", 405},
		"no image any more": {
			"GET", keys.URL("/images/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "", hour), "image_not_found", 404,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.anonymous.do(test.method, test.url, "", nil)
			if got.status != test.status || test.code != "" && got.code(t) != test.code {
				t.Errorf("answer is %d %.300s, want %d %s", got.status, got.body, test.status, test.code)
			}
			if cache := got.header.Get("Cache-Control"); got.status >= 400 && cache != "no-store" {
				t.Errorf("Cache-Control of the error is %q, want no-store", cache)
			}
		})
	}
	t.Run("a script may read the answer and the error", func(t *testing.T) {
		s := c.anonymous.startAnother("CORS_ORIGINS=https://shop.example")
		for _, url := range []string{original + "?" + query, expired} {
			got := s.get(url, "Origin: https://shop.example").header.Get("Access-Control-Allow-Origin")
			if got != "https://shop.example" {
				t.Errorf("Access-Control-Allow-Origin is %q", got)
			}
		}
	})
}

// Without signing keys a signature is a parameter like any other that does not exist, and opens nothing.
func TestNothingIsSigned(t *testing.T) {
	t.Parallel()
	_, keys := signingKeys(t)
	c := startWithKeys(t)
	id := c.ada.upload("a.png", pngOf(t, 60, 40))
	c.ada.complete(id)
	if got := c.ada.get("/status/" + id); strings.Contains(got.body, "urls") {
		t.Errorf("the status has URLs: %s", got.body)
	}
	url := keys.URL("/images/"+id, "", time.Now().Add(time.Hour))
	if got := c.anonymous.get(url); got.status != http.StatusUnauthorized {
		t.Errorf("without a key: %d, want 401", got.status)
	}
	if got := c.ada.get(url); got.status != http.StatusBadRequest {
		t.Errorf("with a key: %d, want 400", got.status)
	}
	got := c.ada.post("/urls", "application/json", strings.NewReader(`{"images":["`+id+`"]}`))
	if got.code(t) != "nothing_signed" {
		t.Errorf("answer is %d %s, want nothing_signed", got.status, got.body)
	}
}

// A client gets URLs of its own images, of as many as a page shows, for as long as it asks.
func TestPostURLs(t *testing.T) {
	t.Parallel()
	c, _, id := withImage(t)
	post := func(s *testServer, body string) response {
		return s.post("/urls", "application/json", strings.NewReader(body))
	}
	got := post(c.ada, `{"images":["`+strings.ToUpper(id)+`"],"expires_in":600}`)
	if got.status != http.StatusOK {
		t.Fatalf("answer is %d %s, want 200", got.status, got.body)
	}
	image := got.json(t)["images"].([]any)[0].(map[string]any)
	left := time.Until(time.Unix(int64(image["expires"].(float64)), 0))
	if image["image_id"] != id || left < 590*time.Second || left > 750*time.Second {
		t.Errorf("got %v, which expires in %v; want 600 to 750 s", image, left)
	}
	card := image["renditions"].(map[string]any)["card"]
	for _, url := range []any{image["original"], image["thumbnail"], card} {
		if got := c.anonymous.get(fmt.Sprint(url)); got.status != http.StatusOK {
			t.Errorf("%v: %d %s, want 200", url, got.status, got.body)
		}
	}
	others := c.bob.upload("b.png", pngOf(t, 9, 9))
	many := `{"images":["` + id + strings.Repeat(`","`+id, 99) + `"]}`
	if got := post(c.ada, many); got.status != http.StatusOK || len(got.json(t)["images"].([]any)) != 100 {
		t.Errorf("of 100 images: %d %.200s, want 200", got.status, got.body)
	}
	for name, test := range map[string]struct {
		client *testServer
		body   string
		code   string
	}{
		"the images of others":  {c.bob, `{"images":["` + id + `"]}`, "image_not_found"},
		"one of several":        {c.bob, `{"images":["` + others + `","` + id + `"]}`, "image_not_found"},
		"not an ID":             {c.admin, `{"images":["../x"]}`, "image_not_found"},
		"without credentials":   {c.anonymous, `{"images":["` + id + `"]}`, "unauthorized"},
		"no images":             {c.ada, `{"images":[]}`, "bad_body"},
		"101 images":            {c.ada, strings.Replace(many, `["`, `["`+id+`","`, 1), "bad_body"},
		"too short":             {c.ada, `{"images":["` + id + `"],"expires_in":59}`, "bad_body"},
		"too long":              {c.ada, `{"images":["` + id + `"],"expires_in":604801}`, "bad_body"},
		"an unknown member":     {c.ada, `{"images":["` + id + `"],"width":5}`, "bad_body"},
		"more after the object": {c.ada, `{"images":["` + id + `"]}{}`, "bad_body"},
		"an empty body":         {c.ada, ``, "bad_body"},
		"too many bytes":        {c.ada, `{"images":["` + strings.Repeat(" ", 9000) + `"]}`, "too_many_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := post(test.client, test.body); got.code(t) != test.code {
				t.Errorf("answer is %d %s, want %s", got.status, got.body, test.code)
			}
		})
	}
}

// Valid signed URLs are limited by address, and refused ones apart from them.
func TestSignedURLsAreLimited(t *testing.T) {
	t.Parallel()
	c, keys, id := withImage(t, "RATE_LIMIT=1/h", "RATE_LIMIT_BURST=3")
	url := keys.URL("/images/"+id, "", time.Now().Add(time.Hour))
	for _, test := range []struct {
		url    string
		status int
	}{
		{url + "A", 403}, {url + "A", 403}, {url + "A", 403}, {url + "A", 429},
		{url, 200}, {url, 200}, {url, 200}, {url, 429},
	} {
		if got := c.anonymous.get(test.url); got.status != test.status {
			t.Errorf("answer to %s is %d, want %d", test.url, got.status, test.status)
		}
	}
}
