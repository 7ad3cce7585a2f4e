package service

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
)

// The function's server passes each event of a stream on at once, and a wait ends with the result.
func TestWaitThroughServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 60, 40))
	for _, path := range []string{"/status/" + id + "/events", "/events?ids=" + id} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
		lines := bufio.NewScanner(stream.Body)
		for lines.Scan() && !strings.Contains(lines.Text(), `"queued"`) { // which ends only if the event is flushed
		}
		if err := lines.Err(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	answers := make(chan response, 1)
	go func() { answers <- s.get("/status/" + id + "?wait=60") }()
	s.complete(id)
	if got := <-answers; got.json(t)["status"] != "completed" {
		t.Errorf("answer is %d %s, want completed", got.status, got.body)
	}
}

// The ID that the image of an event would have leads to the image that the event refers to; with that image's own ID it
// is one image.
func TestStreamOfReference(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("a.png", pngOf(t, 60, 40))
	own := s.startAnother("SOURCE_BUCKETS=" + s.getenv("MINIO_BUCKET"))
	event := reference(s.getenv("MINIO_BUCKET"), imagestore.OriginalKey(id, "a.png"))
	if got := own.post("/upload", "application/json", event, binaryHeader("refers")...); got.imageID(t) != id {
		t.Fatalf("a reference is answered %d %s, want the image %s", got.status, got.body, id)
	}
	s.complete(id)
	eventID := idempotency.EventImageID("", eventSource, "refers")
	for _, path := range []string{"/status/" + eventID + "/events", "/events?ids=" + eventID + "," + id} {
		got := s.get(path)
		if got.status != http.StatusOK || strings.Count(got.body, `"image_id":"`+id) != 1 {
			t.Errorf("%s: %d %s, want one status of %s", path, got.status, got.body, id)
		}
	}
}

// A query parameter that a route does not have is refused with those that it has.
func TestUnknownQueryParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := pngOf(t, 60, 40)
	id := s.upload("a.png", content)
	for name, answer := range map[string]response{
		"upload":   s.post("/upload?width=100&filename=a.png", "image/png", strings.NewReader(string(content))),
		"status":   s.get("/status/" + id + "?verbose=1"),
		"original": s.get("/images/" + id + "?width=100"),
	} {
		t.Run(name, func(t *testing.T) {
			if answer.status != http.StatusBadRequest || answer.code(t) != apierror.CodeBadQuery {
				t.Errorf("answer is %d %s, want 400 bad_query", answer.status, answer.body)
			}
		})
	}
}
