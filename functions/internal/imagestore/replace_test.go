package imagestore

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// Of those that replace an object as they have found it, one does. One that was removed stays away.
func TestReplace(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	key := OriginalKey(imageID, "card")
	first := Attributes{ContentType: "image/png", Metadata: map[string]string{"Of": "first"}}
	if err := store.Put(t.Context(), key, []byte("first"), first); err != nil {
		t.Fatal(err)
	}
	found, err := store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var replaced, changed atomic.Int32
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			about := Attributes{ContentType: "image/webp", Metadata: map[string]string{"Of": "second"}}
			switch err := store.Replace(t.Context(), found, noise(100+i), about); {
			case err == nil:
				replaced.Add(1)
			case errors.Is(err, ErrChanged):
				changed.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if replaced.Load() != 1 || changed.Load() != 3 {
		t.Errorf("%d replaced it, and %d found it changed; want 1 and 3", replaced.Load(), changed.Load())
	}
	now, err := store.Stat(t.Context(), key)
	if err != nil || now.ContentType != "image/webp" || now.Metadata["Of"] != "second" || now.ETag == found.ETag {
		t.Errorf("got %+v, %v; want the object that has replaced it", now, err)
	}
	if err := store.Remove(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := store.Replace(t.Context(), now, []byte("third"), first); !errors.Is(err, ErrChanged) {
		t.Errorf("after it was removed: got %v, want ErrChanged", err)
	}
	if _, err := store.Stat(t.Context(), key); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed object is there again: %v", err)
	}
}
