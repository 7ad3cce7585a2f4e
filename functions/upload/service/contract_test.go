package service

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// The tests of this file are named after the original system's routes and hold them to the letter: its clients,
// dashboards and runbooks go on working.

const uuidForm = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

func TestPostUpload(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := jpegOf(t, 320, 200)
	answer := s.uploadForm(file{"file", "test-image.jpg", content})
	want := regexp.MustCompile(`^\{"message":"Image uploaded successfully","image_id":"(` + uuidForm + `)","duration":"\d+\.\d\ds"\}\n$`)
	found := want.FindStringSubmatch(answer.body)
	if answer.status != http.StatusOK || found == nil || answer.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answered %d %s", answer.status, answer.body)
	}
	id := found[1]

	object, err := testservers.MinIO(t, s.getenv).GetObject(t.Context(), s.getenv("MINIO_BUCKET"), id+"/test-image.jpg", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var stored bytes.Buffer
	if _, err := stored.ReadFrom(object); err != nil || !bytes.Equal(stored.Bytes(), content) {
		t.Errorf("stored other bytes than were sent: %v", err)
	}
	if info, err := object.Stat(); err != nil || info.ContentType != "image/jpeg" || info.UserMetadata["Filename"] != "test-image.jpg" {
		t.Errorf("stored about it: %+v, %v", info, err)
	}
	announced := s.broker.announced()
	if len(announced) != 1 {
		t.Fatalf("announced %d events, want 1", len(announced))
	}
	image, err := events.Decode[events.ImageUploaded](announced[0])
	if err != nil || image.ImageID != id || image.ObjectName != id+"/test-image.jpg" || image.Filename != "test-image.jpg" ||
		image.Size != int64(len(content)) || image.Width != 320 || image.Height != 200 || image.ContentType != "image/jpeg" {
		t.Errorf("announced %+v, %v", image, err)
	}
	for name, want := range map[string]string{
		events.DataRef:      "s3://" + s.getenv("MINIO_BUCKET") + "/" + id + "/test-image.jpg",
		events.PartitionKey: id,
	} {
		if got := announced[0].Extensions()[name]; got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
}

func TestPostUploadWithoutFile(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, test := range map[string]struct {
		answer answered
		want   string
	}{
		"no field":        {s.uploadForm(file{"picture", "a.jpg", jpegOf(t, 9, 9)}), `{"error":"No file provided","code":"no_file"}`},
		"field is text":   {s.uploadForm(file{"file", "-", []byte("a.jpg")}), `{"error":"No file provided","code":"no_file"}`},
		"empty form":      {s.uploadForm(), `{"error":"No file provided","code":"no_file"}`},
		"nothing":         {s.do(http.MethodPost, "/upload", "", nil), `{"error":"No file provided","code":"no_file"}`},
		"urlencoded form": {s.do(http.MethodPost, "/upload", "application/x-www-form-urlencoded", strings.NewReader("file=a.jpg")), `{"error":"No file provided","code":"no_file"}`},
		"empty name":      {s.uploadForm(file{"file", "", nil}), `{"error":"No file selected","code":"no_file_selected"}`},
	} {
		if test.answer.status != http.StatusBadRequest || originalMembers(t, test.answer.body) != test.want {
			t.Errorf("%s: %d %s\nwant 400 %s", name, test.answer.status, test.answer.body, test.want)
		}
	}
	if stored := s.stored(); len(stored) != 0 {
		t.Errorf("stored %q", stored)
	}
}

// originalMembers returns an error without the members that RFC 9457 adds to it, which package apierror tests.
func originalMembers(t *testing.T, body string) string {
	t.Helper()
	var members struct {
		Error string `json:"error"`
		Code  string `json:"code"`
	}
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Errorf("got %s, want an error as JSON: %v", body, err)
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGetStatus(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("photo.jpg", jpegOf(t, 30, 20))
	if got := s.get("/status/" + id); got.status != 200 || got.body != `{"image_id":"`+id+`","status":"queued"}`+"\n" {
		t.Errorf("right after the upload: %d %s", got.status, got.body)
	}
	board := boardOf(t, s)
	final := status.Status{ImageID: id, State: status.Completed, ProcessedAt: 1699999999.123, Result: &status.Result{
		Success: true, Thumbnail: id + "/thumbnail_photo.jpg", OriginalSize: &status.Size{1920, 1080}, ThumbnailSize: &status.Size{200, 112},
	}}
	if _, err := board.Advance(t.Context(), final); err != nil {
		t.Fatal(err)
	}
	want := `{"image_id":"` + id + `","status":"completed","result":{"success":true,"thumbnail":"` + id + `/thumbnail_photo.jpg",` +
		`"original_size":[1920,1080],"thumbnail_size":[200,112]},"processed_at":1699999999.123}` + "\n"
	if got := s.get("/status/" + id); got.status != 200 || got.body != want {
		t.Errorf("completed: %d %s\nwant %s", got.status, got.body, want)
	}
	for _, unknown := range []string{uuid.NewString(), "x", strings.ToUpper(id), id + "0", "..%2f" + id} {
		if got := s.get("/status/" + unknown); got.status != 404 || originalMembers(t, got.body) != `{"error":"Status not found","code":"status_not_found"}` {
			t.Errorf("unknown %q: %d %s", unknown, got.status, got.body)
		}
	}
}

func redisOf(t *testing.T, s *testServer) *redis.Client {
	t.Helper()
	client := connect.OpenRedis(connect.ReadRedis(config.NewReader(s.getenv)))
	t.Cleanup(func() { client.Close() })
	return client
}

func boardOf(t *testing.T, s *testServer) *status.Store {
	t.Helper()
	store, err := imagestore.Open(imagestore.ReadSettings(config.NewReader(s.getenv)))
	if err != nil {
		t.Fatal(err)
	}
	return status.New(redisOf(t, s), store)
}

func outboxOf(t *testing.T, s *testServer) *outbox.Outbox {
	t.Helper()
	return outbox.New(redisOf(t, s), s.getenv("MINIO_BUCKET"), func(err error) { t.Error(err) })
}

func TestGetHealth(t *testing.T) {
	t.Parallel()
	s := start(t)
	if got := s.get("/health"); got.status != 200 || got.body != `{"status":"healthy"}`+"\n" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestGetReady(t *testing.T) {
	t.Parallel()
	s := start(t)
	if got := s.get("/ready"); got.status != 200 || got.body != `{"status":"ready"}`+"\n" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if there, err := testservers.MinIO(t, s.getenv).BucketExists(t.Context(), s.getenv("MINIO_BUCKET")); err != nil || !there {
		t.Errorf("the bucket is made when it is missing: %v, %v", there, err)
	}
	away := start(t, "REDIS_HOST=127.0.0.1", "REDIS_PORT=1")
	if got := away.get("/ready"); got.status != 503 || got.body != `{"error":"redis cannot be used","status":"not ready"}`+"\n" {
		t.Errorf("without redis: %d %s", got.status, got.body)
	}
}

func TestGetMetrics(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("photo.jpg", jpegOf(t, 30, 20))
	s.get("/status/" + id)
	s.get("/status/unknown")
	s.uploadForm()
	metrics := s.get("/metrics").body
	for _, want := range []string{
		`http_requests_total{endpoint="/upload",method="POST",status="200"} 1`,
		`http_requests_total{endpoint="/upload",method="POST",status="400"} 1`,
		`http_requests_total{endpoint="/status",method="GET",status="200"} 1`,
		`http_requests_total{endpoint="/status",method="GET",status="404"} 1`,
		`http_request_duration_seconds_count{endpoint="/upload",method="POST"} 2`,
		`image_uploads_total 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics have no %s", want)
		}
	}
}
