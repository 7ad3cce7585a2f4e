package imagestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const imageID = "0d9f4f3a-8a43-4a3c-9f1e-2f6f0f6f5a11"

func open(t *testing.T) (*Store, func(string) string) {
	t.Helper()
	getenv := testservers.StartStores(t)
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

// openAt returns a store at another address than that of the test servers.
func openAt(t *testing.T, address string) *Store {
	t.Helper()
	store, err := Open(Settings{Endpoint: address, AccessKey: "a", SecretKey: "secret-key", Bucket: "images"})
	if err != nil {
		t.Fatal(err)
	}
	return store
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

// The sizes around which a body needs another chunk or part.
var sizes = []int{
	0, 1, chunkSize - 1, chunkSize, chunkSize + 1,
	partSize - 1, partSize, partSize + 1, 2 * partSize, 2*partSize + 12345,
}

func TestUpload(t *testing.T) {
	store, _ := open(t)
	for _, size := range sizes {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			checkUpload(t, store, size, int64(size))
		})
		t.Run(fmt.Sprint(size, " bytes, size unknown"), func(t *testing.T) {
			checkUpload(t, store, size, -1)
		})
	}
}

// checkUpload uploads size bytes, of which declared are declared, and reads them back.
func checkUpload(t *testing.T, store *Store, size int, declared int64) {
	t.Helper()
	want := noise(size)
	upload := store.NewUpload(bytes.NewReader(want), declared)
	defer upload.Close()
	head := make([]byte, 10)
	n, _ := io.ReadFull(upload.Peek(t.Context()), head)
	if !bytes.Equal(head[:n], want[:min(10, size)]) {
		t.Errorf("Peek() = %x, want %x", head[:n], want[:min(10, size)])
	}
	key := imageID + "/" + fmt.Sprint(size, declared)
	filename := encodeMetadata("höhe ☃.png")
	attributes := Attributes{ContentType: "image/png", Metadata: map[string]string{"Filename": filename}}
	stored, err := upload.Put(t.Context(), key, attributes)
	if err != nil || stored != int64(size) {
		t.Fatalf("Put() = %d, %v; want %d", stored, err, size)
	}
	got, info := read(t, store, key)
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want the %d that were stored", len(got), len(want))
	}
	if info.ContentType != "image/png" || info.Metadata["Filename"] != filename || info.Size != int64(size) {
		t.Errorf("got %+v, want the attributes that were stored", info)
	}
}

func TestNeverReplaced(t *testing.T) {
	store, _ := open(t)
	key := imageID + "/a.png"
	if err := store.Put(t.Context(), key, []byte("first"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), key, []byte("second"), Attributes{}); !errors.Is(err, ErrExists) {
		t.Errorf("second Put() = %v, want ErrExists", err)
	}
	for _, size := range []int64{-1, 5} {
		upload := store.NewUpload(strings.NewReader("third"), size)
		if _, err := upload.Put(t.Context(), key, Attributes{}); !errors.Is(err, ErrExists) {
			t.Errorf("upload of size %d: Put() = %v, want ErrExists", size, err)
		}
		upload.Close()
	}
	if got, _ := read(t, store, key); string(got) != "first" {
		t.Errorf("got %q, want first", got)
	}
}

// An object that is stored but not listed, as MinIO and the fake do with some names, is a failed put, and is removed.
func TestConfirm(t *testing.T) {
	store, _ := open(t)
	for _, name := range []string{"a.png", "a" + reservedSuffix, reservedSuffix} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			key := OriginalKey(id, name)
			if err := store.Put(t.Context(), key, []byte("image"), Attributes{}); err != nil {
				t.Fatal(err)
			}
			_, err := store.Confirm(t.Context(), id, key)
			_, stat := store.Stat(t.Context(), key)
			// Real servers other than MinIO list all names.
			isListed := name == "a.png" || err == nil && os.Getenv("MINIO_ENDPOINT") != ""
			if (err == nil) != isListed || errors.Is(stat, ErrNotFound) == isListed {
				t.Errorf("Confirm() = %v, then Stat() = %v; want the object to stay only if it is listed", err, stat)
			}
		})
	}
}

