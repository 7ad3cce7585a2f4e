//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
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
	"go.yaml.in/yaml/v3"
)

const (
	// Pulling images, starting what was never started.
	deployWithin = 5 * time.Minute
	// The autoscaler's window, Kubernetes' patience, queue-proxy's 30 s.
	zeroWithin = 5 * time.Minute
	// From the request, or the event, that finds no pod to its answer.
	backWithin = 3 * time.Second
	// Whatever has to come to an end by itself.
	patience = 2 * time.Minute
)

// installation is the service as the documented commands deploy it.
type installation struct {
	http        *http.Client
	bucket      bucket
	url         string // of upload
	broker      string
	deadLetters string
}

// The life of a deployment, in one order.
func TestOnKnative(t *testing.T) {
	for _, name := range needed {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set; the package's documentation says what is needed", name)
		}
	}
	s := install(t)
	for _, chapter := range []struct {
		name string
		try  func(*installation, *testing.T)
	}{
		{"an upload goes all the way", (*installation).wholeWay},
		{"nothing runs when nothing is to do, and the next event is done", (*installation).fromZero},
		{"another system sends an event", (*installation).foreignEvent},
		{"a pod is killed at work", (*installation).killedAtWork},
		{"an event that can not be delivered", (*installation).deadLetter},
		{"a broken revision", (*installation).brokenRevision},
		{"another password", (*installation).newPassword},
		{"HTTPS", (*installation).https},
		{"API keys", (*installation).apiKeys},
	} {
		if !t.Run(chapter.name, func(t *testing.T) { chapter.try(s, t) }) {
			t.FailNow() // what follows stands on it
		}
	}
	t.Run("everything is deleted", s.deleted)
}

// install does what docs/operations/install.md says, for servers that are where the manifests say.
func install(t *testing.T) *installation {
	t.Helper()
	if exists(t, "namespace", namespace) {
		t.Fatalf("the namespace %s is there: this cluster is in use", namespace)
	}
	config := configOf(t)
	alias(t, config["MINIO_ENDPOINT"], podAddress("MINIO_ENDPOINT"))
	alias(t, config["REDIS_HOST"]+":"+config["REDIS_PORT"], podAddress("REDIS_HOST")+":"+os.Getenv("REDIS_PORT"))
	alias(t, config["KAFKA_BOOTSTRAP_SERVERS"], podAddress("KAFKA_BOOTSTRAP_SERVERS"))
	makeTopics(t, config["KAFKA_TOPIC"], config["KAFKA_DEAD_LETTER_TOPIC"])
	s := &installation{http: client(t, nil), bucket: takeBucket(t, config["MINIO_BUCKET"])}

	t.Cleanup(func() { uninstall(t) })
	kubectl(t, "create", "namespace", namespace)
	setSecret(t, os.Getenv("REDIS_PASSWORD"))
	began := time.Now()
	run(t, "", "ko", "apply", "--filename", "knative/")
	t.Logf("ko apply took %s", took(began))
	awaitReady(t)
	s.url = field(t, "ksvc/upload", "{.status.url}")
	s.broker = field(t, "broker/images", "{.status.address.url}")
	s.deadLetters = field(t, "ksvc/dead-letters", "{.status.url}")
	return s
}

// configOf is what the manifests tell the functions.
func configOf(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../200-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	return config.Data
}

// setSecret makes or changes the secret. It goes by standard input, because a command line is seen by everybody.
func setSecret(t *testing.T, redisPassword string) {
	t.Helper()
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]string{"name": "image-service-secret", "namespace": namespace},
		"stringData": map[string]string{
			"MINIO_ACCESS_KEY": os.Getenv("MINIO_ACCESS_KEY"), "MINIO_SECRET_KEY": os.Getenv("MINIO_SECRET_KEY"), "REDIS_PASSWORD": redisPassword,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(secret))
}

func awaitReady(t *testing.T) {
	t.Helper()
	await(t, deployWithin, "everything is ready", func() bool {
		objects := kubectl(t, "get", "ksvc,broker,trigger,kafkasource,pingsource", "--output=jsonpath={range .items[*]}{.kind}/{.metadata.name}="+
			`{.status.conditions[?(@.type=="Ready")].status} {end}`)
		words := strings.Fields(objects)
		return len(words) >= 8 && !slices.ContainsFunc(words, func(word string) bool { return !strings.HasSuffix(word, "=True") })
	})
}

// uninstall is for a test that failed; one that did not has nothing left.
func uninstall(t *testing.T) {
	ctx := context.Background() // the test's is over
	if _, err := try(ctx, root(t), "", "kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--timeout=5m"); err != nil {
		t.Error(err)
	}
}

