package service

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// A client that has as many images as it may is refused before its image is read, and nobody else is. What it has sent
// before it may repeat.
func TestQuota(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t, "QUOTA_IMAGES=2")
	content := pngOf(t, 9, 9)
	first := c.ada.uploadRaw("key", "a.png", bytes.NewReader(content))
	if first.status != http.StatusOK {
		t.Fatalf("the first upload is answered %d %s, want 200", first.status, first.body)
	}
	for range 3 { // a repetition does not count
		if got := c.ada.uploadRaw("key", "a.png", bytes.NewReader(content)); got.body != first.body {
			t.Errorf("a repetition is answered %d %s, want %s", got.status, got.body, first.body)
		}
	}
	if got := c.ada.post("/upload", "image/png", strings.NewReader("not an image")); got.status == http.StatusOK {
		t.Errorf("what is not an image is answered %d %s, want an error", got.status, got.body)
	}
	second := c.ada.upload("b.png", content)

	t.Run("refused", func(t *testing.T) {
		got := c.ada.post("/upload", "image/png", bytes.NewReader(content))
		fields := got.json(t)
		if got.status != http.StatusForbidden || got.code(t) != "quota_exceeded" || fields["limit"] != 2.0 ||
			fields["found"] != 2.0 {
			t.Errorf("answer is %d %s, want 403 quota_exceeded, limit 2, found 2", got.status, got.body)
		}
	})
	t.Run("refused before it is read", func(t *testing.T) {
		got := c.ada.dial("POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n" +
			"Authorization: Bearer " + c.ada.key + "\r\n\r\n")
		if got.status != http.StatusForbidden || got.code(t) != "quota_exceeded" {
			t.Errorf("answer is %d %s, want 403 quota_exceeded and not 100", got.status, got.body)
		}
	})
	t.Run("repeated", func(t *testing.T) {
		if got := c.ada.uploadRaw("key", "a.png", bytes.NewReader(content)); got.body != first.body {
			t.Errorf("a repetition is answered %d %s, want %s", got.status, got.body, first.body)
		}
	})
	t.Run("referred to", func(t *testing.T) {
		event := reference(c.ada.getenv("MINIO_BUCKET"), imagestore.OriginalKey(second, "b.png"))
		got := c.ada.post("/upload", "application/json", event, binaryHeader("one")...)
		if got.status != http.StatusOK || got.imageID(t) != second {
			t.Errorf("a reference to an image of its own is answered %d %s, want 200", got.status, got.body)
		}
	})
	t.Run("by event", func(t *testing.T) {
		got := c.ada.post("/", "image/png", bytes.NewReader(content), binaryHeader("two")...)
		if got.status != http.StatusForbidden || got.code(t) != "quota_exceeded" {
			t.Errorf("answer is %d %s, want 403 quota_exceeded", got.status, got.body)
		}
	})
	t.Run("others", func(t *testing.T) {
		c.bob.upload("b.png", content)
		for range 3 {
			c.admin.upload("c.png", content)
		}
	})
}

// A body of any form counts by its bytes, and is not stored if they do not fit.
func TestQuotaOfBytes(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	for _, size := range []int{3 * mebibyte, 7 * mebibyte} { // in one part, in several
		content := padded(t, size)
		small := pngOf(t, 9, 9)
		for name, send := range map[string]func(s *testServer, content []byte) response{
			"declared": func(s *testServer, content []byte) response {
				return s.post("/upload", "image/png", bytes.NewReader(content))
			},
			"chunks": func(s *testServer, content []byte) response {
				return s.post("/upload", "image/png", ofUnknownLength(bytes.NewReader(content)))
			},
			"form": func(s *testServer, content []byte) response {
				return s.uploadForm(field{"file", "a.png", content})
			},
		} {
			t.Run(fmt.Sprintf("%s of %d bytes", name, size), func(t *testing.T) {
				t.Parallel()
				c := startWithKeys(t, fmt.Sprint("QUOTA_BYTES=", size+mebibyte))
				if got := send(c.ada, content); got.status != http.StatusOK {
					t.Fatalf("the first upload is answered %d %s, want 200", got.status, got.body)
				}
				got := send(c.ada, content)
				if got.status != http.StatusForbidden || got.code(t) != "quota_exceeded" {
					t.Errorf("the second upload is answered %d %s, want 403 quota_exceeded", got.status, got.body)
				}
				if got := send(c.ada, small); got.status != http.StatusOK {
					t.Errorf("a small upload is answered %d %s, want 200", got.status, got.body)
				}
				if got := send(c.bob, content); got.status != http.StatusOK {
					t.Errorf("another client's upload is answered %d %s, want 200", got.status, got.body)
				}
				if got := c.ada.keys(); len(got) != 3 {
					t.Errorf("bucket has %q, want three images", got)
				}
			})
		}
	}
}

