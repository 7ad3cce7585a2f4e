package relay

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// verify returns the lines that a verification writes.
func (r *testRelay) verify(tb testing.TB, repair bool) (good bool, lines []string) {
	tb.Helper()
	var out bytes.Buffer
	good, err := r.Verify(tb.Context(), repair, &out, io.Discard)
	if err != nil {
		tb.Fatal(err)
	}
	return good, strings.Split(strings.TrimSpace(out.String()), "\n")
}

// record stores a final status as the thumbnail function does.
func (r *testRelay) record(tb testing.TB, imageID string, final status.Status, thumbnail []byte) {
	tb.Helper()
	final.ImageID, final.ProcessedAt = imageID, 1
	key := imagestore.OriginalKey(imageID, "a.png")
	file := &status.File{Rendition: raster.Rendition{Format: raster.PNG, Bytes: thumbnail}}
	if _, err := r.Statuses.Record(tb.Context(), key, final, file); err != nil {
		tb.Fatal(err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	r := open(t)
	completed := status.Status{State: status.Completed, Result: &status.Result{
		Success: true, OriginalSize: &status.Size{8, 8}, ThumbnailSize: &status.Size{8, 8},
	}}
	failed := status.Status{State: status.Failed, Reason: "damaged", Result: &status.Result{Error: "x"}}
	var ids []string
	for i := range 5 {
		ids = append(ids, fmt.Sprint(i)+uuid.NewString()[1:])
	}
	left, done, refused, orphan, contradicted := ids[0], ids[1], ids[2], ids[3], ids[4]
	for _, id := range []string{left, done, contradicted} {
		r.store(t, id)
	}
	r.record(t, done, completed, pngOf(t))
	r.record(t, refused, failed, nil)
	r.record(t, orphan, completed, pngOf(t))
	final := completed
	final.ImageID = contradicted // Redis has a final status, and there is no thumbnail
	if _, err := r.Statuses.Advance(t.Context(), final); err != nil {
		t.Fatal(err)
	}
	if err := r.Images.Put(t.Context(), "elsewhere/notes.txt", []byte("junk"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}

	for _, key := range []string{ // the first one is in order
		done + "/card~01234567_a.png.webp", orphan + "/card~01234567_a.png.webp", left + "/card~01234567_other.png.webp",
	} {
		if err := r.Images.Put(t.Context(), key, []byte("x"), imagestore.Attributes{}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"no original: " + left + "/card~01234567_other.png.webp",
		"left behind: " + left + "/a.png",
		"no original: " + orphan + "/card~01234567_a.png.webp",
		"no original: " + orphan + "/thumbnail_a.png",
		"left behind: " + contradicted + "/a.png",
		"5 images: 2 have a result, 0 are young, 2 were left behind (0 announced again); " +
			"1 renditions; 3 results or renditions have no original; 0 lack renditions (0 requested); 0 were deleted",
	}
	await(t, "all images are old enough", func() bool {
		_, lines := r.verify(t, false)
		return slices.Equal(lines, want)
	})
	if good, _ := r.verify(t, false); good || r.published.count() != 0 {
		t.Errorf("without repair: good is %v, published %d; want false, 0", good, r.published.count())
	}

	last := len(want) - 1
	want[last] = strings.Replace(want[last], "(0 announced", "(2 announced", 1)
	good, lines := r.verify(t, true)
	if good || !slices.Equal(lines, want) {
		t.Errorf("with repair: good is %v, lines %q; want false, %q", good, lines, want)
	}
	for _, id := range []string{left, contradicted} {
		if got := len(r.published.of(id)); got != 1 {
			t.Errorf("%s was announced %d times, want 1", id, got)
		}
	}
	if got, _, err := r.Statuses.Read(t.Context(), contradicted); err != nil || got.State != status.Queued {
		t.Errorf("status of the image without a thumbnail is %+v, %v; want queued", got, err)
	}

	r.record(t, left, completed, pngOf(t))
	r.record(t, contradicted, failed, nil)
	for _, key := range []string{
		orphan + "/thumbnail_a.png", orphan + "/card~01234567_a.png.webp", left + "/card~01234567_other.png.webp",
	} {
		if err := r.Images.Remove(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	good, lines = r.verify(t, true)
	if !good || len(lines) != 1 || !strings.HasPrefix(lines[0], "4 images: 4 have a result") {
		t.Errorf("in the end: good is %v, lines %q; want true, and the summary of 4 images", good, lines)
	}
}

// Without repair, a verification needs no publisher.
func TestVerifyWithoutPublisher(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.store(t, uuid.NewString())
	r.Publisher = nil
	await(t, "the image is old enough", func() bool {
		_, lines := r.verify(t, false)
		return strings.HasPrefix(lines[0], "left behind: ")
	})
}

func TestVerifyWithoutBucket(t *testing.T) {
	t.Parallel()
	r := open(t)
	good, err := r.Verify(t.Context(), false, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("Verify() = %v, %v; want an error about the bucket", good, err)
	}
}

// Completed images that lack a rendition are reported, and a repair requests what they lack.
func TestVerifyRenditions(t *testing.T) {
	t.Parallel()
	r := open(t)
	var err error
	r.Renditions, err = rendition.Parse([]byte("renditions: {card: {width: 64, format: webp}}"))
	if err != nil {
		t.Fatal(err)
	}
	backfill := &published{}
	r.Backfill = backfill
	whole, lacking, failing := "0"+uuid.NewString()[1:], "1"+uuid.NewString()[1:], "2"+uuid.NewString()[1:]
	completed := status.Status{State: status.Completed, Result: &status.Result{
		Success: true, OriginalSize: &status.Size{8, 8}, ThumbnailSize: &status.Size{8, 8},
	}}
	for id, final := range map[string]status.Status{
		whole: completed, lacking: completed,
		failing: {State: status.Failed, Reason: "damaged", Result: &status.Result{Error: "x"}},
	} {
		r.store(t, id)
		r.record(t, id, final, pngOf(t))
	}
	card := imagestore.Rendition{Name: "card", Hash: r.Renditions.Find("card").Hash, Extension: ".webp"}
	key := card.Key(imagestore.OriginalKey(whole, "a.png"))
	if err := r.Images.Put(t.Context(), key, []byte("x"), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	for _, repair := range []bool{false, true} {
		good, lines := r.verify(t, repair)
		sum := fmt.Sprintf("1 lack renditions (%d requested)", map[bool]int{true: 1}[repair])
		if good != repair || lines[0] != "lacks card: "+lacking+"/a.png" || !strings.Contains(lines[1], sum) {
			t.Errorf("repair %v: good is %v, lines %q; want the image, and %s", repair, good, lines, sum)
		}
	}
	if len(backfill.of(lacking)) != 1 || backfill.count() != 1 || r.published.count() != 0 {
		t.Errorf("published %d requests, and %d events beside; want one for %s",
			backfill.count(), r.published.count(), lacking)
	}
	if e := backfill.of(lacking)[0]; e.Type() != events.TypeImageRender {
		t.Errorf("published %s, want image.render", e.Type())
	}
}
