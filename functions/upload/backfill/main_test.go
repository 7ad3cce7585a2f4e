package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

// What is wrong about a command line is said before any setting is read.
func TestWrongUsage(t *testing.T) {
	for name, arguments := range map[string][]string{
		"a prefix that no ID has":  {"--prefix=X"},
		"two cursors":              {"--cursor=a", "--cursor-file=b"},
		"a negative rate":          {"--rate=-1"},
		"a negative version":       {"--engine-older-than=-1"},
		"a negative time":          {"--wait=-1s"},
		"a rate of a prune":        {"--prune", "--rate=1"},
		"yes to nothing":           {"--yes"},
		"a dry run that waits":     {"--dry-run", "--wait=1s"},
		"an argument":              {"images"},
		"a version without digits": {"--engine-older-than=v2"},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(string) string { return "" }
			_, err := realMain(t.Context(), arguments, getenv, console{out: io.Discard, progress: io.Discard})
			if !errors.Is(err, cli.ErrUsage) {
				t.Errorf("realMain() = %v, want an error of usage", err)
			}
		})
	}
}

func TestWithoutSettings(t *testing.T) {
	_, err := realMain(t.Context(), nil, func(string) string { return "" }, console{out: io.Discard, progress: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "MINIO_ENDPOINT") {
		t.Errorf("realMain() = %v, want what is missing in the settings", err)
	}
}

func TestUnknownRendition(t *testing.T) {
	t.Parallel()
	b := open(t)
	if _, _, err := b.run("--rendition=poster"); err == nil || !strings.Contains(err.Error(), "thumbnail, card, hero") {
		t.Errorf("got %v, want an error with the names that are configured", err)
	}
}

func TestWithoutBucket(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, arguments := range [][]string{nil, {"--prune", "--yes"}} {
		if _, _, err := b.run(arguments...); err == nil || !strings.Contains(err.Error(), "no bucket") {
			t.Errorf("%q: got %v, want an error about the bucket", arguments, err)
		}
	}
}

// mixed stores an image of every kind, and returns the IDs.
func mixed(b *bucket) (ids []string) {
	b.t.Helper()
	for i := range 7 {
		ids = append(ids, id(16*i))
	}
	b.complete(ids[0], b.set, "card", "hero")
	b.complete(ids[1], b.set)
	b.complete(ids[2], b.set, "card")
	b.store(ids[3])
	original := b.store(ids[4])
	_, err := b.statuses.Fail(b.t.Context(), ids[4], original, events.Cause{}, "damaged", "broken")
	if err != nil {
		b.t.Fatal(err)
	}
	b.put(ids[5]+"/thumbnail_a.jpg", imagestore.Attributes{ContentType: "image/jpeg"})
	_, err = b.statuses.Fail(b.t.Context(), ids[6], ids[6]+"/a.jpg", events.Cause{}, "damaged", "refused")
	if err != nil {
		b.t.Fatal(err)
	}
	b.put("elsewhere/notes.txt", imagestore.Attributes{})
	return ids
}

const sumOfMixed = "7 images: 1 have all renditions, 2 %s, 2 have failed, 1 wait for their first rendition, " +
	"1 have no original, 0 are unknown"

// Images that are completed and lack renditions are announced, each as one event however often.
func TestBackfill(t *testing.T) {
	t.Parallel()
	b := open(t)
	ids := mixed(b)
	for range 2 {
		good, lines, err := b.run()
		if !good || err != nil {
			t.Errorf("run() = %v, %v; want true", good, err)
		}
		expect(t, lines, fmt.Sprintf(sumOfMixed, "announced"))
	}
	got := b.announced()
	for _, imageID := range ids[1:3] {
		requests := got[imageID]
		if len(requests) != 2 || len(requests[0].Renditions) != 0 || requests[0].Bucket != b.images.Bucket() {
			t.Errorf("%s: got %+v, want two requests for all renditions", imageID, requests)
		}
	}
	if len(got) != 2 {
		t.Errorf("got requests for %d images, want 2", len(got))
	}
	named := map[string]bool{}
	for _, e := range b.broker.events {
		named[e.ID()] = true
	}
	if len(named) != 2 {
		t.Errorf("got the event IDs %v, want one for each image", named)
	}
}

// The events go to the topic of what may wait.
func TestTopic(t *testing.T) {
	t.Parallel()
	b := open(t, "K_SINK=")
	imageID := id(0)
	b.complete(imageID, b.set)
	if good, lines, err := b.run(); !good || err != nil {
		t.Fatalf("run() = %v, %q, %v; want true", good, lines, err)
	}
	record := b.record("KAFKA_BACKFILL_TOPIC")
	if !strings.Contains(string(record.Value), `"image_id":"`+imageID) || string(record.Key) != imageID {
		t.Errorf("got record %s: %s, want the request for %s", record.Key, record.Value, imageID)
	}
}

func TestSelection(t *testing.T) {
	t.Parallel()
	b := open(t)
	ids := mixed(b)
	for name, test := range map[string]struct {
		arguments []string
		want      map[string][]string
		images    string
	}{
		"a rendition":      {[]string{"--rendition=card"}, map[string][]string{ids[1]: {"card"}}, "7 images"},
		"a prefix":         {[]string{"--prefix=2"}, map[string][]string{ids[2]: nil}, "1 images"},
		"a whole ID":       {[]string{"--prefix=" + ids[1]}, map[string][]string{ids[1]: nil}, "1 images"},
		"after a cursor":   {[]string{"--cursor=" + ids[1] + "0"}, map[string][]string{ids[2]: nil}, "5 images"},
		"a prefix of none": {[]string{"--prefix=7f"}, nil, "0 images"},
	} {
		t.Run(name, func(t *testing.T) {
			b.broker.events = nil
			good, lines, err := b.run(test.arguments...)
			if !good || err != nil || !strings.HasPrefix(lines[0], test.images+":") {
				t.Errorf("run() = %v, %q, %v; want %s", good, lines, err, test.images)
			}
			got := map[string][]string{}
			for imageID, requests := range b.announced() {
				got[imageID] = requests[0].Renditions
			}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got requests %v, want %v", got, test.want)
			}
		})
	}
}

