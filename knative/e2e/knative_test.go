//go:build e2e

package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

const (
	// The first start of all functions, including image pulls.
	deployWithin = 5 * time.Minute
	// The stable window of the autoscaler, the termination grace period, and 30 s of queue-proxy.
	zeroWithin = 5 * time.Minute
	// A request or an event for a function that is scaled to zero, until its answer.
	backWithin = 3 * time.Second
	// Everything else that must happen without further action.
	patience = 2 * time.Minute
)

// installation is the service, deployed by the documented commands.
type installation struct {
	http        *http.Client
	bucket      bucket
	url         string // of upload
	broker      string
	deadLetters string
}

// TestOnKnative runs through the life of a deployment: each subtest depends on the previous ones.
func TestOnKnative(t *testing.T) {
	for _, name := range needed {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set; see the package comment for the environment", name)
		}
	}
	s := install(t)
	for _, chapter := range []struct {
		name string
		try  func(*installation, *testing.T)
	}{
		{"upload to thumbnail", (*installation).uploadToThumbnail},
		{"HEIC and AVIF", (*installation).phonePhotos},
		{"scale to zero and back", (*installation).scaleToZero},
		{"event of another system", (*installation).eventOfOtherSystem},
		{"events before their objects", (*installation).eventsBeforeObjects},
		{"pod killed while it works", (*installation).killWhileProcessing},
		{"dead letter and redrive", (*installation).deadLetter},
		{"bucket of another system", (*installation).bucketInbox},
		{"revision that cannot start", (*installation).brokenRevision},
		{"password rotation", (*installation).rotatePassword},
		{"rendition added, and backfill", (*installation).renditions},
		{"webhook", (*installation).webhook},
		{"telemetry", (*installation).telemetry},
		{"HTTPS", (*installation).https},
		{"API keys", (*installation).apiKeys},
		{"example overlay", (*installation).exampleOverlay},
	} {
		if !t.Run(chapter.name, func(t *testing.T) { chapter.try(s, t) }) {
			t.FailNow() // the following subtests depend on it
		}
	}
	t.Run("uninstall", s.uninstalled)
}

// install follows docs/operations/install.md. It makes the addresses in the manifests lead to the servers of the test.
func install(t *testing.T) *installation {
	t.Helper()
	if exists(t, "namespace", namespace) {
		t.Fatalf("namespace %s already exists: the cluster is in use", namespace)
	}
	config := configOf(t)
	alias(t, config["MINIO_ENDPOINT"], podAddress("MINIO_ENDPOINT"))
	alias(t, config["REDIS_HOST"]+":"+config["REDIS_PORT"], podAddress("REDIS_HOST")+":"+os.Getenv("REDIS_PORT"))
	alias(t, config["KAFKA_BOOTSTRAP_SERVERS"], podAddress("KAFKA_BOOTSTRAP_SERVERS"))
	topics := []string{config["KAFKA_DEAD_LETTER_TOPIC"]}
	for _, o := range objects(t, base) {
		topics = append(topics, o.Spec.Topics...)
	}
	makeTopics(t, topics...)
	grantRights(t)
	s := &installation{http: client(t, nil), bucket: takeBucket(t, config["MINIO_BUCKET"])}

	t.Cleanup(func() { cleanUp(t) })
	kubectl(t, "create", "namespace", namespace)
	setCredentials(t, os.Getenv("REDIS_PASSWORD"))
	setServerSecrets(t)
	began := time.Now()
	deploy(t)
	t.Logf("ko apply took %s", since(began))
	awaitReady(t)
	s.url = field(t, "ksvc/upload", "{.status.url}")
	s.broker = field(t, "broker/images", "{.status.address.url}")
	s.deadLetters = field(t, "ksvc/dead-letters", "{.status.url}")
	return s
}

// configOf returns the settings of image-service-config.
func configOf(t *testing.T) map[string]string {
	t.Helper()
	return settings(t, base, "image-service-config")
}