// wholeWay: POST, Kafka, KafkaSource, Broker, Trigger, thumbnail, and the status says so.
func (s *installation) wholeWay(t *testing.T) {
	before := recordsOn(t, configOf(t)["KAFKA_TOPIC"])
	began := time.Now()
	id := s.upload(t, photograph(t, 1600, 1200))
	uploaded := took(began)
	s.completed(t, id)
	t.Logf("uploaded in %s, completed in %s", uploaded, took(began))
	if got := recordsOn(t, configOf(t)["KAFKA_TOPIC"]) - before; got != 1 {
		t.Errorf("%d records came to the topic, want 1", got)
	}
	thumbnail, err := jpeg.Decode(bytes.NewReader(s.get(t, s.url+"/thumbnails/"+id)))
	if err != nil || thumbnail.Bounds().Size() != image.Pt(200, 150) {
		t.Errorf("the thumbnail is %v, %v", thumbnail, err)
	}
}

// fromZero: both functions have no pod; one upload brings back upload, and its event thumbnail. What else the machine does
// only adds to how long that takes, so it has three tries. The PingSource, which wakes upload, rests meanwhile.
func (s *installation) fromZero(t *testing.T) {
	schedule := func(cron string) {
		patch(t, "pingsource/image-sweep", map[string]any{"spec": map[string]any{"schedule": cron}})
	}
	schedule("0 0 1 1 *")
	defer schedule("*/15 * * * *")
	photo := photograph(t, 1600, 1200)
	for try := 1; ; try++ {
		s.awaitZero(t)
		began := time.Now()
		id := s.upload(t, photo)
		uploaded := took(began)
		began = time.Now()
		s.completed(t, id)
		thumbnailed := took(began)
		t.Logf("from no pod: uploaded in %s, completed %s later", uploaded, thumbnailed)
		if uploaded < backWithin && thumbnailed < backWithin {
			return
		}
		if try == 3 {
			t.Fatalf("each should take less than %s", backWithin)
		}
	}
}

func (s *installation) awaitZero(t *testing.T) {
	t.Helper()
	await(t, zeroWithin, "no pod is left", func() bool { return len(pods(t, "upload"))+len(pods(t, "thumbnail")) == 0 })
}

// pods are the names of a service's pods.
func pods(t *testing.T, service string) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "pods", "--selector=serving.knative.dev/service="+service, "--output=jsonpath={.items[*].metadata.name}"))
}

// foreignEvent: an image in the event itself, by HTTP to the Broker, twice.
func (s *installation) foreignEvent(t *testing.T) {
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
		t.Fatalf("one event, sent twice, made the images %q", ids)
	}
	s.completed(t, ids[0])
}

// killedAtWork: many large images wait, and one is being worked on, when the pod is killed; all are completed.
func (s *installation) killedAtWork(t *testing.T) {
	const images = 20
	content := drawing(t, 6000, 6000)
	ids := make([]string, images)
	var uploads sync.WaitGroup
	for i := range ids {
		uploads.Go(func() { ids[i] = s.upload(t, content) })
	}
	uploads.Wait()
	await(t, patience, "one is being worked on", func() bool { return s.count(t, ids, "processing") > 0 })
	victims := pods(t, "thumbnail")
	kubectl(t, append([]string{"delete", "pod", "--grace-period=0", "--force"}, victims...)...)
	left := images - s.count(t, ids, "completed")
	t.Logf("killed %d pods with %d of %d images not completed", len(victims), left, images)
	if left == 0 {
		t.Error("all were completed before")
	}
	await(t, 8*time.Minute, "all are completed", func() bool { return s.count(t, ids, "completed") == images })
	if waiting := s.letters(t); waiting.Waiting != 0 {
		t.Errorf("dead letters %+v", waiting)
	}
}

// count is how many of the images have a status.
func (s *installation) count(t *testing.T, ids []string, want string) (count int) {
	t.Helper()
	for _, id := range ids {
		if s.status(t, id) == want {
			count++
		}
	}
	return count
}

