package service

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

func TestGetImage(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := string(pngOf(t, 60, 40))
	id := s.upload("Grüße ☃.png", []byte(content))
	whole := s.get("/images/" + id)
	if whole.status != http.StatusOK || whole.body != content {
		t.Fatalf("answer is %d with %d bytes, want 200 with %d", whole.status, len(whole.body), len(content))
	}
	for name, want := range map[string]string{
		"Content-Type":                 "image/png",
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "public, max-age=31536000, immutable",
		"Content-Security-Policy":      "default-src 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "cross-origin",
		"Content-Disposition":          "inline; filename*=utf-8''Gr%C3%BC%C3%9Fe%20%E2%98%83.png",
		"Accept-Ranges":                "bytes",
	} {
		t.Run(name, func(t *testing.T) {
			if got := whole.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		})
	}
	etag, modified := whole.header.Get("Etag"), whole.header.Get("Last-Modified")
	if len(etag) < 10 || modified == "" {
		t.Errorf("ETag is %q, Last-Modified is %q; want both", etag, modified)
	}
	head := s.do(http.MethodHead, "/images/"+id, "", nil)
	if head.status != http.StatusOK || head.body != "" || head.header.Get("Etag") != etag ||
		head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD answers %d %v, want 200 with the headers of GET", head.status, head.header)
	}
	for _, wanted := range []string{"bytes=0-9", "bytes=999999-"} { // only GET has ranges: RFC 9110, section 14.2
		got := s.do(http.MethodHead, "/images/"+id, "", nil, "Range: "+wanted)
		if got.status != http.StatusOK || got.header.Get("Content-Length") != head.header.Get("Content-Length") {
			t.Errorf("HEAD with the range %s answers %d %v, want it without one", wanted, got.status, got.header)
		}
	}
}

func TestGetImageRange(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := string(pngOf(t, 60, 40))
	size := len(content)
	id := s.upload("a.png", []byte(content))
	whole := s.get("/images/" + id)
	etag, modified := whole.header.Get("Etag"), whole.header.Get("Last-Modified")
	for name, test := range map[string]struct {
		header []string
		status int
		body   string
	}{
		"not modified":    {[]string{"If-None-Match: " + etag}, http.StatusNotModified, ""},
		"modified":        {[]string{`If-None-Match: "other"`}, http.StatusOK, content},
		"first bytes":     {[]string{"Range: bytes=0-9"}, http.StatusPartialContent, content[:10]},
		"in the middle":   {[]string{"Range: bytes=10-19"}, http.StatusPartialContent, content[10:20]},
		"from a byte on":  {[]string{"Range: bytes=10-"}, http.StatusPartialContent, content[10:]},
		"last bytes":      {[]string{"Range: bytes=-5"}, http.StatusPartialContent, content[size-5:]},
		"past the end":    {[]string{"Range: bytes=10-999999"}, http.StatusPartialContent, content[10:]},
		"several ranges":  {[]string{"Range: bytes=0-1,5-6"}, http.StatusOK, content}, // each would be a request to MinIO
		"not a range":     {[]string{"Range: bytes=a-b"}, http.StatusOK, content},
		"no bytes":        {[]string{"Range: bytes=-0"}, http.StatusOK, content},
		"backward":        {[]string{"Range: bytes=9-1"}, http.StatusOK, content},
		"beyond the end":  {[]string{"Range: bytes=999999-"}, http.StatusRequestedRangeNotSatisfiable, ""},
		"beyond, of this": {[]string{"Range: bytes=999999-", "If-Range: " + etag}, http.StatusOK, content},
		"beyond, not modified": {
			[]string{"Range: bytes=999999-", "If-None-Match: " + etag}, http.StatusNotModified, "",
		},
		"range of this":    {[]string{"Range: bytes=0-9", "If-Range: " + etag}, http.StatusPartialContent, content[:10]},
		"range of another": {[]string{"Range: bytes=0-9", `If-Range: "other"`}, http.StatusOK, content},
		"matched":          {[]string{`If-Match: "other", ` + etag}, http.StatusOK, content},
		"not matched":      {[]string{`If-Match: "other"`}, http.StatusPreconditionFailed, ""},
		"weakly matched":   {[]string{"If-Match: W/" + etag}, http.StatusPreconditionFailed, ""},
		"not since":        {[]string{"If-Unmodified-Since: " + modified}, http.StatusOK, content},
		"since": {
			[]string{"If-Unmodified-Since: Fri, 01 Mar 1991 00:00:00 GMT"}, http.StatusPreconditionFailed, "",
		},
		"no date": {[]string{"If-Unmodified-Since: yesterday"}, http.StatusOK, content},
		"matched, although since": {
			[]string{"If-Match: *", "If-Unmodified-Since: Fri, 01 Mar 1991 00:00:00 GMT"}, http.StatusOK, content,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.get("/images/"+id, test.header...)
			if got.status != test.status || test.body != "" && got.body != test.body {
				t.Errorf("answer is %d with %d bytes, want %d with %d", got.status, len(got.body), test.status, len(test.body))
			}
			if test.status == http.StatusPreconditionFailed && got.code(t) != "not_matched" {
				t.Errorf("answer is %s, want not_matched", got.body)
			}
		})
	}
}

