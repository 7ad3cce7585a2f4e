package service

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// clients are three clients of one service with authentication, and one without a key.
type clients struct{ ada, bob, admin, anonymous *testServer }

func startWithKeys(t *testing.T, settings ...string) clients {
	t.Helper()
	file, lines := filepath.Join(t.TempDir(), "api-keys"), ""
	keys := map[string]string{}
	for _, name := range []string{"ada", "bob", "admin"} {
		key, line, err := auth.NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		keys[name], lines = key, lines+line+"\n"
	}
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	anonymous := start(t, append([]string{"AUTH_API_KEYS_FILE=" + file, "AUTH_ADMINS=admin"}, settings...)...)
	withKeyOf := func(name string) *testServer {
		s := *anonymous
		s.key = keys[name]
		return &s
	}
	return clients{withKeyOf("ada"), withKeyOf("bob"), withKeyOf("admin"), anonymous}
}

// withoutAuthentication starts the function as the cluster's own way in, for events that come through the Broker.
func (s *testServer) withoutAuthentication() *testServer {
	s.t.Helper()
	other := s.startAnother("AUTH_API_KEYS_FILE=", "AUTH_ADMINS=")
	other.key = ""
	return other
}

// What belongs to a client, and what creates something, needs a key. What reveals nothing about a client does not.
func TestWhatNeedsAKey(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	id := c.ada.upload("a.png", pngOf(t, 9, 9))
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/upload", 401}, {"POST", "/", 401}, {"GET", "/status/" + id, 401}, {"GET", "/images/" + id, 401},
		{"HEAD", "/images/" + id, 401}, {"GET", "/thumbnails/" + id, 401}, {"GET", "/images/" + id + "/thumbnail", 401},
		{"GET", "/status/x", 401},
		{"GET", "/images/" + uuid.NewString(), 401},
		{"GET", "/", 200}, {"GET", "/health", 200}, {"GET", "/ready", 200}, {"GET", "/metrics", 200},
		{"GET", "/nothing", 404}, {"PUT", "/upload", 405}, {"OPTIONS", "/upload", 405},
		{"DELETE", "/images/" + id, 401}, {"DELETE", "/status/" + id, 405},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			got := c.anonymous.do(test.method, test.path, "", nil)
			challenged := got.header.Get("WWW-Authenticate") != ""
			if got.status != test.status || challenged != (test.status == http.StatusUnauthorized) {
				t.Errorf("answer is %d %v, want %d", got.status, got.header, test.status)
			}
		})
	}
	for _, name := range []string{"key", "access_token", "api_key"} {
		t.Run("key in the query as "+name, func(t *testing.T) {
			got := c.anonymous.post("/upload?"+name+"="+c.ada.key, "image/png", bytes.NewReader(pngOf(t, 9, 9)))
			if got.status != http.StatusUnauthorized {
				t.Errorf("answer is %d %s, want 401", got.status, got.body)
			}
		})
	}
	if got := c.anonymous.keys(); len(got) != 1 {
		t.Errorf("bucket has %q, want one image", got)
	}
}

