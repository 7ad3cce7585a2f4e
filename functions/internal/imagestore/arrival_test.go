package imagestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// openUnhashed returns a store that hashes no body, as over TLS.
func openUnhashed(t *testing.T) *Store {
	t.Helper()
	store, _ := open(t)
	store.memory = newPool(32<<20, false)
	return store
}

// newArriving returns an upload of a body that is taken for one that arrives fast, on a slow machine, too.
func newArriving(store *Store, body io.Reader, size int) *Upload {
	upload := store.NewUpload(body, int64(size))
	upload.began = time.Now().Add(time.Hour)
	return upload
}

// inPieces is a reader that returns at most 10,000 bytes at a time.
func inPieces(content []byte) io.Reader {
	from := bytes.NewReader(content)
	return readerFunc(func(p []byte) (int, error) { return from.Read(p[:min(len(p), 10_000)]) })
}

// What is put while it arrives is stored as it came, whatever was peeked at before.
func TestPutArriving(t *testing.T) {
	store := openUnhashed(t)
	for _, size := range []int{minArrival, minArrival + 1, 1_000_003, partSize - 1} {
		for _, peeked := range []int{0, 10, chunkSize + 1, size} {
			t.Run(fmt.Sprint(size, " bytes, ", peeked, " peeked at"), func(t *testing.T) {
				want := noise(size)
				upload := newArriving(store, inPieces(want), size)
				defer upload.Close()
				if _, err := io.ReadFull(upload.Peek(t.Context()), make([]byte, peeked)); err != nil {
					t.Fatal(err)
				}
				key := fmt.Sprintf("%s/%d-%d", imageID, size, peeked)
				if stored, err := upload.putArriving(t.Context(), key, Attributes{}); err != nil || !stored {
					t.Fatalf("putArriving() = %v, %v; want true", stored, err)
				}
				if got, _ := read(t, store, key); !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, want the %d that were stored", len(got), size)
				}
			})
		}
	}
}

// Nothing is stored of a body that breaks, be it just before its last byte.
func TestArrivingBreaks(t *testing.T) {
	store := openUnhashed(t)
	cut := errors.New("cut")
	const size = 1 << 20
	for _, after := range []int{10, chunkSize, size / 2, size - 1, size} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			body := io.MultiReader(inPieces(noise(after)), iotest.ErrReader(cut))
			upload := newArriving(store, body, size)
			defer upload.Close()
			key := imageID + "/broken"
			if _, err := upload.Put(t.Context(), key, Attributes{}); !errors.Is(err, cut) {
				t.Errorf("Put() = %v, want the error of the body", err)
			}
			if _, err := store.Stat(t.Context(), key); !errors.Is(err, ErrNotFound) {
				t.Errorf("Stat() = %v, want ErrNotFound", err)
			}
		})
	}
	checkMemory(t, store)
}

// checkMemory fails the test unless all memory has been given back.
func checkMemory(t *testing.T, store *Store) {
	t.Helper()
	free, reserves := store.memory.free, store.memory.reserves
	if got, want := len(free)+len(reserves), cap(free)+cap(reserves); got != want {
		t.Errorf("got %d free chunks and reserves, want all %d", got, want)
	}
}

// A body that is not as long as it was declared to be is stored as it is.
func TestArrivingOfAnotherSize(t *testing.T) {
	store := openUnhashed(t)
	const declared = 1 << 20
	for _, size := range []int{chunkSize - 1, chunkSize, declared - 1, declared + 1, partSize, partSize + 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			want := noise(size)
			upload := newArriving(store, inPieces(want), declared)
			defer upload.Close()
			key := imageID + "/" + fmt.Sprint(size)
			if stored, err := upload.Put(t.Context(), key, Attributes{}); err != nil || stored != int64(size) {
				t.Fatalf("Put() = %d, %v; want %d", stored, err, size)
			}
			if got, _ := read(t, store, key); !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the %d that were stored", len(got), size)
			}
		})
	}
}

