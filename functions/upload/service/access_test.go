package service

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// guarded is a service with authentication, as each of three clients sees it, and as who has no key does.
func guarded(t *testing.T, settings ...string) (ada, bob, admin, nobody *testServer) {
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
	nobody = start(t, append([]string{"AUTH_API_KEYS_FILE=" + file, "AUTH_ADMINS=admin"}, settings...)...)
	as := func(name string) *testServer {
		s := *nobody
		s.key = keys[name]
		return &s
	}
	return as("ada"), as("bob"), as("admin"), nobody
}

// What belongs to somebody, and what makes something, takes a key; what tells nothing of anybody does not.
func TestWhatNeedsAKey(t *testing.T) {
	t.Parallel()
	ada, _, _, nobody := guarded(t)
	id := ada.upload("a.png", pngOf(t, 9, 9))
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/upload", 401}, {"POST", "/", 401}, {"GET", "/status/" + id, 401}, {"GET", "/images/" + id, 401}, {"HEAD", "/images/" + id, 401},
		{"GET", "/thumbnails/" + id, 401}, {"GET", "/status/x", 401}, {"GET", "/images/" + uuid.NewString(), 401},
		{"GET", "/", 200}, {"GET", "/health", 200}, {"GET", "/ready", 200}, {"GET", "/metrics", 200},
		{"GET", "/nothing", 404}, {"PUT", "/upload", 405}, {"OPTIONS", "/upload", 405}, {"DELETE", "/images/" + id, 405},
	} {
		got := nobody.do(test.method, test.path, "", nil)
		if got.status != test.status || (got.header.Get("WWW-Authenticate") != "") != (test.status == 401) {
			t.Errorf("%s %s: %d %v, want %d", test.method, test.path, got.status, got.header, test.status)
		}
	}
	for _, path := range []string{"/upload?key=" + ada.key, "/upload?access_token=" + ada.key, "/upload?api_key=" + ada.key} {
		if got := nobody.do("POST", path, "image/png", bytes.NewReader(pngOf(t, 9, 9))); got.status != 401 {
			t.Errorf("with the key in the URL: %d %s", got.status, got.body)
		}
	}
	if got := nobody.stored(); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

// A client sees its own images and nobody else's: those of others are as if they were not there, however they are asked for.
func TestOwnImages(t *testing.T) {
	t.Parallel()
	ada, bob, admin, nobody := guarded(t)
	content := pngOf(t, 30, 20)
	id := ada.upload("a.png", content)
	ada.put(ada.getenv("MINIO_BUCKET"), imagestore.ThumbnailKey(id+"/a.png"), []byte("thumbnail"))
	before := uuid.NewString() // from before clients had names
	ada.put(ada.getenv("MINIO_BUCKET"), before+"/a.png", content)

	etag := ada.get("/images/" + id).header.Get("Etag")
	for _, path := range []string{"/status/", "/images/", "/thumbnails/"} {
		for who, s := range map[string]*testServer{"the owner": ada, "an administrator": admin} {
			got := s.get(path + id)
			if got.status != 200 {
				t.Errorf("%s asks for %s: %d %s", who, path, got.status, got.body)
			}
			if caches := got.header.Get("Cache-Control"); path != "/status/" && (caches != "private, max-age=31536000, immutable" ||
				got.header.Get("Vary") != "Authorization, X-Api-Key" || got.header.Get("Cross-Origin-Resource-Policy") != "same-origin") {
				t.Errorf("%s asks for %s: %v", who, path, got.header)
			}
		}
		missing := bob.get(path + ownership.NewID("bob"))
		for _, id := range []string{id, before, ownership.NewID("ada"), ownership.NewID("")} {
			for _, header := range [][]string{nil, {"Range: bytes=0-0"}, {"If-None-Match: " + etag}, {"If-None-Match: *"}, {"If-Range: " + etag, "Range: bytes=0-"}} {
				if got := bob.get(path+id, header...); got.status != 404 || got.body != missing.body || got.header.Get("Etag") != "" {
					t.Errorf("another client asks for %s%s %v: %d %s, want %s", path, id, header, got.status, got.body, missing.body)
				}
			}
			if got := bob.do("HEAD", path+id, "", nil); got.status != 404 || got.header.Get("Content-Length") != missing.header.Get("Content-Length") {
				t.Errorf("HEAD %s%s: %d %v", path, id, got.status, got.header)
			}
		}
		if got := bob.get(path + strings.ToUpper(id)); got.status != 404 {
			t.Errorf("in capitals: %d", got.status)
		}
		if got := nobody.get(path + id); got.status != 401 {
			t.Errorf("nobody asks for %s: %d", path, got.status)
		}
	}
	if got := ada.get("/images/"+id, "If-None-Match: "+etag); got.status != 304 || got.header.Get("Cache-Control") != "private, max-age=31536000, immutable" {
		t.Errorf("not changed: %d %v", got.status, got.header)
	}
	if got := ada.get("/images/" + before); got.status != 404 {
		t.Errorf("an image from before: %d", got.status)
	}
	if got := admin.get("/images/" + before); got.status != 200 {
		t.Errorf("an image from before, for an administrator: %d", got.status)
	}
}