// A client sees its own images only. However it asks for others, they do not exist.
func TestOwnImages(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	content := pngOf(t, 30, 20)
	id := c.ada.upload("a.png", content)
	bucket := c.ada.getenv("MINIO_BUCKET")
	c.ada.put(bucket, imagestore.ThumbnailKey(id+"/a.png"), []byte("thumbnail"))
	unowned := uuid.NewString() // from before authentication
	c.ada.put(bucket, unowned+"/a.png", content)
	etag := c.ada.get("/images/" + id).header.Get("Etag")

	for _, path := range []string{"/status/", "/images/", "/thumbnails/"} {
		for name, client := range map[string]*testServer{"the owner": c.ada, "an administrator": c.admin} {
			t.Run(path+" for "+name, func(t *testing.T) {
				got := client.get(path + id)
				if got.status != http.StatusOK {
					t.Errorf("answer is %d %s, want 200", got.status, got.body)
				}
				if path != "/status/" {
					checkPrivate(t, got)
				}
			})
		}
		t.Run(path+" for another client", func(t *testing.T) {
			missing := c.bob.get(path + ownership.NewID("bob"))
			for _, id := range []string{id, unowned, ownership.NewID("ada"), ownership.NewID("")} {
				for _, header := range [][]string{
					nil, {"Range: bytes=0-0"}, {"If-None-Match: " + etag}, {"If-None-Match: *"},
					{"If-Range: " + etag, "Range: bytes=0-"},
				} {
					got := c.bob.get(path+id, header...)
					if got.status != http.StatusNotFound || got.body != missing.body || got.header.Get("Etag") != "" {
						t.Errorf("%s with %v: %d %s, want 404 %s", id, header, got.status, got.body, missing.body)
					}
				}
				got := c.bob.do(http.MethodHead, path+id, "", nil)
				length := missing.header.Get("Content-Length")
				if got.status != http.StatusNotFound || got.header.Get("Content-Length") != length {
					t.Errorf("HEAD of %s: %d %v, want 404 and Content-Length %s", id, got.status, got.header, length)
				}
			}
			if got := c.bob.get(path + strings.ToUpper(id)); got.status != http.StatusNotFound {
				t.Errorf("in upper case: %d, want 404", got.status)
			}
		})
		t.Run(path+" without a key", func(t *testing.T) {
			if got := c.anonymous.get(path + id); got.status != http.StatusUnauthorized {
				t.Errorf("answer is %d, want 401", got.status)
			}
		})
	}
	t.Run("not modified", func(t *testing.T) {
		got := c.ada.get("/images/"+id, "If-None-Match: "+etag)
		if got.status != http.StatusNotModified || got.header.Get("Cache-Control") != privateCache {
			t.Errorf("answer is %d %v, want 304 and Cache-Control %s", got.status, got.header, privateCache)
		}
	})
	t.Run("without an owner", func(t *testing.T) {
		if got := c.ada.get("/images/" + unowned); got.status != http.StatusNotFound {
			t.Errorf("answer to a client is %d, want 404", got.status)
		}
		if got := c.admin.get("/images/" + unowned); got.status != http.StatusOK {
			t.Errorf("answer to an administrator is %d, want 200", got.status)
		}
	})
}

const privateCache = "private, max-age=31536000, immutable"

// checkPrivate checks that an image is not cached for other clients, or embedded by other sites.
func checkPrivate(t *testing.T, got response) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control":                privateCache,
		"Vary":                         "Authorization, X-Api-Key",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// An idempotency key belongs to a client: the same key of another client is another upload.
func TestKeysOfClients(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	content := pngOf(t, 8, 8)
	first := c.ada.uploadRaw("key", "a.png", bytes.NewReader(content))
	again := c.ada.uploadRaw("key", "a.png", bytes.NewReader(content))
	other := c.bob.uploadRaw("key", "a.png", bytes.NewReader(content))
	if first.status != http.StatusOK || again.body != first.body {
		t.Errorf("answers are %d %s and %d %s, want 200 and the same", first.status, first.body, again.status, again.body)
	}
	if other.status != http.StatusOK || other.imageID(t) == first.imageID(t) {
		t.Errorf("answer to another client is %d %s, want 200 and another ID", other.status, other.body)
	}
	if got := c.bob.uploadRaw("key", "a.png", bytes.NewReader(pngOf(t, 9, 9))); got.code(t) != "idempotency_key_reused" {
		t.Errorf("answer to another image is %d %s, want idempotency_key_reused", got.status, got.body)
	}
	if got := c.bob.get("/images/" + other.imageID(t)); got.status != http.StatusOK {
		t.Errorf("the client's own image: %d, want 200", got.status)
	}
	if got := c.bob.get("/status/" + first.imageID(t)); got.status != http.StatusNotFound {
		t.Errorf("the other client's image: %d, want 404", got.status)
	}
}

