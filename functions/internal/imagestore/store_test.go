package imagestore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const imageID = "0d9f4f3a-8a43-4a3c-9f1e-2f6f0f6f5a11"

func open(t *testing.T) (*Store, func(string) string) {
	t.Helper()
	getenv := testservers.Start(t)
	r := config.NewReader(getenv)
	settings := ReadSettings(r)
	settings.Memory = 32 << 20
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	store, err := Open(settings)
	if err != nil {
		t.Fatal(err)
	}
	return store, getenv
}

func noise(size int) []byte {
	content := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = source.Read(content)
	return content
}

func read(t *testing.T, store *Store, key string) ([]byte, *Info) {
	t.Helper()
	body, info, err := store.Get(t.Context(), store.Bucket(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content, info
}

// The sizes around which a body becomes one part, several, or needs one more.
var sizes = []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, partSize - 1, partSize, partSize + 1, 2 * partSize, 2*partSize + 12345}

func TestStoredAsItCame(t *testing.T) {
	store, _ := open(t)
	for _, size := range sizes {
		for _, known := range []bool{true, false} {
			t.Run(strconv.Itoa(size)+" known "+strconv.FormatBool(known), func(t *testing.T) {
				want := noise(size)
				claimed := int64(-1)
				if known {
					claimed = int64(size)
				}
				incoming := store.NewUpload(bytes.NewReader(want), claimed)
				defer incoming.Close()
				head := make([]byte, 10)
				n, _ := io.ReadFull(incoming.Peek(t.Context()), head)
				if !bytes.Equal(head[:n], want[:min(10, size)]) {
					t.Errorf("read ahead %x, want %x", head[:n], want[:min(10, size)])
				}
				key := imageID + "/" + strconv.Itoa(size) + strconv.FormatBool(known)
				stored, err := incoming.Put(t.Context(), key, Attributes{ContentType: "image/png", Metadata: map[string]string{"Filename": EncodeMetadata("höhe ☃.png")}})
				if err != nil || stored != int64(size) {
					t.Fatalf("Put() = %d, %v; want %d", stored, err, size)
				}
				got, info := read(t, store, key)
				if !bytes.Equal(got, want) {
					t.Errorf("%d bytes came back otherwise than the %d that were stored", len(got), len(want))
				}
				if info.ContentType != "image/png" || info.Metadata["Filename"] != EncodeMetadata("höhe ☃.png") || info.Size != int64(size) {
					t.Errorf("stored about it: %+v", info)
				}
			})
		}
	}
}

func TestNothingIsReplaced(t *testing.T) {
	store, _ := open(t)
	key := imageID + "/a.png"
	if err := store.Put(t.Context(), key, []byte("first"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), key, []byte("second"), Attributes{}); !errors.Is(err, ErrExists) {
		t.Errorf("second Put() = %v, want ErrExists", err)
	}
	for _, size := range []int64{-1, 5} {
		incoming := store.NewUpload(strings.NewReader("third"), size)
		if _, err := incoming.Put(t.Context(), key, Attributes{}); !errors.Is(err, ErrExists) {
			t.Errorf("Put() of an incoming of size %d = %v, want ErrExists", size, err)
		}
		incoming.Close()
	}
	if got, _ := read(t, store, key); string(got) != "first" {
		t.Errorf("stored is %q, want the first", got)
	}
}

func TestPutFailsWithItsBody(t *testing.T) {
	store, _ := open(t)
	cut := errors.New("cut")
	for _, size := range []int64{-1, 3 * partSize} {
		for _, after := range []int{0, 100, partSize + 100} {
			body := io.MultiReader(bytes.NewReader(noise(after)), readerFunc(func([]byte) (int, error) { return 0, cut }))
			incoming := store.NewUpload(body, size)
			_, err := incoming.Put(t.Context(), imageID+"/cut", Attributes{})
			incoming.Close()
			if err == nil || size < 0 && !errors.Is(err, cut) {
				t.Errorf("Put() of a body of size %d that breaks after %d bytes: %v", size, after, err)
			}
		}
	}
	if set, err := store.Find(t.Context(), imageID); err != nil || set.Original != nil {
		t.Errorf("left behind: %+v, %v", set, err)
	}
	if free := len(store.memory.chunks) + len(store.memory.reserves); free != cap(store.memory.chunks)+cap(store.memory.reserves) {
		t.Errorf("%d pieces of memory came back, want all %d", free, cap(store.memory.chunks)+cap(store.memory.reserves))
	}
}

func TestAheadEnds(t *testing.T) {
	store, _ := open(t)
	incoming := store.NewUpload(bytes.NewReader(noise(partSize+1)), -1)
	defer incoming.Close()
	n, err := io.Copy(io.Discard, incoming.Peek(t.Context()))
	if n != partSize || !errors.Is(err, ErrPeekLimit) {
		t.Errorf("read %d bytes ahead, %v; want %d, ErrTooFarAhead", n, err, partSize)
	}
}

// More uploads at once than there is memory for, each of which needs a whole part before it gives anything back.
func TestUploadsShareTheMemory(t *testing.T) {
	store, _ := open(t)
	store.memory = newPool((reserves*chunksPerPart + 8) * chunkSize)
	const uploads = 10
	content := noise(partSize + 1000)
	var wait sync.WaitGroup
	for i := range uploads {
		wait.Go(func() {
			incoming := store.NewUpload(bytes.NewReader(content), -1)
			defer incoming.Close()
			if _, err := incoming.Put(t.Context(), imageID+"/"+strconv.Itoa(i), Attributes{}); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	for i := range uploads {
		if got, _ := read(t, store, imageID+"/"+strconv.Itoa(i)); !bytes.Equal(got, content) {
			t.Errorf("upload %d came back otherwise", i)
		}
	}
}

func TestFind(t *testing.T) {
	store, getenv := open(t)
	if set, err := store.Find(t.Context(), imageID); set != (Objects{}) || err != nil {
		t.Errorf("Find() without a bucket = %v, %v; want nothing", set, err)
	}
	original := OriginalKey(imageID, "Ärger (1)+%41 ☃.jpg")
	put := func(key string) {
		t.Helper()
		if err := store.Put(t.Context(), key, []byte(key), Attributes{ContentType: "image/jpeg"}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, want Objects) {
		t.Helper()
		got, err := store.Find(t.Context(), imageID)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]*Info{{got.Original, want.Original}, {got.Result, want.Result}} {
			if (pair[0] == nil) != (pair[1] == nil) || pair[0] != nil && pair[0].Key != pair[1].Key {
				t.Errorf("%s: found %+v, want %+v", what, pair[0], pair[1])
			}
		}
	}
	put("another/image.jpg")
	check("nothing", Objects{})
	put(original)
	check("original", Objects{Original: &Info{Key: original}})
	put(ThumbnailKey(original))
	all := Objects{Original: &Info{Key: original}, Result: &Info{Key: ThumbnailKey(original)}}
	check("thumbnail", all)
	put(imageID + "/folder/deeper.jpg")
	check("all", all)

	if err := store.Remove(t.Context(), original); err != nil {
		t.Error(err)
	}
	if err := store.Remove(t.Context(), original); err != nil {
		t.Errorf("Remove() of what is gone = %v", err)
	}
	if _, err := store.Stat(t.Context(), original); !errors.Is(err, ErrNotFound) {
		t.Errorf("Stat() of what is gone = %v, want ErrNotFound", err)
	}
	if _, _, err := store.Get(t.Context(), getenv("MINIO_BUCKET"), original); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get() of what is gone = %v, want ErrNotFound", err)
	}
	if _, _, err := store.Get(t.Context(), "images-no-such-bucket", original); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get() from no bucket = %v, want ErrNotFound", err)
	}
}

// Of two originals the first counts, and if there are results the first of them, with its original.
func TestSort(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"":              " ",
		"b a":           "b ",
		"ta":            " ta",
		"a ta":          "a ta",
		"a tb":          "a tb", // the note of a delivery under another name
		"a b tb ta":     "b tb",
		"a b ta tb":     "a ta",
		"b a ta":        "a ta",
		"thumbnail_x":   " thumbnail_x",
		"tx ttx":        "tx ttx", // an original with the name of a result
		"tx x":          "x tx",
		"b a tc td":     "b tc",
		"tb a ta":       "a tb",
		"a b c tc ta":   "c tc",
		"b a tb tc ttc": "b tb",
		"a tb ta":       "a tb",
	} {
		found := map[string]*Info{}
		for i, name := range strings.Fields(stored) {
			name = strings.ReplaceAll(name, "t", thumbnailPrefix)
			found[name] = &Info{Key: name, Modified: time.Unix(int64(i), 0)}
		}
		for range 20 { // in any order
			set, got := sort(found), [2]string{}
			for i, info := range []*Info{set.Original, set.Result} {
				if info != nil {
					got[i] = strings.ReplaceAll(info.Key, thumbnailPrefix, "t")
				}
			}
			if got := got[0] + " " + got[1]; got != want {
				t.Errorf("%q: %q, want %q", stored, got, want)
			}
		}
	}
}

// What a proxy in front of MinIO does not find is no word of MinIO's.
func TestNotFoundByAProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	store, err := Open(Settings{Endpoint: server.Listener.Addr().String(), AccessKey: "a", SecretKey: "secret-key", Bucket: "images"})
	if err != nil {
		t.Fatal(err)
	}
	if set, err := store.Find(t.Context(), imageID); err == nil {
		t.Errorf("Find() = %+v, want an error", set)
	}
	if _, err := store.Stat(t.Context(), imageID+"/a.png"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("Stat() = %v, want a fault that may pass", err)
	}
}