// Uploads at the same time exceed a quota together as little as one after the other.
func TestQuotaTogether(t *testing.T) {
	t.Parallel()
	for range 5 {
		busy := uploadTogether(t)
		if busy == 0 {
			return
		}
		t.Logf("Redis was too slow for %d uploads, whose places stay reserved; all begin anew, in another bucket", busy)
	}
	t.Error("uploads were 503 each of five times, want them counted exactly")
}

// uploadTogether checks that a quota is used up by uploads at the same time, and never exceeded. It returns how many of
// them were refused because Redis did not answer in time.
func uploadTogether(t *testing.T) (unavailable int64) {
	t.Helper()
	const quota, uploads = 5, 24
	c := startWithKeys(t, fmt.Sprint("QUOTA_IMAGES=", quota))
	pods := []*testServer{c.ada, c.ada.startAnother()}
	content := pngOf(t, 9, 9)
	var accepted, refused, busy atomic.Int64
	var all sync.WaitGroup
	for i := range uploads {
		all.Go(func() {
			got := pods[i%2].post("/upload", "image/png", ofUnknownLength(bytes.NewReader(content)))
			switch {
			case got.status == http.StatusOK:
				accepted.Add(1)
			case got.status == http.StatusForbidden:
				refused.Add(1)
			case got.status == http.StatusServiceUnavailable:
				busy.Add(1)
			default:
				t.Errorf("answer is %d %s, want 200, 403 or 503", got.status, got.body)
			}
		})
	}
	all.Wait()
	stored := len(c.ada.keys())
	if stored > quota {
		t.Errorf("%d are stored, want at most %d", stored, quota)
	}
	if busy.Load() == 0 && (accepted.Load() != quota || refused.Load() != uploads-quota || stored != quota) {
		t.Errorf("%d were accepted, %d refused, %d are stored; want %d, %d, %d", accepted.Load(), refused.Load(),
			stored, quota, uploads-quota, quota)
	}
	return busy.Load()
}

// used returns how many images, and bytes, Redis has counted for a client.
func (s *testServer) used(client string) string {
	s.t.Helper()
	key := "image:quota:" + s.tagged() + ":client:" + client
	scores, err := s.redis().ZMScore(s.t.Context(), key, "images", "bytes").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprint(scores)
}

// A slowUpload is an upload of a client that has sent the header of an image, has a place for it, and sends the rest
// when it is told to.
type slowUpload struct {
	rest    func()
	answers chan response
}

func (s *testServer) beginSlowUpload(t *testing.T, client string, send func(body io.Reader) response, content []byte,
) slowUpload {
	t.Helper()
	body, writer := io.Pipe()
	u := slowUpload{answers: make(chan response, 1)}
	go func() { u.answers <- send(body) }()
	half := len(content) / 2
	if _, err := writer.Write(content[:half]); err != nil {
		t.Fatal(err)
	}
	u.rest = func() {
		_, _ = writer.Write(content[half:])
		writer.Close()
	}
	await(t, "the upload has a place", func() bool {
		return s.redis().ZCard(t.Context(), "image:quota:"+s.tagged()+":sizes:"+client).Val() > 0
	})
	return u
}

// Of two requests with one key at the same time, the other brings the last image that the client may have. Each gets
// the answer to that image, and it counts once.
func TestQuotaOfSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	content := padded(t, 4096)
	for name, send := range map[string]func(s *testServer, body io.Reader) response{
		"key": func(s *testServer, body io.Reader) response { return s.uploadRaw("key", "a.png", body) },
		"event": func(s *testServer, body io.Reader) response {
			return s.post("/upload", "image/png", body, binaryHeader("one", "Ce-Subject: a.png")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ada := startWithKeys(t, "QUOTA_IMAGES=1").ada
			slow := ada.beginSlowUpload(t, "ada", func(body io.Reader) response { return send(ada, body) }, content)
			first := send(ada, bytes.NewReader(content))
			slow.rest()
			second := <-slow.answers
			if first.status != http.StatusOK || second.status != http.StatusOK || second.imageID(t) != first.imageID(t) {
				t.Errorf("answers are %d %s and %d %s, want 200 with one image", first.status, first.body, second.status,
					second.body)
			}
			if got, want := ada.used("ada"), fmt.Sprint([]float64{1, float64(len(content))}); got != want {
				t.Errorf("the client has %s, want %s", got, want)
			}
		})
	}
}

