package service

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
)

// notification is what S3 and MinIO report about new objects.
func notification(bucket string, keys ...string) string {
	var records []string
	for _, key := range keys {
		records = append(records, `{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"`+bucket+
			`"},"object":{"key":"`+key+`","eTag":"e"}}}`)
	}
	return `{"EventName":"s3:ObjectCreated:Put","Key":"` + bucket + `/a","Records":[` + strings.Join(records, ",") + `]}`
}

// deliver delivers what was published since, as the Broker does, and returns the answers.
func (s *testServer) deliverPublished(from int) (answers []response) {
	s.t.Helper()
	for _, e := range s.broker.published()[from:] {
		header := []string{"Ce-Specversion: 1.0", "Ce-Type: " + e.Type(), "Ce-Source: " + e.Source(), "Ce-Id: " + e.ID()}
		if e.Type() == events.TypeImageReceived {
			body := strings.NewReader(string(e.Data()))
			answers = append(answers, s.post("/", e.DataContentType(), body, header...))
		}
	}
	return answers
}

// An object in a listed bucket becomes an image, in whatever form its notification comes, and only once.
func TestInbox(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	content := pngOf(t, 40, 30)
	s.put(bucket, "2026/mein Käse.png", content)
	records := notification(bucket, "2026%2Fmein+K%C3%A4se.png")
	header := func(eventType string) []string {
		return []string{"Ce-Specversion: 1.0", "Ce-Id: " + uuid.NewString(), "Ce-Source: /s", "Ce-Type: " + eventType}
	}
	eventBridge := `{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"` + bucket +
		`"},"object":{"key":"2026/mein Käse.png","etag":"e"}}}`
	structured := `{"specversion":"1.0","id":"1","source":"/s","type":"dev.knative.kafka.event","data":` + records + `}`
	imageID := ""
	for _, test := range []struct {
		name, contentType, body string
		header                  []string
	}{
		{"KafkaSource, no content type", "", records, header("dev.knative.kafka.event")},
		{"KafkaSource, JSON", "application/json", records, header("dev.knative.kafka.event")},
		{"KafkaSource, structured", structuredMode, structured, nil},
		{"TriggerMesh", "application/json", records[strings.Index(records, `{"eventName"`) : len(records)-2],
			header("com.amazon.s3.objectcreated")},
		{"webhook of MinIO", "application/json", records, nil},
		{"EventBridge", "application/json; charset=utf-8", eventBridge, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := *s
			s.t = t
			before := len(s.broker.published())
			got := s.post("/", test.contentType, strings.NewReader(test.body), test.header...)
			if got.status != http.StatusOK || got.body != "" || got.header.Get("Content-Length") != "0" {
				t.Fatalf("answer is %d %v %s, want an empty 200", got.status, got.header, got.body)
			}
			answers := s.deliverPublished(before)
			if len(answers) != 1 || answers[0].status != http.StatusOK {
				t.Fatalf("answers to image.received are %v, want one 200", answers)
			}
			id := strings.TrimPrefix(answers[0].header.Get("Location"), "/status/")
			if imageID == "" {
				imageID = id
			}
			if got := s.get("/images/" + id); id != imageID || got.body != string(content) {
				t.Errorf("image is %s with %d bytes, want %s with those of the object", id, len(got.body), imageID)
			}
		})
	}
	if keys := s.keys(); len(keys) != 1 || !strings.HasSuffix(keys[0], "/mein Käse.png") {
		t.Errorf("bucket has %q, want one image", keys)
	}
}

// Without a Broker a notification is not acknowledged; what is delivered again makes no second image.
func TestInboxSeveral(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	body := func() io.Reader { return strings.NewReader(notification(bucket, "a.png", "b.png", "none.png")) }
	s.put(bucket, "a.png", pngOf(t, 40, 30))
	s.put(bucket, "b.png", []byte("this is not an image"))
	s.broker.setDown(true)
	if got := s.post("/", "application/json", body()); got.status != http.StatusServiceUnavailable {
		t.Fatalf("without a Broker: %d %s, want 503", got.status, got.body)
	}
	s.broker.setDown(false)
	for range 2 {
		if got := s.post("/", "application/json", body()); got.status != http.StatusOK {
			t.Fatalf("answer is %d %s, want 200", got.status, got.body)
		}
	}
	published := s.broker.published()
	ids, answers := map[string]int{}, map[string]response{}
	for n, answer := range s.deliverPublished(0) {
		ids[published[n].ID()]++
		payload, err := events.Decode[events.ImageReceived](published[n])
		if before, again := answers[payload.ObjectName]; err != nil ||
			again && before.header.Get("Location") != answer.header.Get("Location") {
			t.Errorf("%s: %+v and %+v, %v; want one image", payload.ObjectName, before, answer, err)
		}
		answers[payload.ObjectName] = answer
	}
	if len(published) != 6 || len(ids) != 3 {
		t.Fatalf("published %v, want three events twice", published)
	}
	if got := answers["a.png"]; got.status != http.StatusOK || got.header.Get("Location") == "" {
		t.Errorf("a.png: %+v, want 200 with an image", got)
	}
	got := answers["b.png"]
	if got.header.Get("Ce-Type") != events.TypeImageFailed || !strings.Contains(got.body, "not_an_image") {
		t.Errorf("b.png: %+v, want image.failed for not_an_image", got)
	}
}

