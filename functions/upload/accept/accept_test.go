package accept

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/upload/grant"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

// testRelay queues images, and returns an error or announces them.
type testRelay struct {
	outbox    *outbox.Outbox
	err       error
	announced []events.ImageUploaded
}

func (r *testRelay) AnnounceUpload(
	ctx context.Context, _ string, image events.ImageUploaded,
) (outbox.Token, error) {
	token, err := r.outbox.Queue(ctx, image.ImageID)
	if err != nil {
		return token, err
	}
	r.announced = append(r.announced, image)
	return token, r.err
}

func (r *testRelay) Unlist(context.Context, string, string) {}

// anyStore is a gate that lets images into any store.
type anyStore struct{}

func (anyStore) Pass(context.Context) error { return nil }

// testAcceptor is an Acceptor with its relay.
type testAcceptor struct {
	*Acceptor
	relay *testRelay
	redis redis.UniversalClient
}

func open(t *testing.T) testAcceptor {
	t.Helper()
	return openWith(t, testservers.StartStores(t))
}

func openWith(t *testing.T, getenv func(string) string) testAcceptor {
	t.Helper()
	r := config.NewReader(getenv)
	settings := imagestore.ReadSettings(r)
	settings.Memory = 32 << 20
	images, err := imagestore.Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	client := connect.OpenRedis(connect.ReadRedis(r))
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	relay := &testRelay{outbox: outbox.New(client, images.Bucket(), func(err error) { t.Error(err) })}
	limits, log := Limits{Bytes: 100_000, Limits: raster.Limits{Pixels: 10_000}}, slog.New(slog.DiscardHandler)
	acceptor := New(Backends{anyStore{}, &quota.Quota{}, &grant.Ledger{}, images, relay, relay.outbox}, limits, log)
	return testAcceptor{acceptor, relay, client}
}

// queued reports whether an image is in the outbox.
func (a testAcceptor) queued(t *testing.T, imageID string) bool {
	t.Helper()
	err := a.redis.ZScore(t.Context(), "image:outbox:"+connect.Tagged(a.redis, a.Images.Bucket()), imageID).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return err == nil
}

func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// newCandidate is a candidate that no other request can have sent.
func newCandidate(content []byte) Candidate {
	return Candidate{
		ImageID: uuid.NewString(), New: true, Body: bytes.NewReader(content), Size: int64(len(content)), Filename: "a.png",
	}
}

// stored returns the key of the original of an image; "" if there is none.
func (a testAcceptor) stored(t *testing.T, imageID string) string {
	t.Helper()
	objects, err := a.Images.Find(t.Context(), imageID)
	if err != nil {
		t.Fatal(err)
	}
	if objects.Original == nil {
		return ""
	}
	return objects.Original.Key
}

func TestAccept(t *testing.T) {
	t.Parallel()
	a := open(t)
	content := pngOf(t, 30, 20)
	c := newCandidate(content)
	got, err := a.Accept(t.Context(), c)
	want := events.ImageUploaded{
		ImageID: c.ImageID, Bucket: a.Images.Bucket(), ObjectName: c.ImageID + "/a.png", Filename: "a.png",
		Size: int64(len(content)), ContentType: "image/png", Width: 30, Height: 20, Timestamp: got.Timestamp,
	}
	if err != nil || got != want || got.Timestamp == 0 {
		t.Errorf("Accept() = %+v, %v; want %+v", got, err, want)
	}
	if len(a.relay.announced) != 1 || a.relay.announced[0] != got {
		t.Errorf("announced %+v, want %+v", a.relay.announced, got)
	}
	if key := a.stored(t, c.ImageID); key != want.ObjectName {
		t.Errorf("stored %q, want %q", key, want.ObjectName)
	}
}

// Whether an image stays whose announcement failed.
func TestAcceptRollsBack(t *testing.T) {
	t.Parallel()
	a := open(t)
	for name, test := range map[string]struct {
		isNew bool
		err   error
		stays bool
	}{
		"new":                           {true, errors.New("the broker is down"), false},
		"new, and the event may arrive": {true, publisher.ErrUncertain, true},
		"sent before":                   {false, errors.New("the broker is down"), true},
	} {
		t.Run(name, func(t *testing.T) {
			a.relay.err = test.err
			c := newCandidate(pngOf(t, 30, 20))
			c.New = test.isNew
			if _, err := a.Accept(t.Context(), c); !errors.Is(err, test.err) {
				t.Errorf("Accept() = %v, want %v", err, test.err)
			}
			if key := a.stored(t, c.ImageID); (key != "") != test.stays {
				t.Errorf("stored %q, want it to stay: %v", key, test.stays)
			}
			if queued := a.queued(t, c.ImageID); queued != test.stays {
				t.Errorf("in the outbox: %v, want %v", queued, test.stays)
			}
		})
	}
}