// The same event of two clients is two images, one of each. Where events come without a client, it belongs to nobody.
func TestEventsOfClients(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	content := pngOf(t, 8, 8)
	deliver := func(s *testServer) (imageID string) {
		t.Helper()
		got := s.post("/", "image/png", bytes.NewReader(content), binaryHeader("same")...)
		if got.status != http.StatusOK {
			t.Fatalf("answer is %d %s, want 200", got.status, got.body)
		}
		return strings.TrimPrefix(got.header.Get("Location"), "/status/")
	}
	checkStatus := func(s *testServer, imageID string, want int) {
		t.Helper()
		if got := s.get("/status/" + imageID); got.status != want {
			t.Errorf("GET /status/%s answers %d, want %d", imageID, got.status, want)
		}
	}
	adas, bobs := deliver(c.ada), deliver(c.bob)
	if again := deliver(c.ada); adas == bobs || again != adas {
		t.Errorf("images are %s, %s, and %s again; want one of each client", adas, bobs, again)
	}
	checkStatus(c.ada, adas, http.StatusOK)
	checkStatus(c.bob, adas, http.StatusNotFound)

	cluster := c.anonymous.withoutAuthentication()
	unowned := deliver(cluster)
	if version := uuid.MustParse(unowned).Version(); version != 5 {
		t.Errorf("without a client the image is %s, want a UUID of version 5", unowned)
	}
	checkStatus(c.admin, unowned, http.StatusOK)
	checkStatus(c.ada, unowned, http.StatusNotFound)

	for name, test := range map[string]struct {
		client *testServer
		want   int
	}{
		"a client": {c.ada, http.StatusForbidden}, "an administrator": {c.admin, http.StatusOK},
		"the cluster": {cluster, http.StatusOK}, "nobody": {c.anonymous, http.StatusUnauthorized},
	} {
		t.Run("sweep for "+name, func(t *testing.T) {
			if got := test.client.requestSweep(); got.status != test.want {
				t.Errorf("answer is %d %s, want %d", got.status, got.body, test.want)
			}
		})
	}
}

// reason is the reason in a reply image.failed; "" for another answer.
func (r response) reason(t *testing.T) string {
	t.Helper()
	if r.header.Get("Ce-Type") != events.TypeImageFailed {
		return ""
	}
	reason, _ := r.json(t)["reason"].(string)
	return reason
}