// An object that is put again with the same bytes, after its first image failed, is another image; what is notified
// again is not.
func TestInboxPutAgain(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket, "OBJECT_WAIT_SECONDS=1")
	s.put(bucket, "other.png", pngOf(t, 8, 8)) // makes the bucket
	put := func(sequencer string) response {
		s.t.Helper()
		before := len(s.broker.published())
		body := strings.Replace(notification(bucket, "a.png"), `"eTag"`, `"sequencer":"`+sequencer+`","eTag"`, 1)
		if got := s.post("/", "application/json", strings.NewReader(body)); got.status != http.StatusOK {
			t.Fatalf("answer is %d %s, want 200", got.status, got.body)
		}
		return s.deliverPublished(before)[0]
	}
	first := strings.TrimPrefix(put("17A").header.Get("Location"), "/status/") // removed before it is read
	await(t, "failed", func() bool { return s.status(first) == "failed" })
	content := pngOf(t, 30, 20)
	s.put(bucket, "a.png", content)
	second, repeated := put("17B"), put("17B")
	id := strings.TrimPrefix(second.header.Get("Location"), "/status/")
	if got := s.get("/images/" + id); id == first || got.body != string(content) {
		t.Errorf("put again: answer %+v, image %s of %d bytes; want another image than %s", second, id, len(got.body), first)
	}
	if got := repeated.header.Get("Location"); got != second.header.Get("Location") {
		t.Errorf("notified again: image at %s, want %s", got, second.header.Get("Location"))
	}
}

// Each version of an object is an image with the bytes of that version, one that does not exist waits for it.
func TestInboxVersions(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket, "OBJECT_WAIT_SECONDS=1")
	client := s.minio()
	s.put(bucket, "other.png", pngOf(t, 8, 8)) // makes the bucket
	if err := client.EnableVersioning(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	notify := func(version string) response {
		s.t.Helper()
		before := len(s.broker.published())
		body := strings.Replace(notification(bucket, "a.png"), `"eTag"`, `"versionId":"`+version+`","eTag"`, 1)
		if got := s.post("/", "application/json", strings.NewReader(body)); got.status != http.StatusOK {
			t.Fatalf("answer is %d %s, want 200", got.status, got.body)
		}
		return s.deliverPublished(before)[0]
	}
	contents, versions := [][]byte{pngOf(t, 30, 20), pngOf(t, 99, 11)}, []string{"", ""}
	for n, content := range contents {
		stored, err := client.PutObject(
			t.Context(), bucket, "a.png", bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
		if versions[n] = stored.VersionID; err != nil || versions[n] == "" {
			t.Fatalf("put: version %q, %v", versions[n], err)
		}
		t.Cleanup(func() {
			_ = client.RemoveObject(context.Background(), bucket, "a.png", minio.RemoveObjectOptions{VersionID: versions[n]})
		})
	}
	for n, content := range contents {
		answer := notify(versions[n])
		id := strings.TrimPrefix(answer.header.Get("Location"), "/status/")
		if got := s.get("/images/" + id).body; got != string(content) {
			t.Errorf("version %d: answer %+v, image of %d bytes; want the %d of the version", n, answer, len(got), len(content))
		}
	}
	waiting := notify(uuid.NewString())
	id := strings.TrimPrefix(waiting.header.Get("Location"), "/status/")
	if waiting.status != http.StatusOK || s.status(id) != "queued" {
		t.Fatalf("a version that does not exist: answer %+v, want 200 and that it waits", waiting)
	}
	await(t, "failed", func() bool { return s.status(id) == "failed" })
}

// A record that cannot become an image is counted, and does not hold up another in the same notification.
func TestInboxOneRecordBad(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	good := notification(bucket, "a.png", "b.png")
	for _, test := range []struct{ name, code, body string }{
		{"key of empty segments", "invalid_event", notification(bucket, "a%2F%2Fb.png", "b.png")},
		{"key that is not encoded", "invalid_event", notification(bucket, "a%zz", "b.png")},
		{"another bucket", "unknown_bucket", strings.Replace(good, `"name":"`+bucket, `"name":"secrets`, 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := *s
			s.t = t
			before := len(s.broker.published())
			if got := s.post("/", "application/json", strings.NewReader(test.body)); got.status != http.StatusOK {
				t.Fatalf("answer is %d %s, want 200", got.status, got.body)
			}
			published := s.broker.published()[before:]
			if len(published) != 1 || !strings.Contains(string(published[0].Data()), "b.png") {
				t.Errorf("published %v, want one event, for b.png", published)
			}
		})
	}
	metrics := s.get("/metrics").body
	for _, want := range []string{`{code="invalid_event"} 2`, `{code="unknown_bucket"} 1`} {
		if want = "image_uploads_refused_total" + want; !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics do not have %s", want)
		}
	}
}

