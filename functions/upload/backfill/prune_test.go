package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/ondemand"
)

// before is a set that had another card, and a poster.
func before(tb testing.TB) *rendition.Set {
	tb.Helper()
	set, err := rendition.Parse([]byte(`renditions:
  thumbnail: {width: 300, height: 300}
  card: {width: 32, format: jpeg}
  poster: {width: 50, format: png}`))
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// aged has images of which some renditions are gone. It returns the keys that are to go, and the others.
func aged(b *bucket) (gone, others []string) {
	b.t.Helper()
	old := before(b.t)
	oldCard, poster := "/card~"+old.Find("card").Hash+"_a.jpg.jpg", "/poster~"+old.Find("poster").Hash+"_a.jpg.png"
	both, onlyOld, foreign := id(0), id(1), id(2)

	b.complete(both, old, "card", "poster")
	b.complete(both, b.set, "card", "hero")
	b.complete(onlyOld, old, "card", "poster")
	gone = []string{both + oldCard, both + poster, onlyOld + poster}

	b.complete(foreign, b.set, "card", "hero")
	b.put(foreign+oldCard, imagestore.Attributes{ContentType: "image/jpeg"})               // by another program
	b.put(foreign+"/card~00000000_other.jpg.jpg", imagestore.Attributes{})                 // of another original
	b.put(id(3)+poster, imagestore.Attributes{Metadata: map[string]string{"Size": "8x8"}}) // without an original
	lone := id(4)
	b.put(lone+"/card~00000000_photo.jpg", imagestore.Attributes{ContentType: "image/jpeg"}) // an original
	b.put(lone+"/thumbnail_card~00000000_photo.jpg", imagestore.Attributes{ContentType: "image/jpeg"})
	failed := id(5)
	original := b.store(failed)
	if _, err := b.statuses.Fail(b.t.Context(), failed, original, events.Cause{}, "damaged", "broken"); err != nil {
		b.t.Fatal(err)
	}
	b.put(failed+poster, imagestore.Attributes{Metadata: map[string]string{"Size": "8x8"}})
	for _, key := range b.keys() {
		if !slices.Contains(gone, key) {
			others = append(others, key)
		}
	}
	return gone, others
}

// Only renditions of this service that no image needs any more are removed.
func TestPrune(t *testing.T) {
	t.Parallel()
	b := open(t)
	gone, others := aged(b)
	all := b.keys()

	good, lines, err := b.run("--prune", "--dry-run")
	if good || err != nil || !slices.Equal(b.keys(), all) {
		t.Errorf("dry run: got %v, %v, and objects %q; want false, and all objects", good, err, b.keys())
	}
	for _, key := range gone {
		if !slices.Contains(lines, "would be removed: "+key) {
			t.Errorf("got lines %q, want that %s would be removed", lines, key)
		}
	}

	good, lines, err = b.run("--prune", "--yes")
	if got := b.keys(); !good || err != nil || !slices.Equal(got, others) {
		t.Errorf("prune() = %v, %q, %v; left %q, want %q", good, lines, err, got, others)
	}
	want := "6 images: 3 objects removed, 2 are kept until there is a current one, 1 are not of this service; " +
		"0 images are unknown"
	if sum := lines[len(lines)-1]; sum != want {
		t.Errorf("got %q, want %q", sum, want)
	}
	good, lines, err = b.run("--prune", "--yes")
	if !good || err != nil || !strings.Contains(lines[0], " 0 objects removed") {
		t.Errorf("again: got %v, %q, %v; want nothing to do", good, lines, err)
	}
}

// A status does not name what was removed, whatever Redis had.
func TestPruneStatus(t *testing.T) {
	t.Parallel()
	b := open(t)
	imageID, old := id(0), before(t)
	b.complete(imageID, old, "card", "poster")
	known, _, err := b.statuses.Read(t.Context(), imageID)
	if err != nil || len(known.Result.Renditions) != 3 {
		t.Fatalf("got status %+v, %v; want three renditions", known, err)
	}
	if _, err := b.statuses.Advance(t.Context(), *known); err != nil {
		t.Fatal(err)
	}
	b.complete(imageID, b.set, "card")
	if good, _, err := b.run("--prune", "--yes"); !good || err != nil {
		t.Fatalf("prune() = %v, %v; want true", good, err)
	}
	known, _, err = b.statuses.Read(t.Context(), imageID)
	if err != nil || known.State != status.Completed {
		t.Fatalf("got status %+v, %v; want completed", known, err)
	}
	var named []string
	for _, r := range known.Result.Renditions {
		named = append(named, r.URL)
	}
	card := status.URL(imageID, "card", b.set.Find("card").Hash)
	thumbnail := status.URL(imageID, "thumbnail", b.set.Find("thumbnail").Hash)
	if !slices.Equal(named, []string{thumbnail, card}) {
		t.Errorf("the status names %q, want the thumbnail and the current card", named)
	}
}

// Names limit what is removed, to those of renditions that are not configured, too.
func TestPruneNames(t *testing.T) {
	t.Parallel()
	b := open(t)
	gone, _ := aged(b)
	if good, lines, err := b.run("--prune", "--yes", "--rendition=poster"); !good || err != nil {
		t.Errorf("prune() = %v, %q, %v; want true", good, lines, err)
	}
	left := b.keys()
	for _, key := range gone {
		if isPoster := strings.Contains(key, "/poster~"); slices.Contains(left, key) == isPoster {
			t.Errorf("%s is left: %v; want all but posters", key, !isPoster)
		}
	}
}

// On a terminal it asks, after it has counted.
func TestPruneAsks(t *testing.T) {
	t.Parallel()
	b := open(t)
	gone, others := aged(b)
	for _, test := range []struct {
		answer string
		left   int
	}{{"no\n", len(gone) + len(others)}, {"", len(gone) + len(others)}, {"yes\n", len(others)}} {
		var out, terminal bytes.Buffer
		c := console{in: strings.NewReader(test.answer), out: &out, progress: &terminal, asks: true}
		good, err := realMain(t.Context(), []string{"--prune"}, b.getenv, c)
		if err != nil || good != (test.left == len(others)) || len(b.keys()) != test.left {
			t.Errorf("answer %q: got %v, %v, %d objects left; want %d", test.answer, good, err, len(b.keys()), test.left)
		}
		poster := "  poster~" + before(t).Find("poster").Hash + ": 2 objects, "
		if !strings.Contains(out.String(), poster) || !strings.Contains(terminal.String(), "Remove them?") {
			t.Errorf("answer %q: got %q, asked %q; want what would be removed, and the question",
				test.answer, out.String(), terminal.String())
		}
	}
}

// Without an answer, and without a document of renditions, nothing is removed.
func TestPruneRefuses(t *testing.T) {
	t.Parallel()
	b := open(t)
	aged(b)
	all := b.keys()
	if _, _, err := b.run("--prune"); !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a terminal: got %v, want an error of usage", err)
	}
	_, _, err := b.runWith(testservers.With(b.getenv, "RENDITIONS="), "--prune", "--yes")
	if err == nil || !strings.Contains(err.Error(), "RENDITIONS={}") {
		t.Errorf("without renditions: got %v, want how to remove all", err)
	}
	if !slices.Equal(b.keys(), all) {
		t.Error("objects were removed")
	}
}