// settings returns those of a ConfigMap of an overlay.
func settings(t *testing.T, o overlay, name string) map[string]string {
	t.Helper()
	for _, object := range objects(t, o) {
		if object.Kind == "ConfigMap" && object.Metadata.Name == name {
			return object.Data
		}
	}
	t.Fatalf("the manifests have no ConfigMap %s", name)
	return nil
}

// setCredentials creates or changes the Secret with those of the functions, which have a user of their own if the
// servers have users.
func setCredentials(t *testing.T, redisPassword string) {
	t.Helper()
	setSecret(t, "image-service-secret", map[string]string{
		"MINIO_ACCESS_KEY": cmp.Or(os.Getenv("CI_MINIO_ACCESS_KEY"), os.Getenv("MINIO_ACCESS_KEY")),
		"MINIO_SECRET_KEY": os.Getenv("MINIO_SECRET_KEY"),
		"REDIS_PASSWORD":   redisPassword,
	})
}

// setSecret creates or changes a Secret. Its content goes through standard input, which other users cannot see.
func setSecret(t *testing.T, name string, content map[string]string) {
	t.Helper()
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]string{"name": name, "namespace": namespace},
		"stringData": content,
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(secret))
}

func awaitReady(t *testing.T) {
	t.Helper()
	await(t, deployWithin, "everything is ready", func() bool {
		objects := strings.Fields(kubectl(t, "get", "ksvc,broker,trigger,kafkasource,pingsource",
			"--output=jsonpath={range .items[*]}{.kind}/{.metadata.name}="+
				`{.status.conditions[?(@.type=="Ready")].status} {end}`))
		notReady := func(object string) bool { return !strings.HasSuffix(object, "=True") }
		return len(objects) >= 8 && !slices.ContainsFunc(objects, notReady)
	})
}

// cleanUp cleans up after a failed test; a successful one has already uninstalled the service.
func cleanUp(t *testing.T) {
	t.Helper()
	ctx := context.Background() // the context of the test is already canceled
	_, err := try(ctx, root(t), "", "kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--timeout=5m")
	if err != nil {
		t.Error(err)
	}
}

// uploadToThumbnail checks the path of an image: upload, Kafka, KafkaSource, Broker, Trigger, thumbnail, status.
func (s *installation) uploadToThumbnail(t *testing.T) {
	t.Helper()
	before := recordsOn(t, configOf(t)["KAFKA_TOPIC"])
	began := time.Now()
	id := s.upload(t, photograph(t, 1600, 1200))
	uploaded := since(began)
	s.completed(t, id)
	t.Logf("uploaded in %s, completed in %s", uploaded, since(began))
	if got := recordsOn(t, configOf(t)["KAFKA_TOPIC"]) - before; got != 1 {
		t.Errorf("%d records were written to the topic, want 1", got)
	}
	thumbnail, err := jpeg.Decode(bytes.NewReader(s.get(t, s.url+"/thumbnails/"+id)))
	if err != nil || thumbnail.Bounds().Size() != image.Pt(200, 150) {
		t.Errorf("the thumbnail is %v, %v, want a JPEG of 200x150", thumbnail, err)
	}
}

