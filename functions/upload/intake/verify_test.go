package intake

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// verify returns the lines that a verification writes.
func (s *service) verify(repair bool) (good bool, lines []string) {
	s.t.Helper()
	var out bytes.Buffer
	good, err := Verify(s.t.Context(), s.getenv, repair, &out, io.Discard)
	if err != nil {
		s.t.Fatal(err)
	}
	return good, strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s := start(t, soon)
	board := boardOf(t, s)
	record := func(id string, final status.Status, thumbnail []byte) {
		t.Helper()
		final.ImageID, final.ProcessedAt = id, 1
		if _, err := board.Record(t.Context(), imagestore.OriginalKey(id, "a.png"), final, thumbnail, "image/png"); err != nil {
			t.Fatal(err)
		}
	}
	completed := status.Status{State: status.Completed, Result: &status.Result{Success: true, OriginalSize: &status.Size{8, 8}, ThumbnailSize: &status.Size{8, 8}}}
	failed := status.Status{State: status.Failed, Reason: "damaged", Result: &status.Result{Error: "x"}}
	var ids []string
	for i := range 5 {
		ids = append(ids, string("01234"[i])+uuid.NewString()[1:])
	}
	left, done, refused, lone, lied := ids[0], ids[1], ids[2], ids[3], ids[4]
	for _, id := range []string{left, done, lied} {
		s.store(id, pngOf(t, 8, 8))
	}
	record(done, completed, pngOf(t, 8, 8))
	record(refused, failed, nil)
	record(lone, completed, pngOf(t, 8, 8))
	final := completed
	final.ImageID = lied
	if _, err := board.Advance(t.Context(), final); err != nil { // Redis says so, and its thumbnail is not there
		t.Fatal(err)
	}
	s.put(s.getenv("MINIO_BUCKET"), "elsewhere/notes.txt", []byte("junk"))

	want := []string{
		"left behind: " + left + "/a.png",
		"no original: " + lone + "/thumbnail_a.png",
		"left behind: " + lied + "/a.png",
		"5 images: 2 have a result, 0 are young, 2 were left behind (0 announced again); 1 results have no original",
	}
	await(t, "all is old enough", func() bool { _, lines := s.verify(false); return slices.Equal(lines, want) })
	if good, _ := s.verify(false); good || len(s.broker.announced()) != 0 {
		t.Errorf("good is %v, announced %d; want neither", good, len(s.broker.announced()))
	}
	want[3] = strings.Replace(want[3], "(0 announced", "(2 announced", 1)
	good, lines := s.verify(true)
	if good || !slices.Equal(lines, want) || s.count(left) != 1 || s.count(lied) != 1 {
		t.Errorf("repaired: %v %q, announced %d and %d times", good, lines, s.count(left), s.count(lied))
	}
	if got := s.get("/status/" + lied); !strings.Contains(got.body, `"queued"`) {
		t.Errorf("status is still %s", got.body)
	}

	record(left, completed, pngOf(t, 8, 8))
	record(lied, failed, nil)
	if err := s.storeOf().Remove(t.Context(), lone+"/thumbnail_a.png"); err != nil {
		t.Fatal(err)
	}
	if good, lines := s.verify(true); !good || len(lines) != 1 || !strings.HasPrefix(lines[0], "4 images: 4 have a result") {
		t.Errorf("in the end: %v %q", good, lines)
	}
}

func TestVerifyCanNotSee(t *testing.T) {
	t.Parallel()
	s := start(t)
	if good, err := Verify(t.Context(), s.getenv, false, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("without a bucket: %v, %v", good, err)
	}
	if _, err := Verify(t.Context(), func(string) string { return "" }, false, io.Discard, io.Discard); err == nil {
		t.Error("without settings: nil")
	}
}