// Every name that SafeName gives is listed as it was stored.
func TestSafeNamesAreListed(t *testing.T) {
	store, _ := open(t)
	for _, name := range []string{
		"a__XLDIR__", "__XLDIR__", "a__XLDIR__.jpg", "xl.meta", "xl.json", "part.1", ".minio.sys", "format.json", ".sgwtmp",
		"a.", " a ", "...", ".. ", "a:b", "a*b?", "a|b<c>", "%2F", "%2e%2e", "a+b c", "a?versionId=null", "?uploads", "#x",
		"null", "a_$folder$", "policy.json", "a.metadata", "a\ufffdb", "📷.png", "\u0378", strings.Repeat("ü", 300),
	} {
		t.Run(name[:min(len(name), 40)], func(t *testing.T) {
			id := uuid.NewString()
			key := OriginalKey(id, SafeName(name, "image"))
			if err := store.Put(t.Context(), key, []byte("image"), Attributes{}); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Confirm(t.Context(), id, key); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPutBrokenBody(t *testing.T) {
	store, _ := open(t)
	cut := errors.New("cut")
	for _, size := range []int64{-1, 3 * partSize} {
		for _, after := range []int{0, 100, partSize + 100} {
			t.Run(fmt.Sprint(after, " bytes of ", size), func(t *testing.T) {
				broken := readerFunc(func([]byte) (int, error) { return 0, cut })
				upload := store.NewUpload(io.MultiReader(bytes.NewReader(noise(after)), broken), size)
				defer upload.Close()
				_, err := upload.Put(t.Context(), imageID+"/cut", Attributes{})
				if err == nil || size < 0 && !errors.Is(err, cut) {
					t.Errorf("Put() = %v, want an error, that of the body if its size is unknown", err)
				}
			})
		}
	}
	if objects, err := store.Find(t.Context(), imageID); err != nil || objects.Original != nil {
		t.Errorf("Find() = %+v, %v; want no object", objects, err)
	}
	free, reserves := store.memory.free, store.memory.reserves
	if got, want := len(free)+len(reserves), cap(free)+cap(reserves); got != want {
		t.Errorf("got %d free chunks and reserves, want all %d", got, want)
	}
}

// Uploads that come one after the other use the same memory, so that the rest of it is never touched.
func TestUploadsReuseMemory(t *testing.T) {
	store, _ := open(t)
	var used []*byte
	for range 3 {
		upload := store.NewUpload(bytes.NewReader(noise(chunkSize)), -1)
		if err := upload.more(t.Context()); err != nil {
			t.Fatal(err)
		}
		used = append(used, &upload.part.chunks[0][0])
		upload.Close()
	}
	if used[1] != used[0] || used[2] != used[0] {
		t.Errorf("the uploads used memory at %v, want the same", used)
	}
}

func TestPeekLimit(t *testing.T) {
	store, _ := open(t)
	upload := store.NewUpload(bytes.NewReader(noise(partSize+1)), -1)
	defer upload.Close()
	n, err := io.Copy(io.Discard, upload.Peek(t.Context()))
	if n != partSize || !errors.Is(err, ErrPeekLimit) {
		t.Errorf("Peek() returned %d bytes, %v; want %d, ErrPeekLimit", n, err, partSize)
	}
}

// Memory is enough for fewer uploads than there are, each of which needs a whole part before it releases any.
func TestUploadsShareTheMemory(t *testing.T) {
	store, _ := open(t)
	store.memory = newPool((reserves*chunksPerPart+8)*chunkSize, true)
	const uploads = 10
	content := noise(partSize + 1000)
	var wait sync.WaitGroup
	for i := range uploads {
		wait.Go(func() {
			upload := store.NewUpload(bytes.NewReader(content), -1)
			defer upload.Close()
			if _, err := upload.Put(t.Context(), imageID+"/"+strconv.Itoa(i), Attributes{}); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	for i := range uploads {
		if got, _ := read(t, store, imageID+"/"+strconv.Itoa(i)); !bytes.Equal(got, content) {
			t.Errorf("upload %d: got other bytes than were stored", i)
		}
	}
}

func TestFind(t *testing.T) {
	store, getenv := open(t)
	if objects, err := store.Find(t.Context(), imageID); objects.Original != nil || objects.Result != nil || err != nil {
		t.Errorf("without a bucket: Find() = %v, %v; want nothing", objects, err)
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
				t.Errorf("%s: got %+v, want %+v", what, pair[0], pair[1])
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
		t.Errorf("Remove() of a removed object = %v, want nil", err)
	}
	if _, err := store.Stat(t.Context(), original); !errors.Is(err, ErrNotFound) {
		t.Errorf("Stat() of a removed object = %v, want ErrNotFound", err)
	}
	if _, _, err := store.Get(t.Context(), getenv("MINIO_BUCKET"), original); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get() of a removed object = %v, want ErrNotFound", err)
	}
	if _, _, err := store.Get(t.Context(), "images-no-such-bucket", original); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get() from a missing bucket = %v, want ErrNotFound", err)
	}
}

// Of several originals the first counts; with results, the first result and its original.
func TestClassify(t *testing.T) {
	t.Parallel()
	for stored, want := range map[string]string{
		"":              " ",
		"b a":           "b ",
		"ta":            " ta",
		"a ta":          "a ta",
		"a tb":          "a tb", // the failure note of a delivery under another name
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
		t.Run("stored "+stored, func(t *testing.T) {
			found := map[string]*Info{}
			for i, name := range strings.Fields(stored) {
				name = strings.ReplaceAll(name, "t", thumbnailPrefix)
				found[name] = &Info{Key: name, Modified: time.Unix(int64(i), 0)}
			}
			for range 20 { // in any order of the map
				objects := classify(found)
				if got := shortName(objects.Original) + " " + shortName(objects.Result); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// A result belongs to its original also where the store would not allow the name of the one with its prefix.
func TestClassifyLongNames(t *testing.T) {
	t.Parallel()
	for length, isShort := range map[int]bool{244: true, 245: true, 246: false, 255: false, 300: false, 980: false} {
		for _, letter := range []string{"a", "東"} {
			filename := strings.Repeat(letter, length/len(letter))
			result := strings.TrimPrefix(ThumbnailKey(OriginalKey(imageID, filename)), imageID+"/")
			if len(result) > maxSegment || !utf8.ValidString(result) {
				t.Errorf("the result of %d bytes has a name of %d bytes, want at most %d, of UTF-8", len(filename), len(result),
					maxSegment)
			}
			if got := result == thumbnailPrefix+filename; isShort && !got {
				t.Errorf("the result of %d bytes is %q, want the prefix and the name", length, result)
			}
			original, thumbnail := &Info{Key: filename}, &Info{Key: result}
			objects := classify(map[string]*Info{filename: original, result: thumbnail})
			if objects.Original != original || objects.Result != thumbnail {
				t.Errorf("of %d bytes: classify() = %+v, want original and result", len(filename), objects)
			}
			objects = classify(map[string]*Info{result: thumbnail})
			if objects.Original != nil || objects.Result != thumbnail {
				t.Errorf("of %d bytes: classify() without the original = %+v, want the result", len(filename), objects)
			}
		}
	}
	if ThumbnailKey("i/"+strings.Repeat("a", 300)) == ThumbnailKey("i/"+strings.Repeat("a", 299)) {
		t.Error("two originals have one result")
	}
}

// shortName has t for the prefix of a result.
func shortName(info *Info) string {
	if info == nil {
		return ""
	}
	return strings.ReplaceAll(info.Key, thumbnailPrefix, "t")
}

// A 404 of a proxy in front of MinIO says nothing about the object.
func TestNotFoundByProxy(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	store := openAt(t, server.Listener.Addr().String())
	if objects, err := store.Find(t.Context(), imageID); err == nil {
		t.Errorf("Find() = %+v, want an error", objects)
	}
	if _, err := store.Stat(t.Context(), imageID+"/a.png"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("Stat() = %v, want a temporary error", err)
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
	for limits, want := range map[[2]int64]string{
		{0, 10}: "0123456789", {3, 10}: "3456789", {9, 10}: "9", {0, 1}: "0", {2, 4}: "23",
	} {
		t.Run(fmt.Sprint(limits), func(t *testing.T) {
			body, err := store.GetRange(t.Context(), info, limits[0], limits[1])
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			if got, err := io.ReadAll(body); err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestBucketRemoved(t *testing.T) {
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
		t.Error("Put() into a removed bucket = nil, want an error")
	} else if errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) {
		t.Errorf("Put() into a removed bucket = %v, want a temporary error", err)
	}
	if err := put(); err != nil {
		t.Errorf("next Put() = %v, want the bucket created again", err)
	}
}

func TestMinIODown(t *testing.T) {
	store := openAt(t, "127.0.0.1:1")
	err := store.Put(t.Context(), imageID+"/a.png", []byte("a"), Attributes{})
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) ||
		strings.Contains(err.Error(), "secret-key") {
		t.Errorf("Put() = %v, want a temporary error", err)
	}
	if err := store.Check(t.Context()); err == nil {
		t.Error("Check() = nil, want an error")
	}
}

// While MinIO is paused, concurrent requests wait at the same time, and not one after the other.
func TestMinIOPaused(t *testing.T) {
	t.Parallel()
	paused, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts connections, and no process responds
	if err != nil {
		t.Fatal(err)
	}
	defer paused.Close()
	store := openAt(t, paused.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 3*requestTimeout)
	defer cancel()
	var requests sync.WaitGroup
	for range 4 {
		requests.Go(func() {
			if err := store.Put(ctx, imageID+"/a.png", []byte("a"), Attributes{}); err == nil {
				t.Error("Put() = nil, want an error")
			}
			if _, err := store.Find(ctx, imageID); err == nil {
				t.Error("Find() = nil, want an error")
			}
		})
	}
	requests.Wait()
	if err := ctx.Err(); err != nil {
		t.Errorf("got %v, want the store to time out before its caller", err)
	}
}

// A MinIO that stops reading a large body, or does not begin to, fails the upload before the caller times out.
func TestMinIOStalls(t *testing.T) {
	t.Parallel()
	finished := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("location") {
			const location = `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`
			_, _ = io.WriteString(w, location)
			return
		}
		<-finished
	}))
	defer server.Close()
	defer close(finished)
	store := openAt(t, server.Listener.Addr().String())
	store.ready.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 2*responseTimeout)
	defer cancel()
	var both sync.WaitGroup
	for size, want := range map[int64]error{-1: context.DeadlineExceeded, 4 * partSize: errStalled} {
		both.Go(func() {
			upload := store.NewUpload(bytes.NewReader(noise(4*partSize)), size)
			defer upload.Close()
			_, err := upload.Put(ctx, imageID+"/large", Attributes{})
			if !errors.Is(err, want) || ctx.Err() != nil {
				t.Errorf("size %d: Put() = %v, want %v", size, err, want)
			}
		})
	}
	both.Wait()
}
