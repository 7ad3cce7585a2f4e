//go:build upgrade

package upgrade

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// quota is how many images ada may have: one more than both versions count before the last. The upload that is killed
// counts twice, for an hour.
const quota = 7

// What one version has stored, promised and not finished, the other one reads, keeps and finishes.
func TestVersions(t *testing.T) {
	old, current := build(t, checkOut(t, before)), build(t, "../..")
	for name, versions := range map[string][2]version{
		"upgrade": {old, current}, "rollback": {current, old},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			local := versions[0].startLocal(t, w)
			left := leave(local, w)
			local.stop()
			left.leaveUnfinished(t, versions[0], w)
			s := versions[1].startLocal(t, w)
			left.checkKept(s, w)
			left.checkFinished(s, w)
			left.checkRefused(s)
		})
	}
}

// A world is what both versions use.
type world struct {
	*testing.T
	getenv   func(string) string
	settings []string
	keys     map[string]string
	scans    string // a bucket of another system
	store    *minio.Client
	redis    redis.UniversalClient
}

func newWorld(t *testing.T) *world {
	t.Helper()
	getenv := testservers.Start(t)
	w := &world{
		T: t, getenv: getenv, keys: map[string]string{}, scans: "scans-" + uuid.NewString(),
		store: testservers.MinIO(t, getenv), redis: testservers.Redis(t, getenv),
	}
	apiKeys, signingKeys := filepath.Join(t.TempDir(), "api-keys"), filepath.Join(t.TempDir(), "signing-keys")
	var lines string
	for _, client := range []string{"ada", "admin"} {
		w.keys[client] = "key-of-" + client
		lines += fmt.Sprintf("%s %x\n", client, sha256.Sum256([]byte(w.keys[client])))
	}
	for name, text := range map[string]string{apiKeys: lines, signingKeys: strings.Repeat("k", 32) + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.settings = []string{
		"AUTH_API_KEYS_FILE=" + apiKeys, "AUTH_ADMINS=admin", "AUTH_SIGNING_KEYS_FILE=" + signingKeys,
		"SOURCE_BUCKETS=" + w.scans, fmt.Sprint("QUOTA_IMAGES=", quota), "SWEEP_QUEUED_SECONDS=1",
	}
	if err := w.store.MakeBucket(t.Context(), w.scans, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// environment returns the settings of a program.
func (w *world) environment() []string {
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.TempDir()}, w.settings...)
	for _, name := range []string{
		"MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_BUCKET",
		"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "LOG_LEVEL",
		"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "KAFKA_BACKFILL_TOPIC", "KAFKA_DEAD_LETTER_TOPIC",
	} {
		env = append(env, name+"="+w.getenv(name))
	}
	return env
}

// forget has Redis lose the statuses, which are a cache.
func (w *world) forget() {
	w.Helper()
	keys, err := w.redis.Keys(w.Context(), "image:status:*").Result()
	if err == nil && len(keys) > 0 {
		err = w.redis.Del(w.Context(), keys...).Err()
	}
	if err != nil {
		w.Fatal(err)
	}
}

// A leftover is what the first version leaves.
type leftover struct {
	kept      map[string]map[string]any // fields of GET /status, by ID
	thumbnail string                    // a signed URL
	done      string                    // an image with an idempotency key and a thumbnail
	deleted   string
	grant     string // which is used up
	granted   string // the image that it was used for

	announced, unannounced string // images whose event is in Kafka, and in the outbox only
	deferred               string // an image whose object does not exist yet
}

// leave has a version do a bit of everything.
func leave(s *service, w *world) *leftover {
	s.Helper()
	l := &leftover{kept: map[string]map[string]any{}}
	l.done = s.mustUpload("done", pngOf(s.T, 30, 20), "Idempotency-Key: done")
	failed := s.mustUpload("failed", damaged(pngOf(s.T, 31, 20)))
	l.deleted = s.mustUpload("deleted", pngOf(s.T, 32, 20), "Idempotency-Key: deleted")
	l.grant = s.as("ada", http.MethodPost, "/grants", content{"application/json", `{"images":1}`}).text("grant")
	l.granted = s.uploadAs("", "granted", pngOf(s.T, 33, 20), "X-Upload-Grant: "+l.grant).text("image_id")
	for id, want := range map[string]string{
		l.done: "completed", failed: "failed", l.deleted: "completed", l.granted: "completed",
	} {
		s.awaitStatus(id, want)
		l.kept[id] = s.statusOf(id)
	}
	l.thumbnail, _ = s.get("ada", "/status/"+l.done).fields()["urls"].(map[string]any)["thumbnail"].(string)
	if got := s.as("ada", http.MethodDelete, "/images/"+l.deleted, content{}); got.status/100 != 2 {
		s.Fatalf("DELETE is %s", got)
	}
	delete(l.kept, l.deleted)
	await(s.T, "the image is gone", func() bool { return s.get("ada", "/images/"+l.deleted).status == http.StatusGone })
	event := content{"application/json", `{"bucket":"` + w.scans + `","object_name":"late.png"}`}
	got := s.as("admin", http.MethodPost, "/", event, "Ce-Specversion: 1.0", "Ce-Type: image.received",
		"Ce-Source: /scanner", "Ce-Id: late")
	l.deferred = strings.TrimPrefix(got.header.Get("Location"), "/status/")
	if got.status != http.StatusOK || l.deferred == "" {
		s.Fatalf("the event of an object that is missing is answered %s, want 200 with a Location", got)
	}
	return l
}

// leaveUnfinished has a version announce an image that nobody works on, and be killed while it announces another one.
func (l *leftover) leaveUnfinished(t *testing.T, v version, w *world) {
	t.Helper()
	s := v.startUpload(t, w)
	s.awaitReady()
	l.announced = s.mustUpload("announced", pngOf(t, 34, 20))
	s.stop()
	kafka, err := net.Listen("tcp", "127.0.0.1:0") // which never answers
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	s = v.startUpload(t, w, "KAFKA_BOOTSTRAP_SERVERS="+kafka.Addr().String())
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		path := "/upload?filename=unannounced.png"
		_, _ = s.try("ada", http.MethodPost, path, content{"image/png", string(pngOf(t, 35, 20))})
	}()
	await(t, "an image waits in the outbox", func() bool {
		l.unannounced = w.inOutbox()
		return l.unannounced != ""
	})
	s.kill()
	<-cut
}