// phonePhotos uploads photos as phones take them: a HEIC in tiles, and turned, and an AVIF of 10 bits. Their thumbnails
// are upright JPEGs.
func (s *installation) phonePhotos(t *testing.T) {
	t.Helper()
	for file, want := range map[string]image.Point{
		"grid_turned.heic": image.Pt(110, 150), "avif/420_10.avif": image.Pt(128, 96),
	} {
		photo, err := os.ReadFile(filepath.Join(root(t), "functions/internal/raster/heif/testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		id := s.upload(t, photo)
		s.completed(t, id)
		thumbnail, err := jpeg.Decode(bytes.NewReader(s.get(t, s.url+"/thumbnails/"+id)))
		if err != nil || thumbnail.Bounds().Size() != want {
			t.Errorf("the thumbnail of %s is %v, %v; want a JPEG of %v", file, thumbnail, err, want)
		}
	}
}

// scaleToZero checks that an upload starts upload from zero pods, and its event starts thumbnail, in time. It has
// three attempts, because other load on the machine can only add to the duration.
func (s *installation) scaleToZero(t *testing.T) {
	t.Helper()
	defer suspendSweep(t)()
	photo := photograph(t, 1600, 1200)
	for attempt := 1; ; attempt++ {
		s.awaitZero(t)
		began := time.Now()
		id := s.upload(t, photo)
		uploaded := since(began)
		began = time.Now()
		s.completed(t, id)
		thumbnailed := since(began)
		t.Logf("from zero pods: uploaded in %s, completed %s later", uploaded, thumbnailed)
		if uploaded < backWithin && thumbnailed < backWithin {
			return
		}
		if attempt == 3 {
			t.Fatalf("uploaded in %s, completed in %s, want less than %s each", uploaded, thumbnailed, backWithin)
		}
	}
}

// suspendSweep stops the PingSource, which would start upload, until resume is called.
func suspendSweep(t *testing.T) (resume func()) {
	t.Helper()
	schedule := field(t, "pingsource/image-sweep", "{.spec.schedule}")
	set := func(cron string) {
		patch(t, "pingsource/image-sweep", map[string]any{"spec": map[string]any{"schedule": cron}})
	}
	set("0 0 1 1 *")
	return func() { set(schedule) }
}

func (s *installation) awaitZero(t *testing.T) {
	t.Helper()
	await(t, zeroWithin, "no pod is left", func() bool {
		return len(pods(t, "upload"))+len(pods(t, "thumbnail")) == 0
	})
}

// pods returns the names of the pods of a Service.
func pods(t *testing.T, service string) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "pods", "--selector=serving.knative.dev/service="+service,
		"--output=jsonpath={.items[*].metadata.name}"))
}

// eventOfOtherSystem posts an event that contains an image to the Broker twice, and expects one image.
func (s *installation) eventOfOtherSystem(t *testing.T) {
	t.Helper()
	before := s.bucket.images(t)
	received := newScan(t)
	s.post(t, received)
	s.post(t, received)
	var ids []string
	await(t, patience, "the event's image is stored", func() bool {
		ids = slices.DeleteFunc(s.bucket.images(t), func(id string) bool { return slices.Contains(before, id) })
		return len(ids) > 0
	})
	if len(ids) != 1 {
		t.Fatalf("one event, sent twice, made images %q, want 1", ids)
	}
	s.completed(t, ids[0])
}

