package imagestore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

func TestWalk(t *testing.T) {
	store, _ := open(t)
	for _, err := range store.Scan(t.Context(), "") {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("without a bucket: %v, want ErrNotFound", err)
		}
	}
	var want []string
	for i := range 5 {
		id := fmt.Sprintf("%d%s", i, imageID[1:])
		keys := []string{OriginalKey(id, "ä b.jpg")}
		state := "waits"
		if i%2 == 1 {
			keys = append(keys, ThumbnailKey(keys[0]), id+"/folder/other.txt")
			state = "done"
		}
		for _, key := range keys {
			if err := store.Put(t.Context(), key, []byte(key), Attributes{ContentType: "image/jpeg"}); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, id+" "+state)
	}
	const foreign = 4 // two folders, two files
	for _, key := range []string{"0/only/folders", "0/only/more", "2older/1", "2older/2", "2older/3/4", imageID[:8], "readme.txt"} {
		if err := store.Put(t.Context(), key, []byte("x"), Attributes{}); err != nil {
			t.Fatal(err)
		}
	}
	places := map[string]string{} // behind each image
	walk := func(after string, page int) (found []string) {
		t.Helper()
		passed := 0
		for image, err := range store.walk(t.Context(), after, page) {
			if err != nil {
				t.Fatal(err)
			}
			if image.ID == "" {
				if passed++; image.Objects != (Objects{}) {
					t.Errorf("of what is no image: %+v", image)
				}
				continue
			}
			places[image.ID] = image.Cursor
			state := "waits"
			if image.Result != nil {
				state = "done"
			}
			if image.Original == nil || !strings.HasPrefix(image.Original.Key, image.ID+"/") {
				t.Errorf("original of %s is %+v", image.ID, image.Original)
			}
			found = append(found, image.ID+" "+state)
		}
		if after == "" && passed != foreign {
			t.Errorf("in pages of %d it took %d steps past what is no image, want %d", page, passed, foreign)
		}
		return found
	}
	for page := range 4 {
		if got := walk("", page); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q\nwant %q", page, got, want)
		}
		for i := range want {
			id, _, _ := strings.Cut(want[i], " ")
			after := places[id]
			if got := walk(after, page); !slices.Equal(got, want[i+1:]) {
				t.Errorf("after %s in pages of %d: %q\nwant %q", after, page, got, want[i+1:])
			}
		}
	}
	for range store.Scan(t.Context(), "") { // and no more
		break
	}
}

// What never became an object is ended when it is old; what is young may still become one.
func TestAbortIncomplete(t *testing.T) {
	store, _ := open(t)
	if _, err := store.AbortIncomplete(t.Context(), time.Hour); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a bucket: %v, want ErrNotFound", err)
	}
	if err := store.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := OriginalKey(imageID, "a.jpg")
	if _, err := store.client.NewMultipartUpload(t.Context(), store.bucket, key, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	listed := func(prefix string) (count int) {
		for upload := range store.client.ListIncompleteUploads(t.Context(), store.bucket, prefix, true) {
			if upload.Err != nil {
				t.Fatal(upload.Err)
			}
			count++
		}
		return count
	}
	want := listed("") // none in MinIO, which ends them by itself
	if aborted, err := store.AbortIncomplete(t.Context(), time.Hour); aborted != 0 || err != nil || listed(key) != 1 {
		t.Errorf("young: AbortIncomplete() = %d, %v", aborted, err)
	}
	if aborted, err := store.AbortIncomplete(t.Context(), -time.Hour); aborted != want || err != nil || listed(key) != 1-want {
		t.Errorf("old: AbortIncomplete() = %d, %v; want %d", aborted, err, want)
	}
}