// A key that is taken may be answered while the object is still sent: see TestResponseBeforeBody.
func TestArrivingIsTaken(t *testing.T) {
	store := openUnhashed(t)
	key := imageID + "/a.png"
	if err := store.Put(t.Context(), key, []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	content := noise(4 << 20)
	var uploads sync.WaitGroup
	for range 6 {
		uploads.Go(func() {
			for range 4 {
				upload := newArriving(store, inPieces(content), len(content))
				if _, err := upload.Put(t.Context(), key, Attributes{}); !errors.Is(err, ErrExists) {
					t.Errorf("Put() = %v, want ErrExists", err)
				}
				upload.Close()
			}
		})
	}
	uploads.Wait()
	checkMemory(t, store)
}

// A store that fails in the middle of the body costs nothing: the body is put again, whole.
func TestArrivingIsPutAgain(t *testing.T) {
	want := noise(1 << 20)
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request){
		"closes the connection": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"answers 503": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"reads some": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 100_000)
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, stored := openFailing(t, fail)
			upload := newArriving(store, inPieces(want), len(want))
			defer upload.Close()
			if _, err := upload.Put(t.Context(), imageID+"/a.png", Attributes{}); err != nil {
				t.Fatal(err)
			}
			if got := <-stored; !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the %d that were put", len(got), len(want))
			}
		})
	}
}

// openFailing returns a store whose first PUT fails, and the bodies that it gets whole.
func openFailing(t *testing.T, fail http.HandlerFunc) (*Store, <-chan []byte) {
	t.Helper()
	var first sync.Once
	stored := make(chan []byte, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("location") {
			_, _ = io.WriteString(w, `<LocationConstraint></LocationConstraint>`)
			return
		}
		failed := false
		first.Do(func() { failed = true })
		if failed {
			fail(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		stored <- body
		w.Header().Set("ETag", `"x"`)
	}))
	t.Cleanup(server.Close)
	store := openAt(t, server.Listener.Addr().String())
	store.memory = newPool(32<<20, false)
	store.ready.Store(true)
	return store, stored
}

// pacedReader is a body that arrives at 100 MB a second.
type pacedReader struct {
	io.Reader
	due time.Time
}

func (p *pacedReader) Read(b []byte) (int, error) {
	if p.due.IsZero() {
		p.due = time.Now()
	}
	n, err := p.Reader.Read(b)
	p.due = p.due.Add(time.Duration(n) * time.Second / 100_000_000)
	time.Sleep(time.Until(p.due))
	return n, err
}

// BenchmarkArriving compares bodies of 3.3 MB that are put while they arrive with bodies that are put once they have
// been received, by clients and to a store with connections of 100 MB a second.
func BenchmarkArriving(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, &pacedReader{Reader: r.Body})
		w.Header().Set("ETag", `"x"`)
	}))
	defer server.Close()
	content := noise(3_300_000)
	for _, size := range []int64{-1, int64(len(content))} {
		b.Run(map[bool]string{true: "arriving", false: "received"}[size > 0], func(b *testing.B) {
			settings := Settings{
				Endpoint: server.Listener.Addr().String(), AccessKey: "a", SecretKey: "secret-key", Bucket: "images",
				Region: "us-east-1", Memory: 32 << 20,
			}
			store, err := Open(settings)
			if err != nil {
				b.Fatal(err)
			}
			store.memory = newPool(settings.Memory, false)
			store.ready.Store(true)
			for b.Loop() {
				upload := store.NewUpload(&pacedReader{Reader: bytes.NewReader(content)}, size)
				if _, err := upload.Put(b.Context(), imageID+"/a.jpg", Attributes{}); err != nil {
					b.Fatal(err)
				}
				upload.Close()
			}
		})
	}
}

// A client that stalls does not keep the store waiting: the request ends, and another one follows the end of the body.
func TestArrivingStalls(t *testing.T) {
	t.Parallel()
	aborted := make(chan struct{})
	store, stored := openFailing(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			close(aborted)
		}
	})
	want := noise(1 << 20)
	stalls := readerFunc(func([]byte) (int, error) {
		select {
		case <-aborted:
		case <-time.After(10 * arrivalTimeout): // on a slow machine, the request may not even have begun
		}
		return 0, io.EOF
	})
	body := io.MultiReader(inPieces(want[:len(want)/2]), stalls, inPieces(want[len(want)/2:]))
	upload := newArriving(store, body, len(want))
	defer upload.Close()
	if _, err := upload.Put(t.Context(), imageID+"/a.png", Attributes{}); err != nil {
		t.Fatal(err)
	}
	if got := <-stored; !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want the %d that were put", len(got), len(want))
	}
}