// What is stored and then removed, because another request with the key was first, does not count.
func TestQuotaWithoutRemoved(t *testing.T) {
	t.Parallel()
	ada, content := startWithKeys(t, "QUOTA_IMAGES=2").ada, padded(t, 4096)
	send := func(body io.Reader) response { return ada.uploadRaw("key", "a.png", body) }
	slow := ada.beginSlowUpload(t, "ada", send, content)
	if got := ada.uploadRaw("key", "b.png", bytes.NewReader(content)); got.status != http.StatusOK {
		t.Fatalf("an upload is answered %d %s, want 200", got.status, got.body)
	}
	slow.rest()
	if got := <-slow.answers; got.status != http.StatusUnprocessableEntity {
		t.Errorf("an upload with the key and another filename is answered %d %s, want 422", got.status, got.body)
	}
	if got, want := ada.used("ada"), fmt.Sprint([]float64{1, float64(len(content))}); got != want {
		t.Errorf("the client has %s, want %s", got, want)
	}
}

// An image leaves the count once, although its deletion goes on, because Kafka is down, until Redis has forgotten that
// it was deleted.
func TestQuotaAfterDeletion(t *testing.T) {
	t.Parallel()
	ada, content := startWithKeys(t, "QUOTA_IMAGES=3").ada, pngOf(t, 9, 9)
	ids := []string{ada.upload("a.png", content), ada.upload("b.png", content), ada.upload("c.png", content)}
	ada.broker.setDown(true)
	for range 2 {
		if got := ada.delete(ids[0]); got.status != http.StatusNoContent {
			t.Fatalf("a deletion is answered %d %s, want 204", got.status, got.body)
		}
		if got, want := ada.used("ada"), fmt.Sprint([]float64{2, 2 * float64(len(content))}); got != want {
			t.Errorf("the client has %s, want %s", got, want)
		}
		if err := ada.redis().Del(t.Context(), ada.statusKey(ids[0])).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// The bucket decides: a sweep to its end restores what Redis has forgotten, and frees what was removed.
func TestQuotaIsOfTheBucket(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t, "QUOTA_IMAGES=2")
	content := pngOf(t, 9, 9)
	c.bob.upload("b.png", content)
	ids := []string{c.ada.upload("1.png", content), c.ada.upload("2.png", content)}
	upload := func(want int) {
		t.Helper()
		if got := c.ada.post("/upload", "image/png", bytes.NewReader(content)); got.status != want {
			t.Fatalf("an upload is answered %d %s, want %d", got.status, got.body, want)
		}
	}
	upload(http.StatusForbidden)

	client := c.ada.redis()
	bucket := c.ada.getenv("MINIO_BUCKET")
	for _, key := range []string{"client:ada", "client:bob", "clients", "pass"} {
		if err := client.Del(t.Context(), "image:quota:"+c.ada.tagged()+":"+key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	upload(http.StatusOK) // Redis has forgotten the client, and counts from here
	inside := c.anonymous.startAnother("AUTH_API_KEYS_FILE=", "AUTH_ADMINS=", "QUOTA_IMAGES=")
	sweep := func() {
		t.Helper()
		inside.key = ""
		if got := inside.sweep(); got.status != http.StatusOK {
			t.Fatalf("a sweep is answered %d %s, want 200", got.status, got.body)
		}
	}
	sweep() // by a function that has no quota
	upload(http.StatusForbidden)

	store := c.ada.minio()
	for i, id := range ids {
		key := imagestore.OriginalKey(id, fmt.Sprint(i+1, ".png"))
		if err := store.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	upload(http.StatusForbidden)
	sweep()
	upload(http.StatusOK) // the image of after Redis had forgotten, and this one
	upload(http.StatusForbidden)
}

// Without a quota nothing is kept for it.
func TestNoQuota(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	c.ada.upload("a.png", pngOf(t, 9, 9))
	for _, key := range []string{"client:ada", "clients", "pass"} {
		key = "image:quota:" + c.ada.tagged() + ":" + key
		if count, err := c.ada.redis().Exists(t.Context(), key).Result(); count != 0 || err != nil {
			t.Errorf("Redis has %d of %s, %v; want none", count, key, err)
		}
	}
}

// A quota without clients is a mistake.
func TestQuotaNeedsAuthentication(t *testing.T) {
	t.Parallel()
	getenv := testservers.Start(t, "QUOTA_IMAGES=1", "QUOTA_BYTES=1", "K_SINK=http://127.0.0.1:1")
	err := Run(t.Context(), nil, getenv)
	for _, name := range []string{"QUOTA_IMAGES is set", "QUOTA_BYTES is set"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Run() = %v, want %q", err, name)
		}
	}
}