// An object that cannot be removed is reported, and delays no other.
func TestPrunePoison(t *testing.T) {
	t.Parallel()
	var poison atomic.Value // the key
	b := openBehind(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		key, _ := poison.Load().(string)
		if r.Method == http.MethodDelete && key != "" && strings.HasSuffix(r.URL.Path, key) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
	gone, others := aged(b)
	poison.Store(gone[1])
	good, lines, err := b.run("--prune", "--yes")
	poison.Store("")
	isReported := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "unknown: 00") })
	if good || err != nil || len(b.keys()) != len(others)+1 || !isReported {
		t.Errorf("prune() = %v, %q, %v; left %q, want one object more than %q", good, lines, err, b.keys(), others)
	}
}

// An image that is deleted since the walk has listed it stays deleted for Redis, by which its deletion knows what it
// has counted already.
func TestPruneBesideDeletion(t *testing.T) {
	t.Parallel()
	var listed func()
	b := openBehind(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		query := r.URL.Query()
		if listed != nil && query.Has("list-type") && query.Get("prefix") == "" {
			listed()
		}
	})
	gone, _ := aged(b)
	imageID := gone[0][:36]
	remove := func() (first bool) {
		t.Helper()
		first, err := b.statuses.Delete(t.Context(), imageID, time.Now())
		if err != nil {
			t.Error(err)
		}
		return first
	}
	listed = func() {
		listed = nil
		if err := b.images.Bury(t.Context(), imageID, []byte("{}")); err != nil {
			t.Error(err)
		}
		remove()
	}
	_, lines, err := b.run("--prune", "--yes")
	if err != nil || listed != nil || remove() {
		t.Errorf("prune() = %q, %v; want that Redis knows of the deletion of %q", lines, err, gone)
	}
}