// A key is a client's own: the same one of another client is another upload.
func TestKeysOfClients(t *testing.T) {
	t.Parallel()
	ada, bob, _, _ := guarded(t)
	content := pngOf(t, 8, 8)
	first := ada.raw("key", "a.png", bytes.NewReader(content))
	again := ada.raw("key", "a.png", bytes.NewReader(content))
	other := bob.raw("key", "a.png", bytes.NewReader(content))
	if first.status != 200 || again.body != first.body || other.status != 200 || other.json(t)["image_id"] == first.json(t)["image_id"] {
		t.Errorf("first %d %s, again %d %s, another client %d %s", first.status, first.body, again.status, again.body, other.status, other.body)
	}
	if got := bob.raw("key", "a.png", bytes.NewReader(pngOf(t, 9, 9))); got.status != 422 {
		t.Errorf("another image: %d %s", got.status, got.body)
	}
	if got := bob.get("/images/" + other.json(t)["image_id"].(string)); got.status != 200 {
		t.Errorf("the other client's own: %d", got.status)
	}
	if got := bob.get("/status/" + first.json(t)["image_id"].(string)); got.status != 404 {
		t.Errorf("the first client's: %d", got.status)
	}
}

// The same event of two clients is two images, each of its own; where events come without a client, it is one and nobody's.
func TestEventsOfClients(t *testing.T) {
	t.Parallel()
	ada, bob, admin, nobody := guarded(t)
	content := pngOf(t, 8, 8)
	send := func(s *testServer) string {
		t.Helper()
		got := s.do("POST", "/", "image/png", bytes.NewReader(content), binaryHeader("same")...)
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return strings.TrimPrefix(got.header.Get("Location"), "/status/")
	}
	adas, bobs := send(ada), send(bob)
	if adas == bobs || send(ada) != adas || ada.get("/status/"+adas).status != 200 || bob.get("/status/"+adas).status != 404 {
		t.Errorf("images %s and %s", adas, bobs)
	}
	inside := *nobody // the cluster's own way in
	inside.url = run(t, func(name string) string {
		if strings.HasPrefix(name, "AUTH_") {
			return ""
		}
		return nobody.getenv(name)
	})
	if id := send(&inside); uuid.MustParse(id).Version() != 5 || admin.get("/status/"+id).status != 200 || ada.get("/status/"+id).status != 404 {
		t.Errorf("without a client it is %s", id)
	}
	sweep := func(s *testServer) int {
		return s.do("POST", "/", "application/json", strings.NewReader("{}"), binaryHeader("sweep", "Ce-Type: "+events.TypeImageSweep)...).status
	}
	if sweep(ada) != 403 || sweep(admin) != 200 || sweep(&inside) != 200 || sweep(nobody) != 401 {
		t.Error("a sweep is asked for by others than the cluster and administrators")
	}
}

// We read objects with rights of our own, so a client that names one gets only what is its own.
func TestReferencesOfClients(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	ada, bob, admin, nobody := guarded(t)
	own := ada.getenv("MINIO_BUCKET")
	both := func(name string) string {
		if name == "SOURCE_BUCKETS" {
			return bucket + "," + own
		}
		return nobody.getenv(name)
	}
	for _, s := range []*testServer{ada, bob, admin} {
		s.url = run(t, both)
	}
	ada.put(bucket, "a.png", pngOf(t, 7, 7))
	id := ada.upload("a.png", pngOf(t, 8, 8))
	for name, test := range map[string]struct {
		s      *testServer
		ref    string
		status int
		code   string
	}{
		"its own":                     {ada, events.FormatDataRef(own, id+"/a.png"), 200, ""},
		"another's":                   {bob, events.FormatDataRef(own, id+"/a.png"), 404, "object_not_found"},
		"none":                        {bob, events.FormatDataRef(own, ownership.NewID("bob")+"/a.png"), 404, "object_not_found"},
		"another's by a detour":       {bob, "s3://" + own + "/" + ownership.NewID("bob") + "/../" + id + "/a.png", 400, "invalid_event"},
		"another's by a longer one":   {bob, "s3://" + own + "/" + ownership.NewID("bob") + "/%2e%2e/" + id + "/a.png", 400, "invalid_event"},
		"no image's":                  {bob, events.FormatDataRef(own, "backup/a.png"), 404, "object_not_found"},
		"an administrator":            {admin, events.FormatDataRef(own, id+"/a.png"), 200, ""},
		"another system's":            {ada, events.FormatDataRef(bucket, "a.png"), 400, "unknown_bucket"},
		"another system's, and there": {admin, events.FormatDataRef(bucket, "a.png"), 200, ""},
		"nobody's":                    {admin, "s3://secrets/a.png", 400, "unknown_bucket"},
		"a place in the network":      {admin, "http://169.254.169.254/latest", 400, "invalid_event"},
		"a server of its own":         {admin, "s3://evil.example:9000/a.png", 400, "invalid_event"},
	} {
		got := test.s.do("POST", "/", "", nil, binaryHeader(uuid.NewString(), "Ce-Dataref: "+test.ref)...)
		if got.status != test.status || test.code != "" && got.json(t)["code"] != test.code {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.body, test.status, test.code)
		}
		bucket, key, err := events.ParseDataRef(test.ref)
		if err != nil {
			continue
		}
		asJSON := strings.NewReader(`{"bucket":"` + bucket + `","object_name":"` + key + `"}`)
		if got := test.s.do("POST", "/upload", "application/json", asJSON, binaryHeader(uuid.NewString())...); got.status != test.status {
			t.Errorf("%s, as JSON: %d %s, want %d", name, got.status, got.body, test.status)
		}
	}
}