// inOutbox returns an image that is stored and whose event is not known to be in Kafka; "" if there is none.
func (w *world) inOutbox() (imageID string) {
	w.Helper()
	waiting, err := w.redis.ZRange(w.Context(), "image:outbox:"+w.getenv("MINIO_BUCKET"), 0, -1).Result()
	if err != nil {
		w.Fatal(err)
	}
	for _, id := range waiting {
		_, err := w.store.StatObject(w.Context(), w.getenv("MINIO_BUCKET"), id+"/unannounced.png", minio.StatObjectOptions{})
		if err == nil {
			return id
		}
	}
	return ""
}

// checkKept compares what the other version says of the same images, with their statuses in Redis and without.
func (l *leftover) checkKept(s *service, w *world) {
	s.Helper()
	check := func() {
		s.Helper()
		for id, want := range l.kept {
			if got := s.statusOf(id); !reflect.DeepEqual(got, want) {
				s.Errorf("GET /status/%s is %v, want %v", id, got, want)
			}
		}
		for path, want := range map[string]int{
			"/images/" + l.deleted: http.StatusGone, "/images/" + l.done: http.StatusOK, "/thumbnails/" + l.done: http.StatusOK,
		} {
			if got := s.get("ada", path); got.status != want {
				s.Errorf("GET %s is %s, want %d", path, got, want)
			}
		}
	}
	check()
	w.forget()
	check()
	if got := s.get("", l.thumbnail); got.status != http.StatusOK {
		s.Errorf("GET %s is %s, want 200", l.thumbnail, got)
	}
	if got := s.get("", "/status/"+l.granted+"?grant="+l.grant); got.status != http.StatusOK {
		s.Errorf("with the grant the status of its image is %s, want 200", got)
	}
}