// Renditions of an older engine are asked for with those that are missing; objects without a version are the oldest.
func TestEngineOlderThan(t *testing.T) {
	t.Parallel()
	b := open(t)
	old, half := id(0), id(1)
	b.complete(old, b.set, "card", "hero")
	b.complete(half, b.set, "card")
	if _, lines, err := b.run("--engine-older-than=1"); err != nil || !strings.Contains(lines[0], " 1 announced") {
		t.Errorf("got %q, %v; want one image, since this engine is not before the version", lines, err)
	}
	b.broker.events = nil
	good, lines, err := b.run("--engine-older-than=1000")
	if !good || err != nil || !strings.Contains(lines[0], " 2 announced") {
		t.Errorf("run() = %v, %q, %v; want two images", good, lines, err)
	}
	for _, imageID := range []string{old, half} {
		got := b.announced()[imageID]
		if len(got) != 1 || len(got[0].Renditions) != 0 || got[0].EngineOlderThan != 1000 {
			t.Errorf("%s: got %+v, want all of engines before 1000", imageID, got)
		}
	}
	foreign := id(2)
	original := b.store(foreign)
	b.put(imagestore.ThumbnailKey(original), imagestore.Attributes{ContentType: "image/jpeg"})
	if _, _, err := b.run("--engine-older-than=1", "--prefix="+foreign, "--rendition=thumbnail"); err != nil {
		t.Fatal(err)
	}
	if got := b.announced()[foreign]; len(got) != 1 || !slices.Equal(got[0].Renditions, []string{"thumbnail"}) {
		t.Errorf("without a version: got %+v, want a request for the thumbnail", got)
	}
}

// A dry run says what there is to do, and writes nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	b := open(t)
	ids := mixed(b)
	before, file := b.keys(), filepath.Join(t.TempDir(), "cursor")
	good, lines, err := b.run("--dry-run", "--rate=0.1", "--cursor-file="+file)
	if good || err != nil {
		t.Errorf("run() = %v, %v; want false, because there is something to do", good, err)
	}
	slices.Sort(lines[:2]) // examined at the same time
	expect(t, lines, "lacks card, hero: "+ids[1]+"/a.jpg", "lacks hero: "+ids[2]+"/a.jpg",
		fmt.Sprintf(sumOfMixed, "would be announced"), "  card: 1 images", "  hero: 2 images",
		"The originals have 0.0 MB; each is read and decoded once.", "Announcing them takes 20s at this rate.")
	if after := b.keys(); !slices.Equal(before, after) || len(b.announced()) != 0 || fileExists(t, file) {
		t.Errorf("got objects %q, requests %v; want %q, none, and no cursor", after, b.announced(), before)
	}
}