// Redis is asked before anything is removed.
func TestPruneWithoutRedis(t *testing.T) {
	shorten(t)
	b := open(t)
	aged(b)
	all := b.keys()
	away := testservers.WithoutRedis(b.getenv)
	if _, _, err := b.runWith(away, "--prune", "--yes"); !errors.Is(err, errGaveUp) || !slices.Equal(b.keys(), all) {
		t.Errorf("got %v, want an error, and all objects", err)
	}
}

// A document that was changed for a while, and with which another one's renditions were removed, has those made again
// that are asked for, even if they were asked for before the change.
func TestPruneAndBack(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]bool{"by a whole run": false, "by a run that ends early": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkPruneAndBack(t, ends)
		})
	}
}

// checkPruneAndBack prunes an image, or has the command end once it has removed something.
func checkPruneAndBack(t *testing.T, ends bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := openBehind(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		if ends && r.Method == http.MethodDelete {
			cancel()
		}
	})
	client := testservers.Redis(t, b.getenv)
	sent := make(sentEvents, 10)
	queue := ondemand.New(client, sent, b.images.Bucket(), before(t).Hash(), slog.New(slog.DiscardHandler))
	defer queue.Close()
	imageID := id(0)
	request := func() (published int) {
		if !queue.Request(t.Context(), imageID) {
			t.Error("the renditions are not on their way")
		}
		queue.Close()
		return len(sent)
	}
	if got := []int{request(), request()}; !slices.Equal(got, []int{1, 1}) {
		t.Errorf("published %v times, want once", got)
	}
	b.complete(imageID, before(t), "card", "poster")
	if got := request(); got != 1 {
		t.Errorf("published %d times, want once", got)
	}
	all := b.keys()
	_, err := realMain(ctx, []string{"--prune", "--yes"}, b.getenv, console{out: io.Discard, progress: io.Discard})
	if (err != nil) != ends || len(b.keys()) == len(all) {
		t.Fatalf("prune() = %v, want it to remove something, and to end early: %v", err, ends)
	}
	if got := []int{request(), request()}; !slices.Equal(got, []int{2, 2}) {
		t.Errorf("after what it has was removed: published %v times, want once more", got)
	}
}

// sentEvents is a publisher that keeps what it is given.
type sentEvents chan event.Event

func (s sentEvents) Publish(_ context.Context, e event.Event) error {
	s <- e
	return nil
}

func (sentEvents) Check(context.Context) error { return nil }

func (sentEvents) Close() error { return nil }