// eventsBeforeObjects posts more events whose objects do not exist than a Trigger of Knative's Kafka Broker delivers at
// a time. An upload does not wait for them, and one whose object appears is completed, with its cause.
func (s *installation) eventsBeforeObjects(t *testing.T) {
	t.Helper()
	source := fmt.Sprintf("/e2e/early/%d", rand.Int())
	const late = "late.jpg"
	for i := range 60 {
		s.post(t, newReference(t, source, fmt.Sprint(i), events.ImageReceived{
			Bucket: s.bucket.name, ObjectName: fmt.Sprintf("never-%d.jpg", i),
		}))
	}
	s.post(t, newReference(t, source, late, events.ImageReceived{Bucket: s.bucket.name, ObjectName: late}))
	began := time.Now()
	s.completed(t, s.upload(t, photograph(t, 640, 480)))
	t.Logf("beside 61 events without an object, an upload was completed in %s", since(began))

	status := func(id string) (known struct {
		Status string
		Cause  events.Cause
	}) {
		query := url.Values{"source": {source}, "id": {id}}
		if err := json.Unmarshal(s.get(t, s.url+"/status?"+query.Encode()), &known); err != nil {
			t.Fatal(err)
		}
		return known
	}
	if got := status(late); got.Status != "queued" {
		t.Errorf("without its object: got %+v, want queued", got)
	}
	photo := photograph(t, 640, 480)
	_, err := s.bucket.PutObject(t.Context(), s.bucket.name, late, bytes.NewReader(photo), int64(len(photo)),
		minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	waited := await(t, patience, "the late object is an image", func() bool { return status(late).Status == "completed" })
	t.Logf("%s after its object was stored, the event was completed", waited.Round(10*time.Millisecond))
	if got, want := status(late).Cause, (events.Cause{Source: source, ID: late}); got != want {
		t.Errorf("got cause %+v, want %+v", got, want)
	}
	if got := status("0"); got.Status != "queued" {
		t.Errorf("still without its object: got %+v, want queued", got)
	}
	if listed := s.letters(t); listed.Waiting != 0 {
		t.Errorf("got dead letters %+v, want none", listed)
	}
}

// newReference returns an image.received that names an object.
func newReference(t *testing.T, source, id string, received events.ImageReceived) event.Event {
	t.Helper()
	e := newEvent(id, events.TypeImageReceived)
	e.SetSource(source)
	if err := e.SetData(event.ApplicationJSON, received); err != nil {
		t.Fatal(err)
	}
	return e
}

// killWhileProcessing kills the pods of thumbnail while large images are queued and one is in progress. All are
// completed.
func (s *installation) killWhileProcessing(t *testing.T) {
	t.Helper()
	const images = 20
	content := drawing(t, 6000, 6000)
	ids := make([]string, images)
	var uploads sync.WaitGroup
	for i := range ids {
		uploads.Go(func() { ids[i] = s.upload(t, content) })
	}
	uploads.Wait()
	await(t, patience, "one image is in progress", func() bool { return s.count(t, ids, "processing") > 0 })
	victims := pods(t, "thumbnail")
	kubectl(t, append([]string{"delete", "pod", "--grace-period=0", "--force"}, victims...)...)
	left := images - s.count(t, ids, "completed")
	t.Logf("killed %d pods with %d of %d images not completed", len(victims), left, images)
	if left == 0 {
		t.Error("all images were completed before the pods were killed")
	}
	await(t, 8*time.Minute, "all images are completed", func() bool { return s.count(t, ids, "completed") == images })
	if letters := s.letters(t); letters.Waiting != 0 {
		t.Errorf("got dead letters %+v, want none", letters)
	}
}

// count returns the number of images that have a status.
func (s *installation) count(t *testing.T, ids []string, want string) (count int) {
	t.Helper()
	for _, id := range ids {
		if s.status(t, id) == want {
			count++
		}
	}
	return count
}

// deadLetter sends an event that names a bucket that upload must not read, and an invalid one. Both become dead letters
// with a reason. After the setting is fixed, a redrive processes the first; the second becomes a dead letter again.
func (s *installation) deadLetter(t *testing.T) {
	t.Helper()
	source := sourceBucket
	incoming := takeBucket(t, source)
	if err := incoming.MakeBucket(t.Context(), source, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := incoming.put(t, "scan.jpg", photograph(t, 640, 480)); err != nil {
		t.Fatal(err)
	}
	before := s.bucket.images(t)
	received := events.ImageReceived{Bucket: source, ObjectName: "scan.jpg"}
	scan := newReference(t, fmt.Sprintf("/scanner/%d", rand.Int()), "scan", received)
	poison := newEvent("poison", events.TypeImageUploaded)
	if err := poison.SetData(event.ApplicationJSON, map[string]string{"image_id": "none"}); err != nil {
		t.Fatal(err)
	}
	s.post(t, scan)
	s.post(t, poison)
	await(t, patience, "both are dead letters", func() bool { return s.letters(t).Waiting == 2 })
	for _, l := range s.letters(t).Letters {
		t.Logf("%s %s: subscriber %s, code %s, answer %s", l.Type, l.ID, l.Subscriber, l.Code, l.Answer)
		if l.Code != "400" || l.Subscriber == "" || l.Answer == "" {
			t.Errorf("got letter %+v, want code 400 with subscriber and answer", l)
		}
	}

	patch(t, "configmap/image-service-config", map[string]any{"data": map[string]any{"SOURCE_BUCKETS": source}})
	s.roll(t, "upload", "source-buckets")
	var answer struct{ Redriven, Waiting int }
	body := s.ask(t, http.MethodPost, s.deadLetters+"/redrive", "", nil)
	if err := json.Unmarshal(body, &answer); err != nil || answer.Redriven != 2 {
		t.Fatalf("redrive answered %s, %v, want 2 redriven", body, err)
	}
	var ids []string
	await(t, patience, "the redriven image is stored", func() bool {
		ids = slices.DeleteFunc(s.bucket.images(t), func(id string) bool { return slices.Contains(before, id) })
		return len(ids) == 1
	})
	s.completed(t, ids[0])
	await(t, patience, "the invalid event is a dead letter again", func() bool {
		letters := s.letters(t)
		return letters.Waiting == 1 && letters.Letters[0].ID == "poison"
	})
	patch(t, "configmap/image-service-config", map[string]any{"data": map[string]any{"SOURCE_BUCKETS": nil}})
}

// put stores an object.
func (b bucket) put(t *testing.T, key string, content []byte) error {
	t.Helper()
	body, size := bytes.NewReader(content), int64(len(content))
	_, err := b.PutObject(t.Context(), b.name, key, body, size, minio.PutObjectOptions{})
	return err
}

// letters is the answer of GET / of dead-letters.
type letters struct {
	Waiting int
	Letters []struct{ Type, ID, Subscriber, Code, Answer string }
}

func (s *installation) letters(t *testing.T) (listed letters) {
	t.Helper()
	if err := json.Unmarshal(s.get(t, s.deadLetters+"/"), &listed); err != nil {
		t.Fatal(err)
	}
	return listed
}

// roll creates a new revision of a Service, which reads the current settings, and waits until it is ready.
func (s *installation) roll(t *testing.T, service, reason string) {
	t.Helper()
	before := field(t, "ksvc/"+service, "{.status.latestReadyRevisionName}")
	annotate(t, service, map[string]any{"image-service/rolled-for": reason})
	await(t, patience, service+" has a new revision", func() bool {
		return field(t, "ksvc/"+service, "{.status.latestReadyRevisionName}") != before &&
			field(t, "ksvc/"+service, `{.status.conditions[?(@.type=="Ready")].status}`) == "True"
	})
}

func annotate(t *testing.T, service string, annotations map[string]any) {
	t.Helper()
	template := map[string]any{"metadata": map[string]any{"annotations": annotations}}
	patch(t, "ksvc/"+service, map[string]any{"spec": map[string]any{"template": template}})
}

// brokenRevision deploys a revision that cannot start, and then a good one. No request fails meanwhile.
func (s *installation) brokenRevision(t *testing.T) {
	t.Helper()
	good := field(t, "ksvc/upload", "{.status.latestReadyRevisionName}")
	traffic := s.startTraffic(t)

	run(t, "", "kubectl", "--namespace", namespace, "patch", "ksvc/upload", "--type=json", "--patch",
		`[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
			"value": {"name": "MAX_UPLOAD_BYTES", "value": "much"}}]`)
	var bad string
	await(t, patience, "the new revision has failed to start", func() bool {
		bad = field(t, "ksvc/upload", "{.status.latestCreatedRevisionName}")
		restarts := kubectl(t, "get", "pods", "--selector=serving.knative.dev/revision="+bad,
			`--output=jsonpath={.items[*].status.containerStatuses[?(@.name=="user-container")].restartCount}`)
		return bad != good && restarts >= "1"
	})
	t.Log(strings.TrimSpace(kubectl(t, "logs", "--selector=serving.knative.dev/revision="+bad,
		"--container=user-container", "--tail=1")))
	if got := field(t, "ksvc/upload", "{.status.traffic[*].revisionName}"); got != good {
		t.Errorf("traffic goes to %s, want only %s", got, good)
	}
	s.completed(t, s.upload(t, photograph(t, 640, 480)))

	deploy(t)
	await(t, patience, "upload is ready", func() bool {
		return field(t, "ksvc/upload", `{.status.conditions[?(@.type=="Ready")].status}`) == "True"
	})
	kubectl(t, "delete", "revision", bad) // its crashing pod uses resources that the next revision needs
	s.roll(t, "upload", "a good revision")
	s.completed(t, s.upload(t, photograph(t, 640, 480)))
	sent, failures := traffic.stop()
	t.Logf("%d requests meanwhile, %d failed", sent, len(failures))
	if len(failures) > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed, want none of at least 100: %q", len(failures), sent, failures)
	}
}

// traffic is a steady stream of requests.
type traffic struct {
	sent     atomic.Int64
	failures []string
	cancel   context.CancelFunc
	wait     sync.WaitGroup
}

// startTraffic sends requests to upload until the traffic is stopped or the test ends.
func (s *installation) startTraffic(t *testing.T) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{cancel: cancel}
	t.Cleanup(cancel)
	tr.wait.Go(func() {
		for ctx.Err() == nil {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil)
			if err != nil {
				panic(err) // cannot happen: the URL has been used before
			}
			response, err := s.http.Do(request)
			if ctx.Err() != nil {
				return
			}
			tr.sent.Add(1)
			if err != nil {
				tr.failures = append(tr.failures, err.Error())
			} else if response.Body.Close(); response.StatusCode != http.StatusOK {
				tr.failures = append(tr.failures, response.Status)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return tr
}

// stop returns the number of requests, and the errors of those that failed.
func (t *traffic) stop() (sent int64, failures []string) {
	t.cancel()
	t.wait.Wait()
	return t.sent.Load(), t.failures
}

// rotatePassword adds a second password to Redis, changes the Secret to it and rolls the functions, without an
// interruption. After the second password is removed they cannot use Redis, which shows that they used it.
func (s *installation) rotatePassword(t *testing.T) {
	t.Helper()
	admin, user := testservers.Redis(t, os.Getenv), cmp.Or(os.Getenv("CI_REDIS_USERNAME"), "default")
	second := fmt.Sprintf("second-%d", rand.Int())
	acl := func(rule string) {
		if err := admin.Do(context.Background(), "ACL", "SETUSER", user, rule).Err(); err != nil {
			t.Error(err)
		}
	}
	acl(">" + second)
	t.Cleanup(func() {
		// Fails if the password is already removed.
		admin.Do(context.Background(), "ACL", "SETUSER", user, "<"+second)
	})
	setCredentials(t, second)
	s.roll(t, "upload", "password")
	s.roll(t, "thumbnail", "password")
	s.completed(t, s.upload(t, photograph(t, 640, 480)))

	acl("<" + second)
	s.roll(t, "upload", "password is gone") // existing connections would stay authenticated
	await(t, patience, "upload reports that it cannot use Redis", func() bool {
		status, _ := s.do(t, http.MethodGet, s.url+"/ready", "", nil)
		return status == http.StatusServiceUnavailable
	})
	setCredentials(t, os.Getenv("REDIS_PASSWORD"))
	s.roll(t, "upload", "first password")
	s.roll(t, "thumbnail", "first password")
	s.completed(t, s.upload(t, photograph(t, 640, 480)))
}

// uninstalled checks that ko delete removes everything that ko apply created.
func (s *installation) uninstalled(t *testing.T) {
	t.Helper()
	withdraw(t)
	await(t, 5*time.Minute, "the namespace is gone", func() bool { return !exists(t, "namespace", namespace) })
	for _, kind := range []string{"ksvc", "revision", "broker", "trigger", "kafkasource", "pingsource", "pod"} {
		left := run(t, "", "kubectl", "get", kind, "--namespace", namespace, "--ignore-not-found", "--output=name")
		if left != "" {
			t.Errorf("not deleted: %s", left)
		}
	}
	keys := []string{}
	for _, id := range s.bucket.images(t) {
		keys = append(keys, "image:status:"+id)
	}
	if err := testservers.Redis(t, os.Getenv).Del(t.Context(), keys...).Err(); err != nil {
		t.Error(err)
	}
}

// upload uploads an image and returns its ID.
func (s *installation) upload(t *testing.T, photo []byte) (id string) {
	t.Helper()
	var answer struct {
		ImageID string `json:"image_id"`
	}
	body := s.ask(t, http.MethodPost, s.url+"/upload?filename=photo", "application/octet-stream", photo)
	if err := json.Unmarshal(body, &answer); err != nil || answer.ImageID == "" {
		t.Fatalf("upload answered %s, %v, want an image_id", body, err)
	}
	return answer.ImageID
}

func (s *installation) status(t *testing.T, id string) string {
	t.Helper()
	var answer struct{ Status string }
	if err := json.Unmarshal(s.get(t, s.url+"/status/"+id), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Status
}

// completed waits until an image is completed.
func (s *installation) completed(t *testing.T, id string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // within the rate limit of a client
		switch status := s.status(t, id); {
		case status == "completed":
			return
		case status == "failed" || time.Now().After(deadline):
			t.Fatalf("status of %s is %s, want completed\n%s", id, status, describe(t))
		}
	}
}

func newEvent(id, eventType string) event.Event {
	e := event.New()
	e.SetID(id)
	e.SetSource("/e2e/other-system")
	e.SetType(eventType)
	return e
}

// newScan returns an image.received that contains an image, as another system sends it.
func newScan(t *testing.T) event.Event {
	t.Helper()
	e := newEvent(fmt.Sprintf("scan-%d", rand.Int()), events.TypeImageReceived)
	e.SetSubject("scan.jpg")
	if err := e.SetData("image/jpeg", photograph(t, 640, 480)); err != nil {
		t.Fatal(err)
	}
	return e
}

// post sends an event to the Broker, as other systems do.
func (s *installation) post(t *testing.T, e event.Event) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.broker, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cehttp.WriteRequest(t.Context(), binding.ToMessage(&e), request); err != nil {
		t.Fatal(err)
	}
	response, err := s.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		t.Fatalf("the Broker answered %s to event %s, want 2xx", response.Status, e.ID())
	}
}

func (s *installation) get(t *testing.T, url string) []byte {
	t.Helper()
	return s.ask(t, http.MethodGet, url, "", nil)
}

// ask sends a request and returns the body of the answer, which must be 200.
func (s *installation) ask(t *testing.T, method, url, contentType string, body []byte) []byte {
	t.Helper()
	status, answer := s.do(t, method, url, contentType, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: got %d %s, want 200\n%s", method, url, status, answer, describe(t))
	}
	return answer
}

// do sends a request and returns the status code and the body of the answer.
func (s *installation) do(t *testing.T, method, url, contentType string, body []byte) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := s.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode, readAll(t, response)
}

func readAll(t *testing.T, response *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// photographs caches a photograph for each size.
var photographs sync.Map

// photograph returns a JPEG of a gradient with some noise.
func photograph(t *testing.T, width, height int) []byte {
	t.Helper()
	size := image.Pt(width, height)
	if cached, found := photographs.Load(size); found {
		return cached.([]byte)
	}
	m := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio420)
	for i := range m.Y {
		m.Y[i] = uint8(i%width*200/width) + uint8(rand.IntN(32))
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(i), 128
	}
	var content bytes.Buffer
	if err := jpeg.Encode(&content, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	photographs.Store(size, content.Bytes())
	return content.Bytes()
}

// drawing returns a PNG that is a small file but takes long to decode.
func drawing(t *testing.T, width, height int) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := png.Encode(&content, image.NewRGBA(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}
