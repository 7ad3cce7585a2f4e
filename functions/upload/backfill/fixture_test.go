package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// document configures two renditions beside the thumbnail.
const document = "renditions: {card: {width: 64, format: jpeg}, hero: {width: 128, format: [webp, jpeg]}}"

// A bucket has images, and servers around it.
type bucket struct {
	t        testing.TB
	getenv   func(string) string
	images   *imagestore.Store
	statuses *status.Store
	set      *rendition.Set
	broker   *broker
}

// A broker is the sink that events are published to.
type broker struct {
	sync.Mutex
	refuse func(requests int) bool // nil for none
	count  int
	events []event.Event
}

// ServeHTTP takes an event.
func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.Lock()
	defer b.Unlock()
	b.count++
	if b.refuse != nil && b.refuse(b.count) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	e, err := cloudevent.Receive(w, r, cloudevent.MaxEvent)
	if err != nil {
		panic(err)
	}
	b.events = append(b.events, e)
	w.WriteHeader(http.StatusAccepted)
}

// announced returns what was asked for, by image.
func (b *bucket) announced() map[string][]events.ImageRender {
	b.t.Helper()
	b.broker.Lock()
	defer b.broker.Unlock()
	all := map[string][]events.ImageRender{}
	for _, e := range b.broker.events {
		request, err := events.Decode[events.ImageRender](e)
		if err != nil {
			b.t.Fatal(err)
		}
		all[request.ImageID] = append(all[request.ImageID], request)
	}
	return all
}

func open(tb testing.TB, settings ...string) *bucket {
	tb.Helper()
	b := &bucket{t: tb, broker: &broker{}}
	sink := httptest.NewServer(b.broker)
	tb.Cleanup(sink.Close)
	own := []string{"K_SINK=" + sink.URL, "RENDITIONS=" + document, testservers.As("image-upload")}
	settings = append(own, settings...)
	b.getenv = testservers.Start(tb, settings...)
	r := config.NewReader(b.getenv)
	s := readSettings(r)
	if err := r.Err(); err != nil {
		tb.Fatal(err)
	}
	images, err := imagestore.Open(s.images)
	if err != nil {
		tb.Fatal(err)
	}
	client := connect.OpenRedis(s.redis)
	tb.Cleanup(func() { client.Close() })
	b.images, b.statuses, b.set = images, status.New(client, images), s.renditions
	return b
}

// openBehind is open with a handler before a fake store.
func openBehind(
	tb testing.TB, spoil func(w http.ResponseWriter, r *http.Request, next http.Handler), settings ...string,
) *bucket {
	tb.Helper()
	store := testservers.S3(tb)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { spoil(w, r, store) }))
	tb.Cleanup(server.Close)
	return open(tb, append(settings, "MINIO_ENDPOINT="+server.Listener.Addr().String(), "MINIO_CA_FILE=")...)
}

// run runs the command, and returns its lines.
func (b *bucket) run(arguments ...string) (good bool, lines []string, err error) {
	b.t.Helper()
	return b.runWith(b.getenv, arguments...)
}

func (b *bucket) runWith(
	getenv func(string) string, arguments ...string,
) (good bool, lines []string, err error) {
	b.t.Helper()
	var out bytes.Buffer
	c := console{in: strings.NewReader(""), out: &out, progress: io.Discard}
	good, err = realMain(b.t.Context(), arguments, getenv, c)
	return good, strings.Split(strings.TrimSpace(out.String()), "\n"), err
}

// id returns the ID of the i-th image in the order of a walk.
func id(i int) string { return fmt.Sprintf("%02x%s", i, uuid.NewString()[2:]) }

// store stores an original, if it is not there.
func (b *bucket) store(imageID string) (key string) {
	b.t.Helper()
	key = imagestore.OriginalKey(imageID, "a.jpg")
	err := b.images.Put(b.t.Context(), key, []byte("x"), imagestore.Attributes{ContentType: "image/jpeg"})
	if err != nil && !errors.Is(err, imagestore.ErrExists) {
		b.t.Fatal(err)
	}
	return key
}

func (b *bucket) put(key string, attributes imagestore.Attributes) {
	b.t.Helper()
	if err := b.images.Put(b.t.Context(), key, []byte("x"), attributes); err != nil {
		b.t.Fatal(err)
	}
}

// complete stores an image with its thumbnail and renditions of a set, as the thumbnail function does.
func (b *bucket) complete(imageID string, set *rendition.Set, names ...string) {
	b.t.Helper()
	original := b.store(imageID)
	var files []status.File
	for _, name := range names {
		for _, format := range set.Find(name).Formats {
			made := raster.Rendition{Format: raster.Format(format), Bytes: []byte(name), Width: 8, Height: 8, Frames: 1}
			files = append(files, status.File{Name: name, Hash: set.Find(name).Hash, Rendition: made})
		}
	}
	if _, err := b.statuses.RecordRenditions(b.t.Context(), imageID, original, files); err != nil {
		b.t.Fatal(err)
	}
	final := status.Status{ImageID: imageID, State: status.Completed, ProcessedAt: 1, Result: &status.Result{
		Success: true, OriginalSize: &status.Size{8, 8}, ThumbnailSize: &status.Size{8, 8},
	}}
	thumbnail := &status.File{Name: rendition.Thumbnail}
	thumbnail.Format, thumbnail.Bytes = raster.JPEG, []byte("x")
	if _, err := b.statuses.Record(b.t.Context(), original, final, thumbnail); err != nil {
		b.t.Fatal(err)
	}
}

// keys returns those of all objects.
func (b *bucket) keys() (keys []string) {
	b.t.Helper()
	client := testservers.MinIO(b.t, b.getenv)
	for object := range client.ListObjects(b.t.Context(), b.images.Bucket(), minio.ListObjectsOptions{Recursive: true}) {
		if object.Err != nil {
			b.t.Fatal(object.Err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}

// record returns the first record of the topic that a setting names.
func (b *bucket) record(topic string) *sarama.ConsumerMessage {
	b.t.Helper()
	brokers, config := testservers.Kafka(b.t, b.getenv)
	consumer, err := sarama.NewConsumer(brokers, config)
	if err != nil {
		b.t.Fatal(err)
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(b.getenv(topic))
	if err != nil {
		b.t.Fatal(err)
	}
	records := make(chan *sarama.ConsumerMessage, len(partitions))
	for _, partition := range partitions {
		reader, err := consumer.ConsumePartition(b.getenv(topic), partition, sarama.OffsetOldest)
		if err != nil {
			b.t.Fatal(err)
		}
		defer reader.Close()
		go func() {
			if record := <-reader.Messages(); record != nil {
				records <- record
			}
		}()
	}
	return <-records
}

// fileExists reports whether there is a file.
func fileExists(tb testing.TB, path string) bool {
	tb.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return err == nil
}

// expect compares the lines of a run.
func expect(tb testing.TB, lines []string, want ...string) {
	tb.Helper()
	if !slices.Equal(lines, want) {
		tb.Errorf("got lines\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}
