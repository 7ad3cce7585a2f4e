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

func TestScan(t *testing.T) {
	store, _ := open(t)
	for _, err := range store.Scan(t.Context(), "") {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("without a bucket: got %v, want ErrNotFound", err)
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
	for _, key := range []string{
		"0/only/folders", "0/only/more", "2older/1", "2older/2", "2older/3/4", imageID[:8], "readme.txt",
	} {
		if err := store.Put(t.Context(), key, []byte("x"), Attributes{}); err != nil {
			t.Fatal(err)
		}
	}
	cursors := map[string]string{} // after each image
	scan := func(cursor string, page int) (found []string) {
		t.Helper()
		passed := 0
		for image, err := range store.scan(t.Context(), cursor, page) {
			if err != nil {
				t.Fatal(err)
			}
			if image.ID == "" {
				if passed++; image.Original != nil || image.Result != nil || image.Renditions != nil {
					t.Errorf("got %+v, want no objects of no image", image)
				}
				continue
			}
			cursors[image.ID] = image.Cursor
			state := "waits"
			if image.Result != nil {
				state = "done"
			}
			if image.Original == nil || !strings.HasPrefix(image.Original.Key, image.ID+"/") {
				t.Errorf("%s: got original %+v, want one of the image", image.ID, image.Original)
			}
			found = append(found, image.ID+" "+state)
		}
		if cursor == "" && passed != foreign {
			t.Errorf("got %d items without an ID, want %d", passed, foreign)
		}
		return found
	}
	for page := range 4 {
		t.Run(fmt.Sprint("pages of ", page), func(t *testing.T) {
			if got := scan("", page); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			for i := range want {
				id, _, _ := strings.Cut(want[i], " ")
				if got := scan(cursors[id], page); !slices.Equal(got, want[i+1:]) {
					t.Errorf("after %s: got  %q\nwant %q", cursors[id], got, want[i+1:])
				}
			}
		})
	}
	for range store.Scan(t.Context(), "") { // a caller may stop
		break
	}
}

// Old multipart uploads are aborted; new ones may still be completed.
func TestAbortIncomplete(t *testing.T) {
	store, _ := open(t)
	if _, err := store.AbortIncomplete(t.Context(), time.Hour); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a bucket: got %v, want ErrNotFound", err)
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
	want := listed("") // none in MinIO, which lists them only by key
	aborted, err := store.AbortIncomplete(t.Context(), time.Hour)
	if aborted != 0 || err != nil || listed(key) != 1 {
		t.Errorf("new upload: AbortIncomplete() = %d, %v; want 0", aborted, err)
	}
	aborted, err = store.AbortIncomplete(t.Context(), -time.Hour)
	if aborted != want || err != nil || listed(key) != 1-want {
		t.Errorf("old upload: AbortIncomplete() = %d, %v; want %d", aborted, err, want)
	}
}