// checkFinished has the other version finish what the first one has not.
func (l *leftover) checkFinished(s *service, w *world) {
	s.Helper()
	s.awaitStatus(l.announced, "completed")
	body := pngOf(s.T, 36, 20)
	_, err := w.store.PutObject(s.Context(), w.scans, "late.png", bytes.NewReader(body), int64(len(body)),
		minio.PutObjectOptions{ContentType: "image/png"})
	if err != nil {
		s.Fatal(err)
	}
	for _, id := range []string{l.unannounced, l.deferred} {
		await(s.T, id+" is completed", func() bool {
			w.sweep(s)
			return s.get("admin", "/status/"+id).text("status") == "completed"
		})
	}
}

// sweep asks for a sweep, as if none had been for a while.
func (w *world) sweep(s *service) {
	w.redis.Del(context.WithoutCancel(w.Context()), "image:sweep:"+w.getenv("MINIO_BUCKET"))
	s.as("admin", http.MethodPost, "/", content{"application/json", "{}"}, "Ce-Specversion: 1.0", "Ce-Type: image.sweep",
		"Ce-Source: /test", "Ce-Id: "+uuid.NewString())
}

// checkRefused checks that the other version knows what was used up, deleted and counted.
func (l *leftover) checkRefused(s *service) {
	s.Helper()
	if got := s.upload("done", pngOf(s.T, 30, 20), "Idempotency-Key: done"); got.text("image_id") != l.done {
		s.Errorf("a repeated upload is %s, want the image %s", got, l.done)
	}
	for name, test := range map[string]struct {
		got  answer
		code string
	}{
		"other bytes": {s.upload("done", pngOf(s.T, 1, 1), "Idempotency-Key: done"), "idempotency_key_reused"},
		"deleted":     {s.upload("deleted", pngOf(s.T, 32, 20), "Idempotency-Key: deleted"), "image_deleted"},
		"used grant":  {s.uploadAs("", "x", pngOf(s.T, 40, 20), "X-Upload-Grant: "+l.grant), "grant_used_up"},
	} {
		if code := test.got.text("code"); code != test.code {
			s.Errorf("%s: the upload is %s, want the code %s", name, test.got, test.code)
		}
	}
	want := map[string]bool{l.announced: true, l.unannounced: true}
	for id := range l.kept {
		want[id] = true
	}
	await(s.T, "the list is complete", func() bool { return s.get("ada", "/images").fields()["complete"] == true })
	got := map[string]bool{}
	for _, entry := range s.get("ada", "/images").fields()["images"].([]any) {
		got[entry.(map[string]any)["image_id"].(string)] = true
	}
	if !maps.Equal(got, want) {
		s.Errorf("GET /images has %v, want %v", got, want)
	}
	s.mustUpload("the last", pngOf(s.T, 37, 20))
	if got := s.upload("one too many", pngOf(s.T, 39, 20)); got.text("code") != "quota_exceeded" ||
		got.fields()["found"] != float64(quota) {
		s.Errorf("an upload beyond the quota is %s, want quota_exceeded with %d", got, quota)
	}
}

func (s *service) upload(name string, body []byte, headers ...string) answer {
	s.Helper()
	return s.uploadAs("ada", name, body, headers...)
}

func (s *service) uploadAs(client, name string, body []byte, headers ...string) answer {
	s.Helper()
	path := "/upload?filename=" + strings.ReplaceAll(name, " ", "%20") + ".png"
	return s.as(client, http.MethodPost, path, content{"image/png", string(body)}, headers...)
}

func (s *service) mustUpload(name string, body []byte, headers ...string) (imageID string) {
	s.Helper()
	got := s.upload(name, body, headers...)
	if imageID = got.text("image_id"); got.status != http.StatusOK || imageID == "" {
		s.Fatalf("upload of %s is %s, want 200", name, got)
	}
	return imageID
}

func (s *service) awaitStatus(id, want string) {
	s.Helper()
	await(s.T, id+" is "+want, func() bool { return s.get("ada", "/status/"+id+"?wait=20").text("status") == want })
}

// statusOf returns the fields of a status, without signed URLs, which are new each time.
func (s *service) statusOf(id string) map[string]any {
	s.Helper()
	fields := s.get("ada", "/status/"+id).fields()
	delete(fields, "urls")
	return fields
}

// damaged returns a PNG whose pixels cannot be unpacked.
func damaged(image []byte) []byte {
	pixels := image[bytes.Index(image, []byte("IDAT"))+4:]
	copy(pixels, "\xff\xff\xff\xff")
	return image
}

func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