// The service reads objects with rights of its own, so a client may refer to its own images only. Whether an image of
// another client exists cannot be seen from the answer: it is the same for all of its IDs.
func TestReferencesOfClients(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	c := startWithKeys(t)
	own := c.ada.getenv("MINIO_BUCKET")
	pod := c.anonymous.startAnother("SOURCE_BUCKETS=" + bucket + "," + own)
	for _, s := range []*testServer{c.ada, c.bob, c.admin} {
		s.url = pod.url
	}
	c.ada.put(bucket, "a.png", pngOf(t, 7, 7))
	id, bobs := c.ada.upload("a.png", pngOf(t, 8, 8)), ownership.NewID("bob")
	for name, test := range map[string]struct {
		client  *testServer
		dataref string
		status  int
		code    string
	}{
		"its own image":               {c.ada, events.FormatDataRef(own, id+"/a.png"), 200, ""},
		"another client's image":      {c.bob, events.FormatDataRef(own, id+"/a.png"), 404, "object_not_found"},
		"no image":                    {c.bob, events.FormatDataRef(own, bobs+"/a.png"), 404, "object_not_found"},
		"another's by dots":           {c.bob, "s3://" + own + "/" + bobs + "/../" + id + "/a.png", 400, "invalid_event"},
		"another's by escaped dots":   {c.bob, "s3://" + own + "/" + bobs + "/%2e%2e/" + id + "/a.png", 400, "invalid_event"},
		"not an image's object":       {c.bob, events.FormatDataRef(own, "backup/a.png"), 404, "object_not_found"},
		"an image, for an admin":      {c.admin, events.FormatDataRef(own, id+"/a.png"), 200, ""},
		"another system's":            {c.ada, events.FormatDataRef(bucket, "a.png"), 400, "unknown_bucket"},
		"another system's, for admin": {c.admin, events.FormatDataRef(bucket, "a.png"), 200, ""},
		"a bucket not configured":     {c.admin, "s3://secrets/a.png", 400, "unknown_bucket"},
		"an address in the network":   {c.admin, "http://169.254.169.254/latest", 400, "invalid_event"},
		"another server":              {c.admin, "s3://evil.example:9000/a.png", 400, "invalid_event"},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.client.post("/", "", nil, binaryHeader(uuid.NewString(), "Ce-Dataref: "+test.dataref)...)
			switch test.code {
			case "":
				if got.status != test.status || got.body != "" {
					t.Errorf("answer is %d %s, want %d", got.status, got.body, test.status)
				}
			case "object_not_found":
				if wants := name != "no image"; got.status != http.StatusOK || (got.reason(t) == test.code) != wants {
					t.Errorf("answer is %d %s, want 200, and the reason %s: %t", got.status, got.body, test.code, wants)
				}
			default:
				if got.status != test.status || got.code(t) != test.code {
					t.Errorf("answer is %d %s, want %d %s", got.status, got.body, test.status, test.code)
				}
			}
			bucket, key, err := events.ParseDataRef(test.dataref)
			if err != nil {
				return
			}
			got = test.client.post("/upload", "application/json", reference(bucket, key), binaryHeader(uuid.NewString())...)
			if got.status != test.status || test.code != "" && got.code(t) != test.code {
				t.Errorf("answer to JSON data is %d %s, want %d", got.status, got.body, test.status)
			}
		})
	}
}

// With EVENTS_ONLY the function accepts events, and shows no image, whatever IDs a caller knows.
func TestEventsOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 9, 9))
	only := s.startAnother("EVENTS_ONLY=true")
	for path, want := range map[string]int{
		"/": 405, "/upload": 404, "/status/" + id: 404, "/images/" + id: 404, "/thumbnails/" + id: 404,
		"/health": 200, "/ready": 200, "/metrics": 200,
	} {
		t.Run("GET "+path, func(t *testing.T) {
			if got := only.get(path); got.status != want {
				t.Errorf("answer is %d, want %d", got.status, want)
			}
		})
	}
	t.Run("upload", func(t *testing.T) {
		if got := only.uploadForm(field{"file", "a.png", pngOf(t, 9, 9)}); got.status != http.StatusNotFound {
			t.Errorf("answer is %d, want 404", got.status)
		}
	})
	t.Run("reference to an image", func(t *testing.T) {
		body := reference(s.getenv("MINIO_BUCKET"), id+"/a.png")
		got := only.post("/", "application/json", body, binaryHeader("2")...)
		if keys := s.keys(); got.status != http.StatusOK || got.reason(t) != "object_not_found" || len(keys) != 2 {
			t.Errorf("answer is %d %s, bucket has %q; want an image.failed, the first image, and a failure note",
				got.status, got.body, keys)
		}
	})
	t.Run("event", func(t *testing.T) {
		got := only.post("/", "image/png", bytes.NewReader(pngOf(t, 9, 9)), binaryHeader("1")...)
		if keys := s.keys(); got.status != http.StatusOK || len(keys) != 3 {
			t.Errorf("answer is %d %s, bucket has %q; want 200, and another image", got.status, got.body, keys)
		}
	})
}