// deadLetter: an event that names a bucket which upload may not read from is kept, with the reason; when the setting is
// mended and the event put back, it is done. One that is no good at all comes back.
func (s *installation) deadLetter(t *testing.T) {
	source := fmt.Sprintf("incoming-%d", rand.Int())
	incoming := takeBucket(t, source)
	if err := incoming.fill(t, "scan.jpg", photograph(t, 640, 480)); err != nil {
		t.Fatal(err)
	}
	before := s.bucket.images(t)
	scan := newEvent("scan", events.TypeImageReceived)
	scan.SetSource("/scanner/" + source)
	if err := scan.SetData(event.ApplicationJSON, events.ImageReceived{Bucket: source, ObjectName: "scan.jpg"}); err != nil {
		t.Fatal(err)
	}
	poison := newEvent("poison", events.TypeImageUploaded)
	if err := poison.SetData(event.ApplicationJSON, map[string]string{"image_id": "none"}); err != nil {
		t.Fatal(err)
	}
	s.post(t, scan)
	s.post(t, poison)
	await(t, patience, "both are dead letters", func() bool { return s.letters(t).Waiting == 2 })
	for _, l := range s.letters(t).Letters {
		t.Logf("%s %s: %s answered %s %s", l.Type, l.ID, l.Subscriber, l.Code, l.Answer)
		if l.Code != "400" || l.Subscriber == "" || l.Answer == "" {
			t.Errorf("the letter does not say why it is one: %+v", l)
		}
	}

	patch(t, "configmap/image-service-config", map[string]any{"data": map[string]any{"SOURCE_BUCKETS": source}})
	s.roll(t, "upload", "source-buckets")
	var answer struct{ Redriven, Waiting int }
	if err := json.Unmarshal(s.ask(t, http.MethodPost, s.deadLetters+"/redrive", "", nil), &answer); err != nil || answer.Redriven != 2 {
		t.Fatalf("redriven %+v, %v", answer, err)
	}
	var ids []string
	await(t, patience, "what was put back is stored", func() bool {
		ids = slices.DeleteFunc(s.bucket.images(t), func(id string) bool { return slices.Contains(before, id) })
		return len(ids) == 1
	})
	s.completed(t, ids[0])
	await(t, patience, "what is no good has come back", func() bool {
		waiting := s.letters(t)
		return waiting.Waiting == 1 && waiting.Letters[0].ID == "poison"
	})
	patch(t, "configmap/image-service-config", map[string]any{"data": map[string]any{"SOURCE_BUCKETS": nil}})
}

func (b bucket) fill(t *testing.T, key string, content []byte) error {
	t.Helper()
	if err := b.MakeBucket(t.Context(), b.name, minio.MakeBucketOptions{}); err != nil {
		return err
	}
	_, err := b.PutObject(t.Context(), b.name, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{})
	return err
}

// letters is what dead-letters lists.
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

// roll makes a new revision of a service, which reads its settings anew, and waits until it has all of the traffic.
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
	patch(t, "ksvc/"+service, map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}}}})
}

// brokenRevision: one that can not start gets no request, and neither it nor the next good one costs any.
func (s *installation) brokenRevision(t *testing.T) {
	good := field(t, "ksvc/upload", "{.status.latestReadyRevisionName}")
	traffic := s.askAllTheTime(t)

	run(t, "", "kubectl", "--namespace", namespace, "patch", "ksvc/upload", "--type=json", "--patch",
		`[{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "MAX_UPLOAD_BYTES", "value": "much"}}]`)
	var bad string
	await(t, patience, "the new revision could not start", func() bool {
		bad = field(t, "ksvc/upload", "{.status.latestCreatedRevisionName}")
		restarts := kubectl(t, "get", "pods", "--selector=serving.knative.dev/revision="+bad,
			`--output=jsonpath={.items[*].status.containerStatuses[?(@.name=="user-container")].restartCount}`)
		return bad != good && restarts >= "1"
	})
	t.Log(strings.TrimSpace(kubectl(t, "logs", "--selector=serving.knative.dev/revision="+bad, "--container=user-container", "--tail=1")))
	if got := field(t, "ksvc/upload", "{.status.traffic[*].revisionName}"); got != good {
		t.Errorf("traffic goes to %s, want %s alone", got, good)
	}
	s.completed(t, s.upload(t, photograph(t, 640, 480)))

	run(t, "", "ko", "apply", "--filename", "knative/300-upload.yaml") // back, as one would
	await(t, patience, "upload is ready", func() bool {
		return field(t, "ksvc/upload", `{.status.conditions[?(@.type=="Ready")].status}`) == "True"
	})
	kubectl(t, "delete", "revision", bad) // its pod goes on crashing, and takes the room of others
	s.roll(t, "upload", "a good revision")
	s.completed(t, s.upload(t, photograph(t, 640, 480)))
	asked, faults := traffic.stop()
	t.Logf("%d requests meanwhile, %d failed", asked, len(faults))
	if len(faults) > 0 || asked < 100 {
		t.Errorf("of %d requests failed: %q", asked, faults)
	}
}

