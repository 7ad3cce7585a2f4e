package service

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// The tests in this file are named after the original system's routes, and hold them to the letter, so that its
// clients, dashboards and runbooks go on working.

const uuidForm = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

var uploadedForm = regexp.MustCompile(
	`^\{"message":"Image uploaded successfully","image_id":"(` + uuidForm + `)","duration":"\d+\.\d\ds"\}\n$`)

func TestPostUpload(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := jpegOf(t, 320, 200)
	answer := s.uploadForm(field{"file", "test-image.jpg", content})
	found := uploadedForm.FindStringSubmatch(answer.body)
	if answer.status != http.StatusOK || found == nil || answer.header.Get("Content-Type") != "application/json" {
		t.Fatalf("answer is %d %v %s", answer.status, answer.header, answer.body)
	}
	id, bucket := found[1], s.getenv("MINIO_BUCKET")
	key := id + "/test-image.jpg"

	object, err := s.minio().GetObject(t.Context(), bucket, key, minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var stored bytes.Buffer
	if _, err := stored.ReadFrom(object); err != nil || !bytes.Equal(stored.Bytes(), content) {
		t.Errorf("stored %d bytes, %v; want the %d that were sent", stored.Len(), err, len(content))
	}
	info, err := object.Stat()
	if err != nil || info.ContentType != "image/jpeg" || info.UserMetadata["Filename"] != "test-image.jpg" {
		t.Errorf("stored with %q, %v, %v; want image/jpeg and the filename", info.ContentType, info.UserMetadata, err)
	}

	published := s.broker.published()
	if len(published) != 1 {
		t.Fatalf("published %d events, want 1", len(published))
	}
	got, err := events.Decode[events.ImageUploaded](published[0])
	want := events.ImageUploaded{
		ImageID: id, Bucket: bucket, ObjectName: key, Filename: "test-image.jpg", Timestamp: got.Timestamp,
		Size: int64(len(content)), ContentType: "image/jpeg", Width: 320, Height: 200,
	}
	if err != nil || got != want || got.Timestamp == 0 {
		t.Errorf("published %+v, %v; want %+v", got, err, want)
	}
	for name, want := range map[string]string{events.DataRef: "s3://" + bucket + "/" + key, events.PartitionKey: id} {
		if got := published[0].Extensions()[name]; got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
}

func TestPostUploadWithoutFile(t *testing.T) {
	t.Parallel()
	s := start(t)
	noFile := problem("No file provided", "no_file", "No file", http.StatusBadRequest)
	const sentence = `No file provided; the field \"picture\" is not \"file\"`
	inPicture := strings.NewReplacer("No file provided", sentence,
		`"type"`, `"limit":"file","found":"picture","type"`).Replace(noFile)
	form := func(fields ...field) func() response { return func() response { return s.uploadForm(fields...) } }
	raw := func(contentType, body string) func() response {
		return func() response { return s.post("/upload", contentType, strings.NewReader(body)) }
	}
	for name, test := range map[string]struct {
		send func() response
		want string
	}{
		"another field":   {form(field{"picture", "a.jpg", jpegOf(t, 9, 9)}), inPicture},
		"text":            {form(field{"file", "-", []byte("a.jpg")}), noFile},
		"empty form":      {form(), noFile},
		"empty body":      {raw("", ""), noFile},
		"urlencoded form": {raw("application/x-www-form-urlencoded", "file=a.jpg"), noFile},
		"empty filename": {
			form(field{"file", "", nil}),
			problem("No file selected", "no_file_selected", "No file selected", http.StatusBadRequest),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.send(); got.status != http.StatusBadRequest || got.body != test.want {
				t.Errorf("answer is %d %s\nwant 400 %s", got.status, got.body, test.want)
			}
		})
	}
	if got := s.keys(); len(got) != 0 {
		t.Errorf("bucket has %q, want nothing", got)
	}
}

// problem is the whole body of an error without limit and found: the members of the original system, code, and those of
// RFC 9457.
func problem(message, code, title string, status int) string {
	return fmt.Sprintf(`{"error":%q,"code":%q,"type":%q,"title":%q,"status":%d,"detail":%q}`+"\n",
		message, code, apierror.TypeURI(code), title, status, message)
}

func TestGetStatus(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.upload("photo.jpg", jpegOf(t, 30, 20))
	want := `{"image_id":"` + id + `","status":"queued"}` + "\n"
	if got := s.get("/status/" + id); got.status != http.StatusOK || got.body != want {
		t.Errorf("after the upload: %d %s, want 200 %s", got.status, got.body, want)
	}
	final := status.Status{ImageID: id, State: status.Completed, ProcessedAt: 1699999999.123, Result: &status.Result{
		Success:       true,
		Thumbnail:     id + "/thumbnail_photo.jpg",
		OriginalSize:  &status.Size{1920, 1080},
		ThumbnailSize: &status.Size{200, 112},
	}}
	if _, err := s.statuses().Advance(t.Context(), final); err != nil {
		t.Fatal(err)
	}
	want = `{"image_id":"` + id + `","status":"completed","result":{"success":true,"thumbnail":"` + id +
		`/thumbnail_photo.jpg","original_size":[1920,1080],"thumbnail_size":[200,112]},"processed_at":1699999999.123}` + "\n"
	if got := s.get("/status/" + id); got.status != http.StatusOK || got.body != want {
		t.Errorf("completed: %d %s, want 200 %s", got.status, got.body, want)
	}
	for _, unknown := range []string{uuid.NewString(), "x", id + "0", "..%2f" + id} {
		t.Run("unknown "+unknown, func(t *testing.T) {
			want := problem("Status not found", "status_not_found", "Status not found", http.StatusNotFound)
			if got := s.get("/status/" + unknown); got.status != http.StatusNotFound || got.body != want {
				t.Errorf("answer is %d %s, want 404 %s", got.status, got.body, want)
			}
		})
	}
}

// UUIDs are read without regard to case (RFC 9562, section 4); Swift writes them in upper case.
func TestUpperCaseID(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := jpegOf(t, 30, 20)
	id := s.upload("photo.jpg", content)
	s.complete(id)
	for path, want := range map[string]string{
		"/status/": `{"image_id":"` + id + `","status":"`, "/images/": string(content), "/thumbnails/": "\x89PNG",
	} {
		t.Run(path, func(t *testing.T) {
			if got := s.get(path + strings.ToUpper(id)); got.status != http.StatusOK || !strings.HasPrefix(got.body, want) {
				t.Errorf("answer is %d %.90q, want 200 %.90q", got.status, got.body, want)
			}
		})
	}
}

func TestGetHealth(t *testing.T) {
	t.Parallel()
	s := start(t)
	if got := s.get("/health"); got.status != http.StatusOK || got.body != `{"status":"healthy"}`+"\n" {
		t.Errorf("answer is %d %s", got.status, got.body)
	}
}

func TestGetReady(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.awaitReady()
	if got := s.get("/ready"); got.status != http.StatusOK || got.body != `{"status":"ready"}`+"\n" {
		t.Errorf("answer is %d %s", got.status, got.body)
	}
	exists, err := s.minio().BucketExists(t.Context(), s.getenv("MINIO_BUCKET"))
	if err != nil || !exists {
		t.Errorf("BucketExists() = %v, %v; want the bucket to be made", exists, err)
	}
	for backend, settings := range map[string][]string{
		"redis": {"REDIS_HOST=127.0.0.1", "REDIS_PORT=1"},
		"kafka": {"K_SINK=", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1", "KAFKA_TOPIC=nowhere"},
	} {
		t.Run("without "+backend, func(t *testing.T) {
			down := start(t, settings...)
			want := `{"error":"` + backend + ` cannot be used","status":"not ready"}` + "\n"
			var got response
			await(t, "only "+backend+" cannot be used", func() bool { // a MinIO that is being examined may be slow
				got = down.get("/ready")
				return got.body == want
			})
			if got.status != http.StatusServiceUnavailable {
				t.Errorf("got %d %s, want 503 %s", got.status, got.body, want)
			}
		})
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
		`image_uploads_refused_total{code="no_file"} 1`,
		`redis_errors_ignored_total{operation="acknowledge"} 0`,
		`redis_errors_ignored_total{operation="restore_status"} 0`,
	} {
		t.Run(want, func(t *testing.T) {
			if !strings.Contains(metrics, want+"\n") {
				t.Error("the metrics do not have it")
			}
		})
	}
}