// Scripts of a site that is named may do what the page's own script does. The cluster's paths are for no site.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	s := start(t, "CORS_ORIGINS=https://app.example")
	origin := "Origin: https://app.example"
	preflight := []string{origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"}
	for path, want := range map[string]int{"/upload": 204, "/": 204, "/status/x": 204, "/health": 405, "/metrics": 405} {
		t.Run("OPTIONS "+path, func(t *testing.T) {
			got := s.do(http.MethodOptions, path, "", nil, preflight...)
			allowed := got.header.Get("Access-Control-Allow-Origin") != ""
			if got.status != want || allowed != (want == http.StatusNoContent) {
				t.Errorf("answer is %d %v, want %d", got.status, got.header, want)
			}
		})
	}
	t.Run("OPTIONS without an origin", func(t *testing.T) {
		got := s.do(http.MethodOptions, "/upload", "", nil)
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
			t.Errorf("answer is %d %v, want 405, and POST allowed", got.status, got.header)
		}
	})
	t.Run("GET of an image", func(t *testing.T) {
		got := s.get("/images/"+s.upload("a.png", pngOf(t, 8, 8)), origin)
		allowed := got.header.Get("Access-Control-Allow-Origin")
		if allowed != "https://app.example" || got.header.Get("Vary") != "Origin" {
			t.Errorf("headers are %v, want the origin allowed, and Vary: Origin", got.header)
		}
	})
	t.Run("GET of metrics", func(t *testing.T) {
		if got := s.get("/metrics", origin); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("headers are %v, want no origin allowed", got.header)
		}
	})
}

// The rate limit counts a client's requests, and says how many are left. Probes are not counted.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t, "RATE_LIMIT=1/h", "RATE_LIMIT_BURST=2")
	id := c.ada.upload("a.png", pngOf(t, 8, 8))
	got := c.ada.get("/status/" + id)
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("RateLimit"), `"requests";r=0;t=`) {
		t.Errorf("the second request: %d %v, want 200, and no request left", got.status, got.header)
	}
	got = c.ada.uploadForm(field{"file", "a.png", pngOf(t, 8, 8)})
	if got.status != http.StatusTooManyRequests || got.code(t) != "rate_limited" || got.header.Get("Retry-After") == "" {
		t.Errorf("the third request: %d %v %s, want 429 rate_limited, and Retry-After", got.status, got.header, got.body)
	}
	if keys := c.ada.keys(); !slices.Equal(keys, []string{id + "/a.png"}) {
		t.Errorf("bucket has %q, want the first image", keys)
	}
	for range 3 {
		if got := c.ada.get("/health"); got.status != http.StatusOK || got.header.Get("RateLimit") != "" {
			t.Errorf("GET /health answers %d %v, want 200 without a limit", got.status, got.header)
		}
	}
	if got := c.bob.get("/status/" + id); got.status != http.StatusNotFound {
		t.Errorf("another client: %d, want 404", got.status)
	}
}

// An image that takes long to process counts as many requests: a client of which few are left is refused before the
// image is stored.
func TestRateLimitCountsWork(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t, "RATE_LIMIT=1/h", "RATE_LIMIT_BURST=20")
	// A lossless WebP of 30 bytes and 50 megapixels.
	hostile := []byte("RIFF\x16\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f\xfe\x7f\xfa\x02\x88\x88\x08\x00\x00")
	got := c.ada.post("/upload?filename=a.webp", "image/webp", bytes.NewReader(hostile))
	var left int
	if _, err := fmt.Sscanf(got.header.Get("RateLimit"), `"requests";r=%d`, &left); err != nil || left >= 10 {
		t.Errorf("got %d %v, %v; want it to count as more than 10 requests", got.status, got.header, err)
	}
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", got.status, got.body)
	}
	stored := len(c.ada.keys())
	got = c.ada.post("/upload?filename=b.webp", "image/webp", bytes.NewReader(hostile))
	if got.status != http.StatusTooManyRequests || got.code(t) != "rate_limited" || got.header.Get("Retry-After") == "" {
		t.Errorf("another: got %d %s, want 429 rate_limited, and Retry-After", got.status, got.body)
	}
	if now := len(c.ada.keys()); now != stored {
		t.Errorf("the bucket has %d objects, want %d", now, stored)
	}
	got = c.ada.post("/upload?filename=c.png", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
	if got.status != http.StatusOK {
		t.Errorf("a small image: got %d %s, want 200", got.status, got.body)
	}
}