func TestGetRange(t *testing.T) {
	store, _ := open(t)
	key := imageID + "/a.png"
	if err := store.Put(t.Context(), key, []byte("0123456789"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	info, err := store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for limits, want := range map[[2]int64]string{{0, 10}: "0123456789", {3, 10}: "3456789", {9, 10}: "9", {0, 1}: "0", {2, 4}: "23"} {
		body, err := store.GetRange(t.Context(), info, limits[0], limits[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || string(got) != want {
			t.Errorf("%v: %q, %v; want %q", limits, got, err, want)
		}
	}
}

func TestBucketComesBack(t *testing.T) {
	store, getenv := open(t)
	put := func() error { return store.Put(t.Context(), imageID+"/a.png", []byte("a"), Attributes{}) }
	if err := put(); err != nil {
		t.Fatal(err)
	}
	client := testservers.MinIO(t, getenv)
	if err := client.RemoveObject(t.Context(), store.Bucket(), imageID+"/a.png", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.RemoveBucket(t.Context(), store.Bucket()); err != nil {
		t.Fatal(err)
	}
	if err := put(); err == nil {
		t.Error("Put() into a bucket that is gone succeeded")
	} else if errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) {
		t.Errorf("Put() into a bucket that is gone = %v, want a fault that may pass", err)
	}
	if err := put(); err != nil {
		t.Errorf("next Put() = %v, want the bucket made again", err)
	}
}

func TestMinIOAway(t *testing.T) {
	store, err := Open(Settings{Endpoint: "127.0.0.1:1", AccessKey: "a", SecretKey: "secret-key", Bucket: "images"})
	if err != nil {
		t.Fatal(err)
	}
	err = store.Put(t.Context(), imageID+"/a.png", []byte("a"), Attributes{})
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || strings.Contains(err.Error(), "secret-key") {
		t.Errorf("Put() = %v, want a fault that may pass", err)
	}
	if err := store.Check(t.Context()); err == nil {
		t.Error("Check() = nil")
	}
}

// A MinIO that stands still costs everybody the same few seconds, and not one after the other.
func TestMinIOPaused(t *testing.T) {
	t.Parallel()
	paused, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer paused.Close()
	store, err := Open(Settings{Endpoint: paused.Addr().String(), AccessKey: "a", SecretKey: "secret-key", Bucket: "images"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*askTimeout)
	defer cancel()
	var asked sync.WaitGroup
	for range 4 {
		asked.Go(func() {
			if err := store.Put(ctx, imageID+"/a.png", []byte("a"), Attributes{}); err == nil {
				t.Error("Put() = nil")
			}
			if _, err := store.Find(ctx, imageID); err == nil {
				t.Error("Find() = nil")
			}
		})
	}
	asked.Wait()
	if err := ctx.Err(); err != nil {
		t.Errorf("they did not give up by themselves: %v", err)
	}
}

// A MinIO that stops to take a large body, and one that does not begin, end the upload, and not the caller's patience.
func TestMinIOStalls(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("location") {
			_, _ = io.WriteString(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)
			return
		}
		<-over
	}))
	defer server.Close()
	defer close(over)
	store, err := Open(Settings{Endpoint: server.Listener.Addr().String(), AccessKey: "a", SecretKey: "secret-key", Bucket: "images"})
	if err != nil {
		t.Fatal(err)
	}
	store.made.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 2*answerTimeout)
	defer cancel()
	var both sync.WaitGroup
	for size, want := range map[int64]error{-1: context.DeadlineExceeded, 4 * partSize: errStalled} {
		both.Go(func() {
			incoming := store.NewUpload(bytes.NewReader(noise(4*partSize)), size)
			defer incoming.Close()
			if _, err := incoming.Put(ctx, imageID+"/large", Attributes{}); !errors.Is(err, want) || ctx.Err() != nil {
				t.Errorf("Put() of a body of size %d = %v, want %v", size, err, want)
			}
		})
	}
	both.Wait()
}