// Of two candidates with one ID, the one that was stored first counts, whatever their filenames.
func TestAcceptResolvesRaces(t *testing.T) {
	t.Parallel()
	a := open(t)
	first := newCandidate(pngOf(t, 30, 20))
	first.New = false
	if _, err := a.Accept(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, filename := range []string{"a.png", "b.png"} {
		t.Run(filename, func(t *testing.T) {
			c := newCandidate(pngOf(t, 40, 20))
			c.ImageID, c.New, c.Filename = first.ImageID, false, filename
			if got, err := a.Accept(t.Context(), c); !errors.Is(err, imagestore.ErrExists) {
				t.Errorf("Accept() = %+v, %v; want ErrExists", got, err)
			}
			if key := a.stored(t, first.ImageID); key != first.ImageID+"/a.png" {
				t.Errorf("stored %q, want the first image", key)
			}
		})
	}
}

func TestAcceptRefuses(t *testing.T) {
	t.Parallel()
	a := open(t)
	broken := errors.New("the connection is broken")
	tall := pngOf(t, 101, 100)
	missing := &Object{Bucket: "scans-" + uuid.NewString(), Key: "a.png"}
	hidden := &Object{Bucket: a.Images.Bucket(), Key: "hidden.png", Hidden: true}
	if err := a.Images.Put(t.Context(), hidden.Key, pngOf(t, 9, 9), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	large := append(pngOf(t, 9, 9), make([]byte, 100_000)...)
	for name, test := range map[string]struct {
		body   io.Reader
		size   int64
		object *Object
		status int
		code   string
	}{
		"not an image":      {strings.NewReader("I am text"), 9, nil, http.StatusUnsupportedMediaType, "not_an_image"},
		"cut":               {bytes.NewReader(pngOf(t, 9, 9)[:20]), 20, nil, http.StatusUnprocessableEntity, "damaged"},
		"too many pixels":   {bytes.NewReader(tall), -1, nil, http.StatusUnprocessableEntity, "too_many_pixels"},
		"too large":         {http.NoBody, 100_001, nil, http.StatusRequestEntityTooLarge, "too_many_bytes"},
		"too large, unsaid": {bytes.NewReader(large), -1, nil, http.StatusRequestEntityTooLarge, "too_many_bytes"},
		"empty":             {strings.NewReader(""), 0, nil, http.StatusBadRequest, "not_an_image"},
		"missing object":    {nil, 0, missing, http.StatusNotFound, "object_not_found"},
		"hidden object":     {nil, 0, hidden, http.StatusNotFound, "object_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCandidate(nil)
			c.Body, c.Size, c.Object = test.body, test.size, test.object
			_, err := a.Accept(t.Context(), c)
			var refused *apierror.Error
			if !errors.As(err, &refused) || refused.Status != test.status || refused.Code != test.code {
				t.Errorf("Accept() = %+v, want %d %s", err, test.status, test.code)
			}
			if notYet := errors.Is(err, ErrNotYet); notYet != (test.object == missing) {
				t.Errorf("Accept() = %v, which wraps ErrNotYet: %t", err, notYet)
			}
			if key := a.stored(t, c.ImageID); key != "" {
				t.Errorf("stored %q, want nothing", key)
			}
		})
	}
	t.Run("broken body", func(t *testing.T) {
		c := newCandidate(nil)
		c.Body, c.Size = io.MultiReader(bytes.NewReader(pngOf(t, 9, 9)), brokenReader{broken}), -1
		if _, err := a.Accept(t.Context(), c); !errors.Is(err, broken) {
			t.Errorf("Accept() = %v, want the error of the body", err)
		}
	})
	if len(a.relay.announced) != 0 {
		t.Errorf("announced %+v, want nothing", a.relay.announced)
	}
}

type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }

// A new image of a plain name is accepted without a listing. Others are confirmed: those that another request may have
// stored, and those whose name some store may not list.
func TestConfirmed(t *testing.T) {
	t.Parallel()
	getenv, counts := testservers.Count(t, testservers.StartStores(t))
	a := openWith(t, getenv)
	for name, test := range map[string]struct {
		filename string
		isNew    bool
		want     int
	}{
		"new":                     {"a.png", true, 0},
		"new, of an unusual name": {"ä__XLDIR__.png", true, 1},
		"of an event":             {"a.png", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			counts.Take()
			c := newCandidate(pngOf(t, 8, 8))
			c.Filename, c.New = test.filename, test.isNew
			if _, err := a.Accept(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if got, _ := counts.Take(); got["LIST"] != test.want {
				t.Errorf("got %v, want %d listings", got, test.want)
			}
		})
	}
}