func TestGetThumbnail(t *testing.T) {
	t.Parallel()
	s := start(t)
	original := jpegOf(t, 60, 40)
	id := s.upload("photo.jpg", original)
	if got := s.get("/thumbnails/" + id); got.status != http.StatusNotFound || got.code(t) != "thumbnail_not_found" {
		t.Errorf("before it is made: %d %s, want 404 thumbnail_not_found", got.status, got.body)
	}
	s.put(s.getenv("MINIO_BUCKET"), imagestore.ThumbnailKey(id+"/photo.jpg"), []byte("thumbnail"))
	if got := s.get("/thumbnails/" + id); got.status != http.StatusOK || got.body != "thumbnail" {
		t.Errorf("after it was made: %d %s, want 200 and the thumbnail", got.status, got.body)
	}
	if got := s.get("/images/" + id); got.body != string(original) {
		t.Errorf("GET /images answers %d with %d bytes, want the original", got.status, len(got.body))
	}
}

func TestGetUnknownImage(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, id := range map[string]string{
		"unknown": uuid.NewString(), "not an ID": "x", "a path": "..%2f..%2fetc", "long": strings.Repeat("a", 5000),
	} {
		for path, code := range map[string]string{"/images/": "image_not_found", "/thumbnails/": "thumbnail_not_found"} {
			t.Run(name+" at "+path, func(t *testing.T) {
				if got := s.get(path + id); got.status != http.StatusNotFound || got.code(t) != code {
					t.Errorf("answer is %d %s, want 404 %s", got.status, got.body, code)
				}
			})
		}
	}
}

// If Redis has forgotten an image that waits, it enters the outbox as soon as a client asks for its status.
func TestGetStatusRequeuesWhatRedisForgot(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := uuid.NewString()
	s.storeOriginal(id, pngOf(t, 8, 8))
	for _, request := range []string{"first", "second"} {
		t.Run(request, func(t *testing.T) {
			if got := s.status(id); got != "queued" {
				t.Errorf("status is %q, want queued", got)
			}
			if got := s.queued(); !slices.Equal(got, []string{id}) {
				t.Errorf("outbox has %q, want %q", got, id)
			}
		})
	}
}

// A final status that was rebuilt from the bucket is in Redis again for the next request.
func TestGetStatusRestoresResults(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 40, 30))
	s.complete(id)
	await(t, "the status is completed", func() bool { return s.status(id) == "completed" }) // see status.Store.Read
	text, err := s.redis().Get(t.Context(), s.statusKey(id)).Result()
	if err != nil || !strings.Contains(text, `"completed"`) {
		t.Errorf("Redis has %q, %v; want the completed status", text, err)
	}
	if got := s.get("/metrics").body; !strings.Contains(got, `redis_errors_ignored_total{operation="restore_status"} 0`) {
		t.Error("the metrics count an error that there was not")
	}
}

func TestGetPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.get("/")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("answer is %d %v, want 200 and HTML", got.status, got.header)
	}
	policy := got.header.Get("Content-Security-Policy")
	for name, test := range map[string]struct{ text, want string }{
		"invites":                 {got.body, "Drop images or folders here"},
		"needs no key":            {got.body, `data-keys="false"`},
		"accepts the formats":     {got.body, `image/webp,image/heic,image/heif,image/avif,.jpg,`},
		"names the limits":        {got.body, "JPEG, PNG, GIF, WebP, HEIC and AVIF, each up to 52.4 MB."},
		"loads nothing":           {policy, "default-src 'none'"},
		"runs its own script":     {policy, "script-src 'sha256-"},
		"has its own style":       {policy, "style-src 'sha256-"},
		"asks only the service":   {policy, "connect-src 'self'"},
		"sends only to it":        {policy, "form-action 'self'"},
		"is in no frame":          {policy, "frame-ancestors 'none'"},
		"leads to the documents":  {got.body, `/image-service#readme">Documents</a></footer>`},
		"does not say from where": {got.header.Get("Referrer-Policy"), "no-referrer"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(test.text, test.want) {
				t.Errorf("want %q in %s", test.want, test.text)
			}
		})
	}
	absolute := regexp.MustCompile(`(href="|fetch\('|open\('POST', '|address\('|linkTo\(')/`)
	if found := absolute.FindString(got.body); found != "" {
		t.Errorf("the page has %s, which is not below the path that a proxy has removed", found)
	}
	history := regexp.MustCompile(`localStorage\.[gs]etItem\('images'`)      // has IDs and names
	documents := regexp.MustCompile(`<a href="https://[^"]*">Documents</a>`) // which nothing is sent to
	body := documents.ReplaceAllString(history.ReplaceAllString(got.body, ""), "")
	for _, place := range []string{"localStorage", "document.cookie", "http://", "https://"} {
		t.Run("keeps the key out of "+place, func(t *testing.T) {
			if strings.Contains(body, place) {
				t.Errorf("the page has %q, by which a key could outlive the tab or leave the service", place)
			}
		})
	}
}