// What is configured beside renditions is missing, too.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	b := open(t, "RENDITIONS={placeholder: thumbhash, color: true}")
	imageID := id(0)
	b.complete(imageID, b.set)
	good, lines, err := b.run("--dry-run")
	if good || err != nil || lines[0] != "lacks the placeholder, the colour: "+imageID+"/a.jpg" {
		t.Errorf("run() = %v, %q, %v; want what is missing", good, lines, err)
	}
	if good, lines, err := b.run("--rendition=thumbnail"); !good || err != nil || len(b.announced()) != 0 {
		t.Errorf("run() = %v, %q, %v; want nothing, since only the thumbnail is asked for", good, lines, err)
	}
}

// An error of the store or of the publisher that passes is not noticed, wherever it is.
func TestErrorsThatPass(t *testing.T) {
	t.Parallel()
	var spoiled atomic.Bool
	var cuts sync.Map // how often each request was cut, so that none is unlucky too often
	b := openBehind(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		n, _ := cuts.LoadOrStore(r.Method+" "+r.RequestURI, new(atomic.Int64))
		if spoiled.Load() && n.(*atomic.Int64).Add(1) <= 3 {
			panic(http.ErrAbortHandler) // the connection is cut
		}
		next.ServeHTTP(w, r)
	})
	const count = 70 // more than a batch
	for i := range count {
		b.complete(id(i), b.set)
	}
	b.broker.refuse = func(n int) bool { return n%3 == 0 }
	spoiled.Store(true)
	good, lines, err := b.run()
	spoiled.Store(false)
	all := fmt.Sprint(count, " announced")
	if !good || err != nil || !strings.Contains(lines[len(lines)-1], all) || len(b.announced()) != count {
		t.Errorf("run() = %v, %q, %v, announced %d; want all of %d", good, lines, err, len(b.announced()), count)
	}
}

