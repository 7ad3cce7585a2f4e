package service

import (
	"net/http"
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
	got := s.get("/images/" + id)
	if got.status != http.StatusOK || got.body != content {
		t.Fatalf("%d, %d bytes", got.status, len(got.body))
	}
	etag := got.header.Get("Etag")
	for name, want := range map[string]string{
		"Content-Type":                 "image/png",
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "public, max-age=31536000, immutable",
		"Content-Security-Policy":      "default-src 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "cross-origin",
		"Content-Disposition":          "inline; filename*=utf-8''Gr%C3%BC%C3%9Fe%20%E2%98%83.png",
		"Accept-Ranges":                "bytes",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
		}
	}
	if len(etag) < 10 || got.header.Get("Last-Modified") == "" {
		t.Errorf("ETag %q, Last-Modified %q", etag, got.header.Get("Last-Modified"))
	}
	size := len(content)
	for name, test := range map[string]struct {
		header []string
		status int
		body   string
	}{
		"not changed":      {[]string{"If-None-Match: " + etag}, http.StatusNotModified, ""},
		"changed":          {[]string{`If-None-Match: "other"`}, http.StatusOK, content},
		"first bytes":      {[]string{"Range: bytes=0-9"}, http.StatusPartialContent, content[:10]},
		"in the middle":    {[]string{"Range: bytes=10-19"}, http.StatusPartialContent, content[10:20]},
		"from a byte on":   {[]string{"Range: bytes=10-"}, http.StatusPartialContent, content[10:]},
		"last bytes":       {[]string{"Range: bytes=-5"}, http.StatusPartialContent, content[size-5:]},
		"up to the end":    {[]string{"Range: bytes=10-999999"}, http.StatusPartialContent, content[10:]},
		"several ranges":   {[]string{"Range: bytes=0-1,5-6"}, http.StatusOK, content}, // each would be a request to MinIO
		"no range":         {[]string{"Range: bytes=a-b"}, http.StatusOK, content},
		"no bytes":         {[]string{"Range: bytes=-0"}, http.StatusOK, content},
		"beyond the end":   {[]string{"Range: bytes=999999-"}, http.StatusRequestedRangeNotSatisfiable, ""},
		"range of this":    {[]string{"Range: bytes=0-9", "If-Range: " + etag}, http.StatusPartialContent, content[:10]},
		"range of another": {[]string{"Range: bytes=0-9", `If-Range: "other"`}, http.StatusOK, content},
	} {
		got := s.get("/images/"+id, test.header...)
		if got.status != test.status || test.body != "" && got.body != test.body {
			t.Errorf("%s: %d, %d bytes; want %d, %d bytes", name, got.status, len(got.body), test.status, len(test.body))
		}
	}
	if head := s.do(http.MethodHead, "/images/"+id, "", nil); head.status != 200 || head.body != "" || head.header.Get("Content-Length") == "" || head.header.Get("Etag") != etag {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
}

func TestGetThumbnail(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("photo.jpg", jpegOf(t, 60, 40))
	if got := s.get("/thumbnails/" + id); got.status != 404 || got.json(t)["code"] != "thumbnail_not_found" {
		t.Errorf("before there is one: %d %s", got.status, got.body)
	}
	s.put(s.getenv("MINIO_BUCKET"), imagestore.ThumbnailKey(id+"/photo.jpg"), []byte("thumbnail"))
	if got := s.get("/thumbnails/" + id); got.status != 200 || got.body != "thumbnail" {
		t.Errorf("when there is one: %d %s", got.status, got.body)
	}
	if got := s.get("/images/" + id); got.body != string(jpegOf(t, 60, 40)) {
		t.Errorf("the original is another one now: %d", got.status)
	}
}

func TestGetNoImage(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, id := range []string{uuid.NewString(), "x", "..%2f..%2fetc", strings.Repeat("a", 5000)} {
		for _, path := range []string{"/images/", "/thumbnails/"} {
			if got := s.get(path + id); got.status != 404 || got.json(t)["error"] == "" {
				t.Errorf("%s%.40s: %d %s", path, id, got.status, got.body)
			}
		}
	}
}

func TestGetPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.get("/")
	if got.status != 200 || got.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.body, "Drop images here") {
		t.Errorf("%d %v", got.status, got.header)
	}
	for _, want := range []string{`accept="image/jpeg,image/png,image/gif,image/webp`, "JPEG, PNG, GIF"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	policy := got.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q has no %q", policy, want)
		}
	}
	for _, lasting := range []string{"localStorage", "document.cookie", "http://", "https://"} {
		if strings.Contains(got.body, lasting) {
			t.Errorf("the page has %s, where a key would outlive it or leave", lasting)
		}
	}
}
