package imagestore

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

// MinIO responds that a key is taken while the object is still sent. The request must not read memory that other
// uploads use by then, which the race detector checks.
func TestResponseBeforeBody(t *testing.T) {
	store, _ := open(t)
	store.memory = newPool(64<<20, store.memory.hashed) // what was released last is used next, and none waits for it
	key := imageID + "/a.png"
	if err := store.Put(t.Context(), key, []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	var uploads sync.WaitGroup
	for _, size := range []int{4 << 20, 6 << 20} { // collected, and streamed
		content := noise(size)
		for range 6 {
			uploads.Go(func() {
				for range 6 {
					upload := store.NewUpload(bytes.NewReader(content), int64(size))
					if _, err := upload.Put(t.Context(), key, Attributes{}); !errors.Is(err, ErrExists) {
						t.Errorf("Put() = %v, want ErrExists", err)
					}
					upload.Close()
				}
			})
		}
	}
	uploads.Wait()
}