// What is refused or ignored publishes nothing.
func TestInboxWithoutEffect(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	c := startWithKeys(t, "SOURCE_BUCKETS="+bucket)
	s := c.ada.withoutAuthentication()
	off := s.startAnother("AUTH_API_KEYS_FILE=", "AUTH_ADMINS=", "SOURCE_BUCKETS="+s.getenv("MINIO_BUCKET"))
	own, listed := notification(s.getenv("MINIO_BUCKET"), "a.png"), notification(bucket, "a.png")
	deleted := strings.ReplaceAll(listed, "ObjectCreated:Put", "ObjectRemoved:Delete")
	for _, test := range []struct {
		name, body string
		server     *testServer
		status     int
		code       string
	}{
		{"own bucket", own, s, 200, ""},
		{"own bucket in SOURCE_BUCKETS", own, off, 200, ""},
		{"deletion", deleted, s, 200, ""},
		{"test", `{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"` + bucket + `"}`, s, 200, ""},
		{"switched off", listed, off, 400, "unknown_bucket"},
		{"another bucket", notification("secrets", "a.png"), s, 400, "unknown_bucket"},
		{"client that is not an administrator", listed, c.ada, 400, "unknown_bucket"},
		{"key of empty segments", notification(bucket, "a%2F%2Fb.png"), s, 400, "invalid_event"},
		{"not a notification", `{"a":1}`, s, 400, "invalid_event"},
		{"too many records", `{"Records":[` + strings.Repeat("null,", 1000) + `null]}`, s, 400, "invalid_event"},
		{"too large", `{"a":"` + strings.Repeat("a", 1<<16) + `"}`, s, 413, "too_many_bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := *test.server
			server.t = t
			got := server.post("/", "application/json", strings.NewReader(test.body))
			if got.status != test.status || test.code != "" && got.code(t) != test.code {
				t.Errorf("answer is %d %s, want %d %s", got.status, got.body, test.status, test.code)
			}
			if published := s.broker.published(); len(published) > 0 {
				t.Errorf("published %v, want nothing", published)
			}
		})
	}
	t.Run("a misspelt type", func(t *testing.T) {
		got := s.post("/", "application/json", strings.NewReader(`{"bucket":"b","object_name":"a"}`),
			"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: /s", "Ce-Type: Image.Received")
		if got.status != 400 || !strings.Contains(got.body, "Image.Received") || strings.Contains(got.body, "notification") {
			t.Errorf("answer is %d %s, want 400 that names the type and no notification", got.status, got.body)
		}
	})
	t.Run("JSON without attributes", func(t *testing.T) {
		got := s.post("/", "application/json", strings.NewReader(`{"bucket":"b","object_name":"a"}`))
		if got.status != 400 || !strings.Contains(got.body, "Ce-Specversion") {
			t.Errorf("answer is %d %s, want 400 that names the attributes", got.status, got.body)
		}
	})
	t.Run("too large, structured", func(t *testing.T) {
		keys := slices.Repeat([]string{"a.png"}, 1000)
		got := s.post("/", structuredMode, strings.NewReader(`{"specversion":"1.0","id":"1","source":"/s",`+
			`"type":"dev.knative.kafka.event","data":`+notification(bucket, keys...)+`}`))
		if published := s.broker.published(); got.status != 413 || len(published) > 0 {
			t.Errorf("answer is %d %s, published %d events; want 413 and none", got.status, got.body, len(published))
		}
	})
	t.Run("a type of another system", func(t *testing.T) {
		got := s.post("/", "application/json", strings.NewReader(`{"a":1}`), "Ce-Specversion: 1.0", "Ce-Id: 1",
			"Ce-Source: /s", "Ce-Type: com.example.thing")
		names := strings.Contains(got.body, "com.example.thing") && strings.Contains(got.body, "image.received")
		if got.status != 400 || !names {
			t.Errorf("answer is %d %s, want 400 that names the type and what is expected", got.status, got.body)
		}
	})
}
