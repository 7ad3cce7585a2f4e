package service

import (
	"bytes"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// A store that replaces objects in spite of If-None-Match gets no image: no upload and no event is answered with 200.
func TestUnfitStore(t *testing.T) {
	t.Parallel()
	store := testservers.S3(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("If-None-Match")
		store.ServeHTTP(w, r)
	}))
	defer server.Close()
	s := start(t, "MINIO_ENDPOINT="+server.Listener.Addr().String(), "MINIO_CA_FILE=")
	const code = `"code":"store_unfit"`
	got := s.post("/upload", "image/png", bytes.NewReader(pngOf(t, 8, 8)))
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, code) {
		t.Errorf("upload: got %d %s, want 503 store_unfit", got.status, got.body)
	}
	got = s.post("/", "image/png", bytes.NewReader(pngOf(t, 8, 8)), binaryHeader(uuid.NewString())...)
	if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, code) {
		t.Errorf("event: got %d %s, want 503 store_unfit", got.status, got.body)
	}
	want := `"error":"minio cannot be used: it lacks atomic_mixed, atomic_parts, atomic_put"`
	if got := s.get("/ready"); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, want) {
		t.Errorf("/ready: got %d %s, want 503 and %s", got.status, got.body, want)
	}
	want = `object_store_requirement_met{requirement="atomic_put"} 0`
	if got := s.get("/metrics"); !strings.Contains(got.body, want) {
		t.Errorf("/metrics does not have %s", want)
	}
}