// The way in for events shows nothing: who is in the cluster may bring images, and see none, whatever ids are known.
func TestEventsOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 9, 9))
	s.url = run(t, func(name string) string {
		if name == "EVENTS_ONLY" {
			return "true"
		}
		return s.getenv(name)
	})
	for path, status := range map[string]int{
		"/": 405, "/upload": 404, "/status/" + id: 404, "/images/" + id: 404, "/thumbnails/" + id: 404, "/health": 200, "/ready": 200, "/metrics": 200,
	} {
		if got := s.get(path); got.status != status {
			t.Errorf("GET %s: %d, want %d", path, got.status, status)
		}
	}
	if got := s.uploadForm(file{"file", "a.png", pngOf(t, 9, 9)}); got.status != 404 {
		t.Errorf("an upload: %d", got.status)
	}
	reference := strings.NewReader(`{"bucket":"` + s.getenv("MINIO_BUCKET") + `","object_name":"` + id + `/a.png"}`)
	if got := s.do("POST", "/", "application/json", reference, binaryHeader("2")...); got.status != 404 || len(s.stored()) != 1 {
		t.Errorf("an image that somebody has uploaded: %d %s, stored %q", got.status, got.body, s.stored())
	}
	if got := s.do("POST", "/", "image/png", bytes.NewReader(pngOf(t, 9, 9)), binaryHeader("1")...); got.status != 200 || len(s.stored()) != 2 {
		t.Errorf("an event: %d %s, stored %q", got.status, got.body, s.stored())
	}
}

// Scripts of other sites do what this one's does, if their site is named; the cluster's own paths are for none.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	s := start(t, "CORS_ORIGINS=https://app.example")
	preflight := []string{"Origin: https://app.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"}
	for path, status := range map[string]int{"/upload": 204, "/": 204, "/status/x": 204, "/health": 405, "/metrics": 405} {
		got := s.do(http.MethodOptions, path, "", nil, preflight...)
		if got.status != status || (got.header.Get("Access-Control-Allow-Origin") != "") != (status == 204) {
			t.Errorf("%s: %d %v, want %d", path, got.status, got.header, status)
		}
	}
	if got := s.do(http.MethodOptions, "/upload", "", nil); got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("OPTIONS without a site: %d %v", got.status, got.header)
	}
	id := s.upload("a.png", pngOf(t, 8, 8))
	if got := s.get("/images/"+id, "Origin: https://app.example"); got.header.Get("Access-Control-Allow-Origin") != "https://app.example" || got.header.Get("Vary") != "Origin" {
		t.Errorf("an image: %v", got.header)
	}
	if got := s.get("/metrics", "Origin: https://app.example"); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("metrics: %v", got.header)
	}
}

// A limit counts what is asked, tells how much is left, and is no limit for what the cluster asks of itself.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	ada, bob, _, _ := guarded(t, "RATE_LIMIT=1/h", "RATE_LIMIT_BURST=2")
	id := ada.upload("a.png", pngOf(t, 8, 8))
	if got := ada.get("/status/" + id); got.status != 200 || !strings.HasPrefix(got.header.Get("RateLimit"), `"requests";r=0;t=`) {
		t.Errorf("%d %v", got.status, got.header)
	}
	got := ada.uploadForm(file{"file", "a.png", pngOf(t, 8, 8)})
	if got.status != 429 || got.json(t)["code"] != "rate_limited" || got.header.Get("Retry-After") == "" || len(ada.stored()) != 1 {
		t.Errorf("%d %v %s, stored %q", got.status, got.header, got.body, ada.stored())
	}
	for range 3 {
		if got := ada.get("/health"); got.status != 200 || got.header.Get("RateLimit") != "" {
			t.Errorf("health: %d %v", got.status, got.header)
		}
	}
	if got := bob.get("/status/" + id); got.status != 404 {
		t.Errorf("another client: %d", got.status)
	}
}
