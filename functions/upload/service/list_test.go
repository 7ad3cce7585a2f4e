package service

import (
	"bytes"
	"fmt"
	"net/http"
	"path"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// A listing is what a test reads of the answer of GET /images.
type listing struct {
	ids      []string
	images   []map[string]any
	next     string
	complete bool
}

// list asks for a page, with a query such as "?limit=1".
func (s *testServer) list(query string) listing {
	s.t.Helper()
	answer := s.get("/images" + query)
	if answer.status != http.StatusOK {
		s.t.Fatalf("GET /images%s is answered %d %s, want 200", query, answer.status, answer.body)
	}
	fields := answer.json(s.t)
	l := listing{complete: fields["complete"] == true}
	l.next, _ = fields["next"].(string)
	for _, image := range fields["images"].([]any) {
		l.images = append(l.images, image.(map[string]any))
		l.ids = append(l.ids, image.(map[string]any)["image_id"].(string))
	}
	return l
}

// listAll reads all pages of a query such as "?limit=1".
func (s *testServer) listAll(query string) (ids []string) {
	s.t.Helper()
	page := s.list(query)
	for {
		ids = append(ids, page.ids...)
		if page.next == "" {
			return ids
		}
		page = s.list(query + "&cursor=" + page.next)
	}
}

func (s *testServer) indexKey(owner string) string {
	return "image:index:" + s.tagged() + ":of:" + owner
}

func (s *testServer) uploadThree() (newestFirst []string) {
	s.t.Helper()
	for i := range 3 {
		newestFirst = append([]string{s.upload("a.png", pngOf(s.t, 9+i, 9))}, newestFirst...)
		time.Sleep(2 * time.Millisecond) // the times of an index have milliseconds
	}
	return newestFirst
}

// Each client lists its own images, and an administrator all, the newest first.
func TestList(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	adas := c.ada.uploadThree()
	bobs := c.bob.upload("b.png", pngOf(t, 9, 9))
	time.Sleep(2 * time.Millisecond)
	only := c.ada.startAnother("AUTH_API_KEYS_FILE=", "AUTH_ADMINS=", "EVENTS_ONLY=true")
	only.key = ""
	event := only.post("/", "image/png", bytes.NewReader(pngOf(t, 8, 8)), binaryHeader("1")...)
	nobodys := path.Base(event.header.Get("Location"))
	all := append([]string{nobodys, bobs}, adas...)
	for _, query := range []string{"?limit=1", "?limit=2", "?limit=100"} {
		if got := c.ada.listAll(query); !slices.Equal(got, adas) {
			t.Errorf("ada lists %q with %s, want %q", got, query, adas)
		}
		if got := c.bob.listAll(query); !slices.Equal(got, []string{bobs}) {
			t.Errorf("bob lists %q with %s, want %q", got, query, bobs)
		}
		if got := c.admin.listAll(query); !slices.Equal(got, all) {
			t.Errorf("the administrator lists %q with %s, want %q", got, query, all)
		}
	}
	if got := c.anonymous.get("/images"); got.status != http.StatusUnauthorized {
		t.Errorf("without a key the answer is %d %s, want 401", got.status, got.body)
	}
	one := c.ada.list("?limit=1").images[0]
	if one["filename"] != "a.png" || one["status"] != "queued" || one["bytes"].(float64) < 50 ||
		one["url"] != "/images/"+adas[0] || time.Now().Unix()-int64(one["uploaded_at"].(float64)) > 60 {
		t.Errorf("an image is listed as %v", one)
	}
}

// The states are those of GET /status, whether or not Redis knows them.
func TestListStates(t *testing.T) {
	t.Parallel()
	s := start(t, "LIST_IMAGES=all")
	ids := s.uploadThree()
	queued, completed, failed := ids[0], ids[1], ids[2]
	s.complete(completed)
	key := imagestore.OriginalKey(failed, "a.png")
	if _, err := s.statuses().Fail(t.Context(), failed, key, events.Cause{}, "damaged", "It is damaged"); err != nil {
		t.Fatal(err)
	}
	for _, redis := range []string{"knows", "has forgotten", "knows again"} {
		t.Run("Redis "+redis, func(t *testing.T) {
			if redis == "has forgotten" {
				for _, id := range ids {
					s.forget(id)
				}
			}
			got := s.list("").images
			if len(got) != 3 || got[0]["status"] != "queued" || got[1]["status"] != "completed" || got[2]["status"] != "failed" {
				t.Fatalf("list is %v, want queued, completed, failed", got)
			}
			if got[1]["thumbnail_url"] != "/thumbnails/"+completed || fmt.Sprint(got[1]["original_size"]) != "[40 30]" {
				t.Errorf("the completed image is %v", got[1])
			}
			if got[2]["reason"] != "damaged" || got[2]["error"] != "It is damaged" || got[2]["thumbnail_url"] != nil {
				t.Errorf("the failed image is %v", got[2])
			}
			for state, want := range map[string]string{"queued": queued, "completed": completed, "failed": failed} {
				if got := s.listAll("?limit=1&state=" + state); !slices.Equal(got, []string{want}) {
					t.Errorf("state %s lists %q, want %q", state, got, want)
				}
			}
			if got := s.listAll("?state=processing"); len(got) != 0 {
				t.Errorf("state processing lists %q, want nothing", got)
			}
		})
	}
}

// Without authentication nobody lists images, unless the setting says that everybody may.
func TestListIsOff(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{{}, {"LIST_IMAGES=own"}, {"LIST_IMAGES=off"}} {
		s := start(t, settings...)
		s.upload("a.png", pngOf(t, 9, 9))
		if got := s.get("/images"); got.status != http.StatusNotFound || got.code(t) != "listing_off" {
			t.Errorf("with %q the answer is %d %s, want 404 listing_off", settings, got.status, got.body)
		}
		if keys := s.redis().Exists(t.Context(), s.indexKey("")).Val(); keys != 0 {
			t.Errorf("with %q there is an index", settings)
		}
	}
	c := startWithKeys(t, "LIST_IMAGES=off")
	if got := c.admin.get("/images"); got.code(t) != "listing_off" {
		t.Errorf("an administrator is answered %d %s, want listing_off", got.status, got.body)
	}
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	s := start(t, "LIST_IMAGES=all")
	id := s.upload("a.png", pngOf(t, 9, 9))
	for _, query := range []string{
		"limit=0", "limit=101", "limit=x", "limit=", "limit=1&limit=2", "state=unknown", "state=Queued", "cursor=x",
		"cursor=" + id, "page=2", "offset=10", "cursor=TmFOIDFiOWU0NTY3LWU4OWItMTJkMy1hNDU2LTQyNjYxNDE3NDAwMA",
	} {
		if got := s.get("/images?" + query); got.status != http.StatusBadRequest || got.code(t) != "bad_query" {
			t.Errorf("%s is answered %d %s, want 400 bad_query", query, got.status, got.body)
		}
	}
	got := s.get("/images")
	if cache := got.header.Get("Cache-Control"); cache != "private, no-cache" {
		t.Errorf("Cache-Control is %q", cache)
	}
	if again := s.get("/images", "If-None-Match: "+got.header.Get("ETag")); again.status != http.StatusNotModified {
		t.Errorf("with the ETag the answer is %d, want 304", again.status)
	}
	if again := s.get("/images", "Range: bytes=999999-"); again.body != got.body {
		t.Errorf("with a range the answer is %d %s, want all of it", again.status, again.body)
	}
	if again := s.get("/images", `If-Match: "other"`); again.code(t) != "not_matched" {
		t.Errorf("with another ETag in If-Match the answer is %d %s, want 412 not_matched", again.status, again.body)
	}
	s.upload("b.png", pngOf(t, 9, 9))
	if again := s.get("/images", "If-None-Match: "+got.header.Get("ETag")); again.status != http.StatusOK {
		t.Errorf("after an upload the answer with the ETag is %d, want 200", again.status)
	}
}

// An image that is not in the bucket is not listed, and leaves the index: somebody removed it, or its announcement
// failed and it was rolled back.
func TestListWithoutImagesThatAreGone(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	ids := c.ada.uploadThree()
	if err := c.ada.images().Remove(t.Context(), imagestore.OriginalKey(ids[1], "a.png")); err != nil {
		t.Fatal(err)
	}
	if got := c.ada.listAll("?limit=2"); !slices.Equal(got, []string{ids[0], ids[2]}) {
		t.Errorf("list is %q, want all but %q", got, ids[1])
	}
	c.ada.broker.setDown(true)
	if got := c.ada.uploadForm(field{"file", "a.png", pngOf(t, 9, 9)}); got.status != http.StatusServiceUnavailable {
		t.Fatalf("without the broker an upload is answered %d %s", got.status, got.body)
	}
	c.ada.broker.setDown(false)
	for _, owner := range []string{"", "ada"} {
		got := c.ada.redis().ZCount(t.Context(), c.ada.indexKey(owner), "0", "+inf").Val()
		if got != 2 {
			t.Errorf("the set of %q has %d images, want 2", owner, got)
		}
	}
}

// When Redis has lost everything, the list says that it is incomplete, until a sweep has gone through the bucket.
func TestListAfterRedisIsLost(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	ids := c.ada.uploadThree()
	c.admin.sweep()
	if got := c.ada.list(""); !got.complete || !slices.Equal(got.ids, ids) {
		t.Fatalf("list is %+v, want three images, complete", got)
	}
	keys := []string{c.ada.indexKey(""), c.ada.indexKey("ada"), "image:index:" + c.ada.tagged() + ":clients"}
	if err := c.ada.redis().Del(t.Context(), keys...).Err(); err != nil {
		t.Fatal(err)
	}
	newest := c.ada.upload("a.png", pngOf(t, 9, 9))
	got := c.ada.get("/images").json(t)
	since, _ := got["since"].(float64)
	if got["complete"] != false || time.Since(time.Unix(int64(since), 0)) > time.Minute {
		t.Errorf("list is %v, want an incomplete one since now", got)
	}
	if got := c.ada.list(""); !slices.Equal(got.ids, []string{newest}) {
		t.Errorf("list has %q, want %q", got.ids, newest)
	}
	c.admin.sweep()
	want := append([]string{newest}, ids...)
	if got := c.ada.list(""); !got.complete || !slices.Equal(got.ids, want) {
		t.Errorf("after a sweep the list is %+v, want %q, complete", got, want)
	}
	if got := c.admin.list(""); !got.complete || !slices.Equal(got.ids, want) {
		t.Errorf("after a sweep all images are %+v, want %q, complete", got, want)
	}
}

// One request looks at a bounded number of images in the store, however many there are, and whatever their states.
func TestListCostsTheSameInALargeIndex(t *testing.T) {
	t.Parallel()
	s := start(t, "LIST_IMAGES=all")
	var asked atomic.Int64
	pod := s.behind(func(minio http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isOfCheck(r.URL.RequestURI()) {
				asked.Add(1)
			}
			minio.ServeHTTP(w, r)
		})
	})
	pod.awaitReady()
	s.uploadThree()
	cost := func(query string) int64 {
		asked.Store(0)
		pod.list(query)
		return asked.Load()
	}
	few := cost("?limit=3")
	var elements []redis.Z
	for i := range 12_000 {
		elements = append(elements, redis.Z{Score: float64(1000 + i), Member: uuid.NewString()})
	}
	for part := range slices.Chunk(elements, 1000) {
		if err := s.redis().ZAdd(t.Context(), s.indexKey(""), part...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got := cost("?limit=3"); got != few {
		t.Errorf("a page took %d requests to the store, and %d with 12,000 images more; want the same", few, got)
	}
	if got := cost("?limit=3&state=failed"); got > 110 {
		t.Errorf("a page of a rare state took %d requests to the store, want about 100", got)
	}
}

// Without the store the list says what Redis knows.
func TestListWithoutStore(t *testing.T) {
	t.Parallel()
	s := start(t, "LIST_IMAGES=all")
	ids := s.uploadThree()
	s.forget(ids[0])
	got := s.startAnother("MINIO_ENDPOINT=127.0.0.1:1", "MINIO_CA_FILE=").list("")
	if !slices.Equal(got.ids, ids) || got.images[0]["status"] != "unknown" || got.images[1]["status"] != "queued" {
		t.Errorf("list is %v, want unknown, queued, queued", got.images)
	}
}
