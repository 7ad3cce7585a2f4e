package imagestore

import (
	"bytes"
	"errors"
	"sync"
	"testing"
)

// MinIO answers at once that a key is taken, while it is still sent the object. It must not be sent the memory of other
// uploads then: the race detector finds out.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	store, _ := open(t)
	key := imageID + "/a.png"
	if err := store.Put(t.Context(), key, []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	var uploads sync.WaitGroup
	for _, size := range []int{4 << 20, 6 << 20} { // in memory, and passing by
		content := noise(size)
		for range 6 {
			uploads.Go(func() {
				for range 6 {
					incoming := store.NewUpload(bytes.NewReader(content), int64(size))
					if _, err := incoming.Put(t.Context(), key, Attributes{}); !errors.Is(err, ErrExists) {
						t.Errorf("Put() = %v, want ErrExists", err)
					}
					incoming.Close()
				}
			})
		}
	}
	uploads.Wait()
}
