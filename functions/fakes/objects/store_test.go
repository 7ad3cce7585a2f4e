package objects

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
)

const bucketName = "images"

func open(t *testing.T, directory string) *Store {
	t.Helper()
	s, err := Open(directory, true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withBucket returns a store with an empty bucket, and its directory.
func withBucket(t *testing.T) (s *Store, directory string) {
	t.Helper()
	directory = t.TempDir()
	s = open(t, directory)
	if err := s.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	return s, directory
}

func (s *Store) put(key, content string, conditions *gofakes3.PutConditions) error {
	metadata := map[string]string{"Content-Type": "text/plain", "X-Amz-Meta-Of": key}
	_, err := s.PutObject(bucketName, key, metadata, strings.NewReader(content), int64(len(content)), conditions)
	return err
}

func mustPut(t *testing.T, s *Store, key, content string) {
	t.Helper()
	if err := s.put(key, content, nil); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

// wantObject compares the newest version of an object.
func wantObject(t *testing.T, s *Store, key, want string) {
	t.Helper()
	object, err := s.GetObject(bucketName, key, nil)
	if err != nil {
		t.Errorf("get %s: %v", key, err)
		return
	}
	defer object.Contents.Close()
	got, err := io.ReadAll(object.Contents)
	if err != nil || string(got) != want {
		t.Errorf("get %s: got %q, %v, want %q", key, got, err, want)
	}
	if object.Metadata["X-Amz-Meta-Of"] != key || object.Size != int64(len(want)) {
		t.Errorf("get %s: got metadata %v and %d bytes", key, object.Metadata, object.Size)
	}
}

var onlyNew = func() *gofakes3.PutConditions {
	every := "*"
	return &gofakes3.PutConditions{IfNoneMatch: &every}
}()

// What was acknowledged is there after a restart, and what was not is gone.
func TestReopen(t *testing.T) {
	s, directory := withBucket(t)
	mustPut(t, s, "a/1", "one")
	mustPut(t, s, "a/2", "two")
	mustPut(t, s, "a/2", "replaced")
	mustPut(t, s, "gone", "gone")
	if _, err := s.DeleteObject(bucketName, "gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutObject(bucketName, "cut", nil, strings.NewReader("short"), 10, nil); err == nil {
		t.Error("a body that is too short was accepted")
	}
	half := filepath.Join(directory, incomingFolder, "half") // as a kill leaves it
	if err := os.WriteFile(half, []byte("half of an object"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := s.HeadObject(bucketName, "a/2")

	s = open(t, directory)
	wantObject(t, s, "a/1", "one")
	wantObject(t, s, "a/2", "replaced")
	for _, key := range []string{"gone", "cut"} {
		if _, err := s.GetObject(bucketName, key, nil); !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
			t.Errorf("get %s: got %v, want no such key", key, err)
		}
	}
	if after, err := s.HeadObject(bucketName, "a/2"); err != nil || !bytes.Equal(after.Hash, before.Hash) {
		t.Errorf("the ETag changed with the restart: %v", err)
	}
	if err := s.put("a/1", "again", onlyNew); !gofakes3.HasErrorCode(err, gofakes3.ErrPreconditionFailed) {
		t.Errorf("put of an object that exists: got %v, want a failed precondition", err)
	}
	if _, err := os.Stat(half); !isMissing(err) {
		t.Errorf("the rest of an interrupted upload is still there: %v", err)
	}
	if got, want := s.Keys(bucketName), []string{"a/1", "a/2"}; !slices.Equal(got, want) {
		t.Errorf("got keys %q, want %q", got, want)
	}
}

// Of many that create an object at once, one does.
func TestOnlyNew(t *testing.T) {
	s, _ := withBucket(t)
	var wait sync.WaitGroup
	results := make(chan error, 20)
	for n := range cap(results) {
		wait.Go(func() { results <- s.put("a", fmt.Sprint(n), onlyNew) })
	}
	wait.Wait()
	close(results)
	stored := 0
	for err := range results {
		switch {
		case err == nil:
			stored++
		case !gofakes3.HasErrorCode(err, gofakes3.ErrPreconditionFailed):
			t.Error(err)
		}
	}
	if stored != 1 {
		t.Errorf("%d of %d created the object, want 1", stored, cap(results))
	}
}

func TestVersions(t *testing.T) {
	s, directory := withBucket(t)
	mustPut(t, s, "a", "before")
	enabled := gofakes3.VersioningConfiguration{Status: gofakes3.VersioningEnabled}
	if err := s.SetVersioningConfiguration(bucketName, enabled); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a", "first")
	mustPut(t, s, "a", "second")
	deleted, err := s.DeleteObject(bucketName, "a")
	if err != nil || !deleted.IsDeleteMarker {
		t.Fatalf("delete: got %+v, %v, want a marker", deleted, err)
	}
	s = open(t, directory)
	if _, err := s.GetObject(bucketName, "a", nil); !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		t.Errorf("get a deleted object: got %v, want no such key", err)
	}
	if _, err := s.DeleteObjectVersion(bucketName, "a", deleted.VersionID); err != nil {
		t.Fatal(err)
	}
	wantObject(t, s, "a", "second")
	list, err := s.ListBucketVersions(bucketName, nil, nil)
	if err != nil || len(list.Versions) != 3 {
		t.Fatalf("got %d versions, %v, want 3", len(list.Versions), err)
	}
	oldest, err := s.GetObjectVersion(bucketName, "a", list.Versions[2].GetVersionID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer oldest.Contents.Close()
	if content, _ := io.ReadAll(oldest.Contents); string(content) != "before" {
		t.Errorf("oldest version: got %q, want before", content)
	}
}

// A page has no more entries than it should, and all pages together have each entry once.
func TestListInPages(t *testing.T) {
	s, _ := withBucket(t)
	for _, key := range []string{"a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"} {
		mustPut(t, s, key, key)
	}
	delimiter, empty := "/", ""
	folders := gofakes3.NewPrefix(&empty, &delimiter)
	folders.HasPrefix = false
	for name, test := range map[string]struct {
		prefix gofakes3.Prefix
		want   []string
	}{
		"all":     {gofakes3.Prefix{}, []string{"a/1", "a/2", "a/3", "b", "c/1", "c/2", "d"}},
		"folders": {folders, []string{"a/", "b", "c/", "d"}},
		"one":     {gofakes3.Prefix{HasPrefix: true, Prefix: "c/"}, []string{"c/1", "c/2"}},
	} {
		for size := int64(1); size <= 8; size++ {
			var got []string
			for page := (gofakes3.ListBucketPage{MaxKeys: size}); ; {
				list, err := s.ListBucket(bucketName, &test.prefix, page)
				if err != nil {
					t.Fatal(err)
				}
				if n := len(list.Contents) + len(list.CommonPrefixes); int64(n) > size {
					t.Fatalf("%s: got %d entries in a page of %d", name, n, size)
				}
				for _, folder := range list.CommonPrefixes {
					got = append(got, folder.Prefix)
				}
				for _, object := range list.Contents {
					got = append(got, object.Key)
				}
				if !list.IsTruncated {
					break
				}
				page.HasMarker, page.Marker = true, list.NextMarker
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("%s in pages of %d: got %q, want %q", name, size, got, test.want)
			}
		}
	}
}

// uploadParts uploads parts and returns how to complete the upload.
func uploadParts(t *testing.T, s *Store, key string, parts ...string) (complete func() error, id gofakes3.UploadID) {
	t.Helper()
	id, err := s.CreateMultipartUpload(bucketName, key, map[string]string{"X-Amz-Meta-Of": key})
	if err != nil {
		t.Fatal(err)
	}
	request := &gofakes3.CompleteMultipartUploadRequest{}
	for n, content := range parts {
		etag, err := s.UploadPart(bucketName, key, id, n+1, int64(len(content)), strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		request.Parts = append(request.Parts, gofakes3.CompletedPart{PartNumber: n + 1, ETag: etag})
	}
	return func() error {
		_, _, err := s.CompleteMultipartUpload(bucketName, key, id, request)
		return err
	}, id
}

func TestParts(t *testing.T) {
	s, directory := withBucket(t)
	complete, _ := uploadParts(t, s, "a", "one ", "two ", "three")
	if err := complete(); err != nil {
		t.Fatal(err)
	}
	if err := complete(); !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchUpload) {
		t.Errorf("completed again: got %v, want no such upload", err)
	}
	again, id := uploadParts(t, s, "a", "another")
	s.ExpectNoObject(id)
	if err := again(); !gofakes3.HasErrorCode(err, gofakes3.ErrPreconditionFailed) {
		t.Errorf("upload of an object that exists: got %v, want a failed precondition", err)
	}
	list, err := s.ListMultipartUploads(bucketName, nil, gofakes3.Prefix{}, 10)
	if err != nil || len(list.Uploads) != 1 {
		t.Errorf("got %d uploads, %v, want the one that failed", len(list.Uploads), err)
	}
	if err := s.AbortMultipartUpload(bucketName, "a", id); err != nil {
		t.Fatal(err)
	}
	if rest, _ := os.ReadDir(filepath.Join(directory, incomingFolder)); len(rest) > 0 {
		t.Errorf("%d files of parts are left", len(rest))
	}
	wantObject(t, open(t, directory), "a", "one two three")
}

// A file that is not as the store left it is an error at the start, which names it.
func TestDamage(t *testing.T) {
	for name, damage := range map[string]func(content []byte) []byte{
		"cut":     func(content []byte) []byte { return content[:len(content)-1] },
		"empty":   func([]byte) []byte { return nil },
		"changed": func(content []byte) []byte { content[len(content)-20] ^= 1; return content },
		"content": func(content []byte) []byte { return content[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			s, directory := withBucket(t)
			mustPut(t, s, "a", "content")
			path := filepath.Join(directory, bucketsFolder, bucketName, fileName("a", ""))
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = Open(directory, true)
			if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), fileName("a", "")) {
				t.Errorf("got %v, want damage of %s", err, fileName("a", ""))
			}
		})
	}
}

// zeros returns a number of bytes.
func zeros(size int64) io.Reader { return io.LimitReader(zero{}, size) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An object takes no memory that grows with its size: neither stored at once nor in parts, nor read.
func TestMemory(t *testing.T) {
	const size, most = 16 << 20, 4 << 20
	s, _ := withBucket(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := s.PutObject(bucketName, "a", nil, zeros(size), size, nil); err != nil {
		t.Fatal(err)
	}
	id, _ := s.CreateMultipartUpload(bucketName, "b", nil)
	etag, err := s.UploadPart(bucketName, "b", id, 1, size, zeros(size))
	if err != nil {
		t.Fatal(err)
	}
	request := &gofakes3.CompleteMultipartUploadRequest{Parts: []gofakes3.CompletedPart{{PartNumber: 1, ETag: etag}}}
	if _, _, err := s.CompleteMultipartUpload(bucketName, "b", id, request); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		object, err := s.GetObject(bucketName, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, object.Contents); n != size || err != nil {
			t.Errorf("read %s: got %d bytes, %v", key, n, err)
		}
		object.Contents.Close()
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > most {
		t.Errorf("two objects of %d bytes took %d bytes of memory, want at most %d", size, got, most)
	}
}