// refuses has the store not answer for the thumbnail of an image.
func refuses(imageID string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodHead && strings.Contains(r.URL.Path, imageID+"/thumbnail_") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// An image that the store does not answer for is reported, and delays no other.
func TestPoison(t *testing.T) {
	t.Parallel()
	poison := id(1)
	b := openBehind(t, refuses(poison))
	for _, imageID := range []string{id(0), poison, id(2)} {
		b.complete(imageID, b.set)
	}
	good, lines, err := b.run()
	if good || err != nil || !strings.HasPrefix(lines[0], "unknown: "+poison+": ") ||
		!strings.Contains(lines[1], "2 announced") || !strings.HasSuffix(lines[1], "1 are unknown") {
		t.Errorf("run() = %v, %q, %v; want the image, and that something is left", good, lines, err)
	}
}

// A run that ends early goes on at its cursor, and no image is lost.
func TestResume(t *testing.T) {
	const count = 150
	shorten(t)
	for _, way := range []string{"--cursor", "--cursor-file"} {
		t.Run(way, func(t *testing.T) {
			b := open(t)
			for i := range count {
				b.complete(id(i), b.set)
			}
			b.broker.refuse = func(n int) bool { return n > 70 }
			var arguments []string
			if way == "--cursor-file" {
				arguments = append(arguments, "--cursor-file="+filepath.Join(t.TempDir(), "cursor"))
			}
			_, _, err := b.run(arguments...)
			if !errors.Is(err, errGaveUp) || !strings.Contains(err.Error(), command+" "+way+"=") {
				t.Fatalf("got %v, want how to go on with %s", err, way)
			}
			b.broker.refuse = nil
			_, again, _ := strings.Cut(err.Error(), command+" ")
			good, lines, err := b.run(again)
			if !good || err != nil || strings.HasPrefix(lines[0], fmt.Sprint(count)) || len(b.announced()) != count {
				t.Errorf("run(%q) = %v, %q, %v, announced %d; want the rest of %d",
					again, good, lines, err, len(b.announced()), count)
			}
			if path, isFile := strings.CutPrefix(again, "--cursor-file="); isFile && fileExists(t, path) {
				t.Error("the cursor is there after the end")
			}
		})
	}
}

// shorten has servers given up soon.
func shorten(t *testing.T) {
	t.Helper()
	before := outage
	outage = 300 * time.Millisecond
	t.Cleanup(func() { outage = before })
}

// A listing that fails for too long ends a run, with the cursor after what was announced.
func TestListingFails(t *testing.T) {
	shorten(t)
	var listings atomic.Int64
	var spoiled atomic.Bool
	b := openBehind(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		isListing := r.Method == http.MethodGet && r.URL.Query().Has("list-type")
		if isListing && spoiled.Load() && listings.Add(1) > 1 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
	const count = 400 // each has three objects, so that there are two pages
	for i := range count {
		imageID := id(i % 256)
		b.put(imageID+"/a.jpg", imagestore.Attributes{ContentType: "image/jpeg"})
		b.put(imageID+"/thumbnail_a.jpg", imagestore.Attributes{ContentType: "image/jpeg"})
		b.put(imageID+"/card~00000000_a.jpg.jpg", imagestore.Attributes{ContentType: "image/jpeg"})
	}
	spoiled.Store(true)
	_, _, err := b.run()
	cursor := regexp.MustCompile(`--cursor=([0-9a-f-]+)$`).FindStringSubmatch(fmt.Sprint(err))
	if err == nil || cursor == nil {
		t.Fatalf("got %v, want an error with the cursor", err)
	}
	first := len(b.announced())
	spoiled.Store(false)
	good, _, err := b.run("--cursor=" + cursor[1])
	if got := len(b.announced()); !good || err != nil || first == 0 || first == count || got != count {
		t.Errorf("announced %d, then %d, %v; want some, then %d", first, got, err, count)
	}
}

// A cursor of a run that asked for something else is refused: the images before it would be passed over.
func TestCursorOfAnotherRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		of               flags
		bucket, document string // those of this run if empty
		arguments        []string
	}{
		"other renditions":       {document: "renditions: {card: {width: 65}}"},
		"without a placeholder":  {document: document + "\nplaceholder: none"},
		"another bucket":         {bucket: "other"},
		"a prefix":               {of: flags{Prefix: "0"}},
		"each rendition by name": {of: flags{Rendition: []string{"thumbnail", "card", "hero"}}},
		"a prune of a name": {
			of: flags{Prune: true, Rendition: []string{"card"}}, arguments: []string{"--prune", "--yes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, "RENDITIONS="+document+"\nplaceholder: thumbhash")
			aged(b)
			set := b.set
			if test.document != "" {
				var err error
				if set, err = rendition.Parse([]byte(test.document)); err != nil {
					t.Fatal(err)
				}
			}
			all := b.keys()
			run := test.of.run(cmp.Or(test.bucket, b.images.Bucket()), set)
			mark := bookmark{path: filepath.Join(t.TempDir(), "cursor"), run: run}
			if err := mark.save("cursor", true); err != nil {
				t.Fatal(err)
			}
			_, _, err := b.run(append(test.arguments, "--cursor-file="+mark.path)...)
			if err == nil || !strings.Contains(err.Error(), "begin anew") {
				t.Errorf("got %v, want that the cursor is of another run", err)
			}
			if len(b.announced()) != 0 || !slices.Equal(b.keys(), all) {
				t.Error("images were announced, or objects removed")
			}
		})
	}
}

// A run that goes on knows of the images that were unknown before: something is left to be done.
func TestResumeAfterUnknown(t *testing.T) {
	shorten(t)
	poison := id(0)
	b := openBehind(t, refuses(poison))
	const count = batchImages + 10
	b.complete(poison, b.set)
	for i := range count {
		b.complete(id(i+1), b.set)
	}
	b.broker.refuse = func(n int) bool { return n > batchImages }
	file := "--cursor-file=" + filepath.Join(t.TempDir(), "cursor")
	if _, lines, err := b.run(file); err == nil || !strings.HasPrefix(lines[0], "unknown: "+poison) {
		t.Fatalf("run() = %q, %v; want the unknown image, and an early end", lines, err)
	}
	b.broker.refuse = nil
	good, lines, err := b.run(file)
	last := lines[len(lines)-1]
	if good || err != nil || len(b.announced()) != count || !strings.HasPrefix(last, "1 images were unknown before") {
		t.Errorf("run() = %v, %q, %v; want the rest, and that something is left", good, lines, err)
	}

	prune := flags{Prune: true}
	mark := bookmark{path: filepath.Join(t.TempDir(), "cursor"), run: prune.run(b.images.Bucket(), b.set)}
	mark.miss()
	if err := mark.save("cursor", true); err != nil {
		t.Fatal(err)
	}
	good, lines, err = b.run("--prune", "--yes", "--cursor-file="+mark.path)
	if good || err != nil || lines[len(lines)-1] != last {
		t.Errorf("prune() = %v, %q, %v; want that something is left", good, lines, err)
	}
}