// traffic is requests that come all the time.
type traffic struct {
	asked  atomic.Int64
	faults []string
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func (s *installation) askAllTheTime(t *testing.T) *traffic {
	ctx, cancel := context.WithCancel(t.Context())
	tr := &traffic{cancel: cancel}
	t.Cleanup(cancel)
	tr.wait.Go(func() {
		for ctx.Err() == nil {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil)
			if err != nil {
				panic(err) // an address that has worked
			}
			response, err := s.http.Do(request)
			if ctx.Err() != nil {
				return
			}
			tr.asked.Add(1)
			if err != nil {
				tr.faults = append(tr.faults, err.Error())
			} else if response.Body.Close(); response.StatusCode != http.StatusOK {
				tr.faults = append(tr.faults, response.Status)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return tr
}

func (t *traffic) stop() (asked int64, faults []string) {
	t.cancel()
	t.wait.Wait()
	return t.asked.Load(), t.faults
}

// newPassword: Redis gets a second password, the secret is changed to it and the functions are rolled, without a break;
// when the second password is gone, so are they, which shows that they used it.
func (s *installation) newPassword(t *testing.T) {
	admin := redisClient(t, os.Getenv("REDIS_PASSWORD"))
	second := fmt.Sprintf("second-%d", rand.Int())
	acl := func(rule string) {
		if err := admin.Do(context.Background(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			t.Error(err)
		}
	}
	acl(">" + second)
	t.Cleanup(func() { admin.Do(context.Background(), "ACL", "SETUSER", "default", "<"+second) }) // an error: it is gone
	setSecret(t, second)
	s.roll(t, "upload", "password")
	s.roll(t, "thumbnail", "password")
	s.completed(t, s.upload(t, photograph(t, 640, 480)))

	acl("<" + second)
	s.roll(t, "upload", "password is gone") // connections that are there would stay
	await(t, patience, "upload says that it can not use Redis", func() bool {
		status, _ := s.do(t, http.MethodGet, s.url+"/ready", "", nil)
		return status == http.StatusServiceUnavailable
	})
	setSecret(t, os.Getenv("REDIS_PASSWORD"))
	s.roll(t, "upload", "first password")
	s.roll(t, "thumbnail", "first password")
	s.completed(t, s.upload(t, photograph(t, 640, 480)))
}

// deleted: what ko applied, ko deletes, and nothing stays.
func (s *installation) deleted(t *testing.T) {
	run(t, "", "ko", "delete", "--filename", "knative/")
	await(t, 5*time.Minute, "the namespace is gone", func() bool { return !exists(t, "namespace", namespace) })
	for _, kind := range []string{"ksvc", "revision", "broker", "trigger", "kafkasource", "pingsource", "pod"} {
		if left := run(t, "", "kubectl", "get", kind, "--namespace", namespace, "--ignore-not-found", "--output=name"); left != "" {
			t.Errorf("left: %s", left)
		}
	}
	keys := []string{}
	for _, id := range s.bucket.images(t) {
		keys = append(keys, "image:status:"+id)
	}
	if err := redisClient(t, os.Getenv("REDIS_PASSWORD")).Del(t.Context(), keys...).Err(); err != nil {
		t.Error(err)
	}
}

// What a client does.

func (s *installation) upload(t *testing.T, photo []byte) (id string) {
	t.Helper()
	var answer struct {
		ImageID string `json:"image_id"`
	}
	body := s.ask(t, http.MethodPost, s.url+"/upload?filename=photo", "application/octet-stream", photo)
	if err := json.Unmarshal(body, &answer); err != nil || answer.ImageID == "" {
		t.Fatalf("uploaded: %s, %v", body, err)
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

func (s *installation) completed(t *testing.T, id string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // no oftener than a client may
		switch status := s.status(t, id); {
		case status == "completed":
			return
		case status == "failed" || time.Now().After(deadline):
			t.Fatalf("%s is %s\n%s", id, status, describe(t))
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

// newScan is an image that another system brings in an event.
func newScan(t *testing.T) event.Event {
	t.Helper()
	e := newEvent(fmt.Sprintf("scan-%d", rand.Int()), events.TypeImageReceived)
	e.SetSubject("scan.jpg")
	if err := e.SetData("image/jpeg", photograph(t, 640, 480)); err != nil {
		t.Fatal(err)
	}
	return e
}

// post sends an event to the Broker, as another system does.
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
		t.Fatalf("the Broker answered %s to %s", response.Status, e.ID())
	}
}

func (s *installation) get(t *testing.T, url string) []byte {
	t.Helper()
	return s.ask(t, http.MethodGet, url, "", nil)
}

// ask wants a 200.
func (s *installation) ask(t *testing.T, method, url, contentType string, body []byte) []byte {
	t.Helper()
	status, answer := s.do(t, method, url, contentType, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %s\n%s", method, url, status, answer, describe(t))
	}
	return answer
}

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

// photographs are made once for each size.
var photographs sync.Map

// photograph is a JPEG with some noise, as a sensor's.
func photograph(t *testing.T, width, height int) []byte {
	t.Helper()
	size := image.Pt(width, height)
	if made, there := photographs.Load(size); there {
		return made.([]byte)
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

// drawing is a PNG that is small as a file and takes long to read.
func drawing(t *testing.T, width, height int) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := png.Encode(&content, image.NewRGBA(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}