// Ctrl-C ends a run with its cursor.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	b := open(t)
	for i := range 100 {
		b.complete(id(i), b.set)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.broker.refuse = func(n int) bool {
		if n == 80 {
			cancel()
		}
		return false
	}
	var out bytes.Buffer
	_, err := realMain(ctx, []string{"--rate=10000"}, b.getenv, console{out: &out, progress: io.Discard})
	want := "interrupted; to go on:\n" + command + " --rate=10000 --cursor="
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(out.String(), " announced, ") {
		t.Errorf("got %v, %q; want how to go on, and a summary", err, out.String())
	}
}

// With --wait a run ends when the images have their renditions, or says which have not.
func TestWait(t *testing.T) {
	t.Parallel()
	b := open(t)
	imageID := id(0)
	b.complete(imageID, b.set, "card")
	good, lines, err := b.run("--wait=1ms")
	if good || err != nil || !slices.Contains(lines, "still lacks renditions: "+imageID) {
		t.Errorf("run() = %v, %q, %v; want the image that lacks some", good, lines, err)
	}
	var made atomic.Bool
	b.broker.refuse = func(int) bool {
		if !made.Swap(true) {
			b.complete(imageID, b.set, "card", "hero")
		}
		return false
	}
	if good, lines, err := b.run("--wait=1m"); !good || err != nil {
		t.Errorf("run() = %v, %q, %v; want true", good, lines, err)
	}
}

// An error of the store that passes does not end the wait.
func TestWaitGoesOn(t *testing.T) {
	t.Parallel()
	imageID := id(0)
	var looked atomic.Int64
	var spoiled atomic.Bool
	b := openBehind(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		isLook := spoiled.Load() && strings.HasPrefix(r.URL.Query().Get("prefix"), imageID)
		if isLook && looked.Add(1) <= 4 { // a request is attempted three times
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	})
	b.complete(imageID, b.set, "card")
	b.broker.refuse = func(int) bool {
		b.complete(imageID, b.set, "card", "hero")
		spoiled.Store(true)
		return false
	}
	if good, lines, err := b.run("--wait=1m"); !good || err != nil || looked.Load() <= 4 {
		t.Errorf("run() = %v, %q, %v after %d listings; want true", good, lines, err, looked.Load())
	}
}

// On a terminal there is a bar, and the lines are above it.
func TestBar(t *testing.T) {
	var out, screen bytes.Buffer
	m := newMeter(console{out: &out, progress: &screen, draws: true}, "", "")
	m.reported = time.Time{}
	m.began = m.began.Add(-time.Minute)
	m.show("80000000-0000-4000-8000-0000000000000", "5 images")
	m.line(&out, "a line")
	m.end()
	if text := screen.String(); !strings.Contains(text, "50%") || !strings.Contains(text, "5 images, 1m0s left") {
		t.Errorf("got %q, want half, and a minute left", text)
	}
	if out.String() != "a line\n" {
		t.Errorf("got %q, want the line", out.String())
	}
}

// Elsewhere there are lines.
func TestLines(t *testing.T) {
	var screen bytes.Buffer
	m := newMeter(console{progress: &screen}, "a", "a4000000-0000-4000-8000-0000000000000")
	m.reported = time.Time{}
	m.show("a8000000-0000-4000-8000-0000000000000", "5 images")
	m.show("a9000000-0000-4000-8000-0000000000000", "6 images") // at once
	if want := "50.0%: 5 images, up to a8000000-0000-4000-8000-000000000000\n"; screen.String() != want {
		t.Errorf("got %q, want %q", screen.String(), want)
	}
}

func TestPosition(t *testing.T) {
	for _, test := range []struct {
		prefix, cursor string
		want           float64
	}{
		{"", "", 0},
		{"", "80000000-0000-4000-8000-0000000000000", 0.5},
		{"", "notes.txt", 0},
		{"a", "", 0},
		{"ab", "ab400000-0000-4000-8000-0000000000000", 0.25},
		{"ab400000-00", "ab400000-00c0-4000-8000-0000000000000", 0.75},
		{"ab400000-0000-4000", "ab400000-0000-4000-8000-0000000000000", 0},
	} {
		if got := position(test.prefix, test.cursor); got != test.want {
			t.Errorf("position(%q, %q) = %v, want %v", test.prefix, test.cursor, got, test.want)
		}
	}
}
