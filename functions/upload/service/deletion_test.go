package service

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// anybodyDeletes is the setting of a service without authentication that deletes images.
const anybodyDeletes = "ALLOW_DELETE=everyone"

func (s *testServer) delete(imageID string) response {
	s.t.Helper()
	return s.do(http.MethodDelete, "/images/"+imageID, "", nil)
}

// wantDeleted fails the test unless an image is deleted: nothing of it is stored or found, and that was announced.
func (s *testServer) wantDeleted(imageID string, reason events.Deletion) {
	s.t.Helper()
	if got, want := s.keysOf(imageID), imageID+"/deleted~done"; strings.Join(got, " ") != want {
		s.t.Errorf("the bucket has %q of the image, want %q", got, want)
	}
	for _, path := range []string{"/status/", "/status/%s?wait=1", "/images/", "/images/%s/thumbnail", "/thumbnails/"} {
		path = strings.ReplaceAll(path, "%s", imageID)
		if !strings.Contains(path, imageID) {
			path += imageID
		}
		if got := s.get(path); got.status != http.StatusGone || got.code(s.t) != "image_deleted" {
			s.t.Errorf("GET %s: %d %s, want 410 image_deleted", path, got.status, got.body)
		}
	}
	s.wantAnnouncedDeleted(imageID, reason)
	for _, key := range []string{s.outboxKey(), "image:deletions:" + s.tagged()} {
		if score, err := s.redis().ZScore(s.t.Context(), key, imageID).Result(); err == nil {
			s.t.Errorf("%s has the image, since %f", key, score)
		}
	}
}

// wantAnnouncedDeleted accepts that an event was published more than once.
func (s *testServer) wantAnnouncedDeleted(imageID string, reason events.Deletion) {
	s.t.Helper()
	ids := map[string]bool{}
	for _, e := range s.broker.published() {
		if e.Subject() != imageID || e.Type() != events.TypeImageDeleted {
			continue
		}
		ids[e.ID()] = true
		deleted, err := events.Decode[events.ImageDeleted](e)
		if err != nil || deleted.ImageID != imageID || deleted.Reason != reason || e.Source() != events.SourceUpload {
			s.t.Errorf("published %v, %v; want %s with the reason %s", e, err, imageID, reason)
		}
	}
	if len(ids) != 1 {
		s.t.Errorf("published image.deleted with the IDs %v, want one", ids)
	}
}

// keysOf lists the objects of an image, and the notes about it.
func (s *testServer) keysOf(imageID string) (keys []string) {
	s.t.Helper()
	for _, key := range s.keys() {
		if strings.Contains(key, imageID) {
			keys = append(keys, key)
		}
	}
	return keys
}

// An image is deleted in whatever state it is, and stays so.
func TestDelete(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	content := pngOf(t, 60, 40)
	for name, bring := range map[string]func() (imageID string){
		"queued": func() string { return s.upload("a.png", content) },
		"processing": func() string {
			id := s.upload("a.png", content)
			if _, err := s.statuses().Advance(t.Context(), status.Status{ImageID: id, State: status.Processing}); err != nil {
				t.Fatal(err)
			}
			return id
		},
		"completed": func() string {
			id := s.upload("a.png", content)
			s.complete(id)
			return id
		},
		"failed": func() string {
			answer := s.post("/", "image/png", strings.NewReader("no image"), binaryHeader(uuid.NewString())...)
			return answer.json(t)["image_id"].(string)
		},
		"waiting for its object": func() string {
			event := reference(s.getenv("MINIO_BUCKET"), "not/there.png")
			answer := s.post("/", "application/json", event, binaryHeader(uuid.NewString())...)
			return strings.TrimPrefix(answer.header.Get("Location"), "/status/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			id := bring()
			for range 2 {
				if got := s.delete(strings.ToUpper(id)); got.status != http.StatusNoContent || got.body != "" {
					t.Fatalf("answer is %d %s, want 204", got.status, got.body)
				}
			}
			s.wantDeleted(id, events.DeletionRequested)
			s.sweep()
			s.wantDeleted(id, events.DeletionRequested)
		})
	}
	t.Run("never stored", func(t *testing.T) {
		for _, id := range []string{
			uuid.NewString(), "x", "a%20b", strings.Repeat("9", 400), "..%2Fx", uuid.NewString() + "%2Fa.png",
		} {
			if got := s.delete(id); got.status != http.StatusNotFound || got.code(t) != "image_not_found" {
				t.Errorf("DELETE /images/%s: %d %s, want 404 image_not_found", id, got.status, got.body)
			}
		}
	})
	t.Run("with a query", func(t *testing.T) {
		if got := s.delete(uuid.NewString() + "?force=1"); got.status != http.StatusBadRequest {
			t.Errorf("answer is %d %s, want 400", got.status, got.body)
		}
	})
	t.Run("with If-Match", func(t *testing.T) {
		deleteIf := func(id string, tags ...string) response {
			var headers []string
			for _, tag := range tags {
				headers = append(headers, "If-Match: "+tag)
			}
			return s.do(http.MethodDelete, "/images/"+id, "", nil, headers...)
		}
		id := s.upload("a.png", content)
		own := s.get("/images/" + id).header.Get("ETag")
		for _, tags := range [][]string{{`"other"`, `W/"weak", W/` + own}, {""}, {","}} {
			if got := deleteIf(id, tags...); got.status != 412 || got.code(t) != "not_matched" {
				t.Errorf("If-Match: %q: %d %s, want 412 not_matched", tags, got.status, got.body)
			}
		}
		long := "If-Unmodified-Since: Fri, 01 Mar 1991 00:00:00 GMT"
		if got := s.do(http.MethodDelete, "/images/"+id, "", nil, long); got.status != 412 || got.code(t) != "not_matched" {
			t.Errorf("%s: %d %s, want 412 not_matched", long, got.status, got.body)
		}
		for _, tags := range [][]string{{`"other", ` + own}, {own}, {"*"}} { // a deletion may be repeated
			if got := deleteIf(id, tags...); got.status != http.StatusNoContent {
				t.Errorf("If-Match: %q: %d %s, want 204", tags, got.status, got.body)
			}
		}
		if got := deleteIf(uuid.NewString(), "*"); got.status != http.StatusNotFound {
			t.Errorf("never stored: %d %s, want 404", got.status, got.body)
		}
	})
	t.Run("other paths", func(t *testing.T) {
		id := s.upload("a.png", content)
		for _, path := range []string{"/images/" + id + "/thumbnail", "/thumbnails/" + id, "/status/" + id, "/upload"} {
			if got := s.do(http.MethodDelete, path, "", nil); got.status != http.StatusMethodNotAllowed {
				t.Errorf("DELETE %s: %d %s, want 405", path, got.status, got.body)
			}
		}
	})
}

// Without authentication nobody deletes anything by default: everybody who may see an image knows its ID.
func TestDeleteNotAllowed(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*testServer{
		"without authentication": start(t), "nobody": start(t, "ALLOW_DELETE=nobody"),
		"nobody, by the Broker": start(t, "ALLOW_DELETE=nobody", "EVENTS_ONLY=true"),
		"nobody, with keys":     startWithKeys(t, "ALLOW_DELETE=nobody").admin,
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			id := uuid.NewString()
			s.storeOriginal(id, pngOf(t, 9, 9))
			if !strings.Contains(name, "Broker") {
				if got := s.delete(id); got.status != http.StatusForbidden || got.code(t) != "forbidden" {
					t.Errorf("answer is %d %s, want 403 forbidden", got.status, got.body)
				}
			}
			if got := s.postDelete(id); got.status != http.StatusForbidden {
				t.Errorf("the event is answered %d %s, want 403", got.status, got.body)
			}
			if got := s.keysOf(id); len(got) != 1 {
				t.Errorf("the bucket has %q, want the original", got)
			}
		})
	}
}

// postDelete delivers an image.delete.
func (s *testServer) postDelete(imageID string) response {
	s.t.Helper()
	return s.post("/", "application/json", strings.NewReader(`{"image_id": "`+imageID+`"}`), "Ce-Specversion: 1.0",
		"Ce-Type: image.delete", "Ce-Source: /shop", "Ce-Id: "+uuid.NewString())
}

// Clients delete their own images; for those of others the answer is that for an image that does not exist.
func TestDeleteWithKeys(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t, "QUOTA_IMAGES=1")
	content := pngOf(t, 9, 9)
	id := c.ada.upload("a.png", content)
	if got := c.anonymous.delete(id); got.status != http.StatusUnauthorized {
		t.Errorf("without a key: %d %s, want 401", got.status, got.body)
	}
	for _, other := range []string{id, uuid.NewString()} {
		if got := c.bob.delete(other); got.status != http.StatusNotFound || got.code(t) != "image_not_found" {
			t.Errorf("another client: %d %s, want 404 image_not_found", got.status, got.body)
		}
		if got := c.bob.postDelete(other); got.status != http.StatusOK {
			t.Errorf("another client's event: %d %s, want 200", got.status, got.body)
		}
	}
	if got := c.ada.get("/images/" + id); got.status != http.StatusOK {
		t.Fatalf("the image is answered %d %s, want 200", got.status, got.body)
	}
	for i, client := range []*testServer{c.ada, c.admin, c.ada} {
		if i > 0 { // what was deleted does not count
			id = c.ada.upload("a.png", content)
		}
		if got := client.delete(id); got.status != http.StatusNoContent {
			t.Fatalf("answer is %d %s, want 204", got.status, got.body)
		}
		c.ada.wantDeleted(id, events.DeletionRequested)
		if got := c.bob.get("/images/" + id); got.status != http.StatusNotFound {
			t.Errorf("another client learns of the deletion: %d %s", got.status, got.body)
		}
	}
	id = c.ada.upload("a.png", content)
	broker := c.anonymous.startAnother("EVENTS_ONLY=true", "AUTH_API_KEYS_FILE=", "AUTH_ADMINS=", "QUOTA_IMAGES=")
	if got := broker.postDelete(id); got.status != http.StatusOK {
		t.Errorf("an event from the Broker: %d %s, want 200", got.status, got.body)
	}
	c.ada.wantDeleted(id, events.DeletionRequested)
}

// An image.delete in each mode; again, and of images that do not exist, it has no effect.
func TestDeleteByEvent(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	id := s.upload("a.png", pngOf(t, 9, 9))
	attributes := []string{"Ce-Specversion: 1.0", "Ce-Type: image.delete", "Ce-Source: /shop", "Ce-Id: 1"}
	data := `{"image_id": "` + id + `"}`
	if got := s.post("/upload", "application/json", strings.NewReader(data), attributes...); got.status != 400 {
		t.Errorf("at /upload the answer is %d %s, want 400", got.status, got.body)
	}
	for name, body := range map[string]string{
		"no ID": "{}", "no JSON": "{", "no data": "", "bad ID": `{"image_id": "x"}`,
	} {
		if got := s.post("/", "application/json", strings.NewReader(body), attributes...); got.status != 400 {
			t.Errorf("%s: %d %s, want 400", name, got.status, got.body)
		}
	}
	for name, got := range map[string]response{
		"binary":                  s.post("/", "application/json", strings.NewReader(data), attributes...),
		"without content type":    s.post("/", "", strings.NewReader(data), attributes...),
		"an image does not exist": s.postDelete(uuid.NewString()),
		"structured": s.post("/", structuredMode, structuredEvent(t, map[string]any{
			"type": "image.delete", "data": map[string]string{"image_id": id},
		})),
	} {
		if got.status != http.StatusOK || got.body != "" {
			t.Errorf("%s: %d %s, want 200 without a body", name, got.status, got.body)
		}
	}
	s.wantDeleted(id, events.DeletionRequested)
}

// What brought an image does not bring it back when it is repeated.
func TestNothingComesBack(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes, storedOneSecond)
	content := pngOf(t, 9, 9)

	t.Run("by key", func(t *testing.T) {
		id := s.uploadRaw("key", "a.png", bytes.NewReader(content)).imageID(t)
		s.delete(id)
		for _, other := range [][]byte{content, pngOf(t, 10, 10)} {
			if got := s.uploadRaw("key", "a.png", bytes.NewReader(other)); got.status != 410 || got.code(t) != "image_deleted" {
				t.Errorf("answer is %d %s, want 410 image_deleted", got.status, got.body)
			}
		}
		s.wantDeleted(id, events.DeletionRequested)
	})
	t.Run("by event", func(t *testing.T) {
		send := func(path string) response {
			return s.post(path, "image/png", bytes.NewReader(content), binaryHeader("repeated")...)
		}
		id := send("/upload").imageID(t)
		s.delete(id)
		if got := send("/upload"); got.status != http.StatusGone {
			t.Errorf("a client's event is answered %d %s, want 410", got.status, got.body)
		}
		if got := send("/"); got.status != http.StatusOK || got.body != "" {
			t.Errorf("the Broker's event is answered %d %s, want 200 without a body", got.status, got.body)
		}
		s.wantDeleted(id, events.DeletionRequested)
	})
	t.Run("by reference", func(t *testing.T) {
		id := s.upload("a.png", content)
		send := func() response {
			event := reference(s.getenv("MINIO_BUCKET"), id+"/a.png")
			return s.post("/", "application/json", event, binaryHeader("reference")...)
		}
		send()
		s.delete(id)
		before := len(s.keys())
		if got := send(); got.status != http.StatusOK || len(s.keys()) != before {
			t.Errorf("answer is %d %s, and the bucket has %q", got.status, got.body, s.keys())
		}
		s.wantDeleted(id, events.DeletionRequested)
		got := s.get("/status?source=" + eventSource + "&id=reference")
		if got.status != http.StatusGone || got.code(t) != "image_deleted" {
			t.Errorf("the event's status is answered %d %s, want 410 image_deleted", got.status, got.body)
		}
	})
	t.Run("by a note", func(t *testing.T) {
		id := s.upload("a.png", content)
		s.delete(id)
		e := event.New()
		e.SetID("1")
		e.SetSource("/x")
		e.SetType(events.TypeImageUploaded)
		note := deferral.NewNote(deferral.Uploaded, e, id, s.getenv("MINIO_BUCKET"), id+"/a.png", "a.png")
		if err := deferral.New(s.redis(), s.images()).Defer(t.Context(), note); err != nil {
			t.Fatal(err)
		}
		await(t, "the note is settled", func() bool { return len(s.keysOf(id)) == 1 })
		s.wantDeleted(id, events.DeletionRequested)
	})
	t.Run("by a sweep", func(t *testing.T) {
		id := s.upload("a.png", content)
		s.delete(id)
		s.queue(id)
		s.storeOriginal(id, content) // which an upload stored late
		await(t, "the original is removed", func() bool { s.sweep(); return len(s.keysOf(id)) == 1 })
		s.sweepUntilEmpty()
		s.wantDeleted(id, events.DeletionRequested)
	})
}

// The function is killed between the steps of a deletion. A sweep goes on, even if Redis has forgotten all of it, and
// announces the deletion, as the same event if it was announced before.
func TestDeletionAfterCrash(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes, "SWEEP_QUEUED_SECONDS=1")
	record := func(id string) []byte {
		return fmt.Appendf(nil, `{"image_id": "%s", "reason": "requested", "deleted_at": 1767225601.5}`, id)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		name string
		do   func(id string)
	}{
		{"buried", func(id string) { check(s.images().Bury(t.Context(), id, record(id))) }},
		{"the status is set", func(id string) {
			_, err := s.statuses().Delete(t.Context(), id, time.Now())
			check(err)
		}},
		{"removed", func(id string) { check(s.images().RemoveLeftovers(t.Context(), id)) }},
		{"published", func(id string) { s.delete(id) }},
		{"settled in part", func(id string) { check(s.images().Bury(t.Context(), id, []byte("{}"))) }},
	}
	for last := range steps {
		for _, forgotten := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, Redis has forgotten: %t", steps[last].name, forgotten), func(t *testing.T) {
				s := *s
				s.t = t
				id := s.upload("a.png", pngOf(t, 9, 9))
				for _, step := range steps[:last+1] {
					step.do(id)
				}
				pending := "image:deletions:" + s.tagged()
				if forgotten {
					for _, key := range []string{s.statusKey(id), pending, s.outboxKey()} {
						check(s.redis().Del(t.Context(), key).Err())
					}
				} else {
					check(s.redis().ZAdd(t.Context(), pending, redis.Z{Score: 1, Member: id}).Err())
				}
				await(t, "it is deleted", func() bool {
					if got := s.sweep(); got.status != http.StatusOK {
						t.Fatalf("answer is %d %s, want 200", got.status, got.body)
					}
					return strings.Join(s.keysOf(id), " ") == id+"/deleted~done"
				})
				s.wantDeleted(id, events.DeletionRequested)
			})
		}
	}
	t.Run("before it is buried", func(t *testing.T) {
		id := s.upload("a.png", pngOf(t, 9, 9))
		pending := "image:deletions:" + s.tagged()
		check(s.redis().ZAdd(t.Context(), pending, redis.Z{Score: 1, Member: id}).Err())
		s.sweep()
		if count, err := s.redis().ZCard(t.Context(), pending).Result(); count != 0 || err != nil {
			t.Errorf("Redis has %d deletions, %v; want none", count, err)
		}
		if got := s.get("/images/" + id); got.status != http.StatusOK {
			t.Errorf("the image is answered %d %s, want 200", got.status, got.body)
		}
	})
}

// Without a broker an image is deleted at once, and that is announced later.
func TestDeleteWithoutBroker(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	id := s.upload("a.png", pngOf(t, 9, 9))
	s.broker.setDown(true)
	if got := s.delete(id); got.status != http.StatusNoContent {
		t.Fatalf("answer is %d %s, want 204", got.status, got.body)
	}
	if got := s.keysOf(id); strings.Join(got, " ") != id+"/deleted~pending" {
		t.Errorf("the bucket has %q, want the pending tombstone", got)
	}
	pending := "image:deletions:" + s.tagged()
	began := redis.Z{Score: float64(time.Now().Add(-time.Hour).Unix()), Member: id}
	lost := redis.Z{Score: 1, Member: uuid.NewString()} // of a deletion that Redis has lost
	if err := s.redis().ZAdd(t.Context(), pending+":began", began, lost).Err(); err != nil {
		t.Fatal(err)
	}
	sweep := func() (metrics string) {
		t.Helper()
		if err := s.redis().ZAdd(t.Context(), pending, redis.Z{Score: 1, Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
		s.sweep()
		return s.get("/metrics").body
	}
	waits := regexp.MustCompile(`(?s)\nimage_deletion_age_seconds 36\d\d\D.*\nimage_deletions_pending 1\n`)
	if got := sweep(); !waits.MatchString(got) {
		t.Errorf("the metrics lack one deletion that began an hour ago: %s", got)
	}
	s.broker.setDown(false)
	if got := sweep(); !strings.Contains(got, "\nimage_deletion_age_seconds 0\n") {
		t.Errorf("the metrics have a deletion that waits: %s", got)
	}
	s.wantDeleted(id, events.DeletionRequested)
}

// Many requests delete an image while others upload it again with its key: it is deleted once, and stays so.
func TestDeleteAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	content := pngOf(t, 30, 20)
	for round := range 4 {
		key := fmt.Sprint("key", round)
		id := s.uploadRaw(key, "a.png", bytes.NewReader(content)).imageID(t)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if got := s.delete(id); got.status != http.StatusNoContent {
					t.Errorf("answer is %d %s, want 204", got.status, got.body)
				}
			})
			all.Go(func() {
				got := s.uploadRaw(key, "a.png", bytes.NewReader(content))
				if got.status != http.StatusOK && got.status != http.StatusGone && got.status != http.StatusServiceUnavailable {
					t.Errorf("the upload is answered %d %s, want 200, 410, or 503", got.status, got.body)
				}
			})
		}
		all.Wait()
		s.delete(id)
		s.wantDeleted(id, events.DeletionRequested)
	}
}

// A request that did not see the image deleted buries it again after another one has settled that, between the listing
// and the reading of a third. All announce the same event.
func TestDeleteBuriedAgain(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	id := s.upload("a.png", pngOf(t, 9, 9))
	var once sync.Once
	pod := s.behind(func(minio http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, id+"/deleted~pending") {
				once.Do(func() {
					s.delete(id)
					later := fmt.Appendf(nil, `{"image_id": "%s", "reason": "requested", "deleted_at": 1767225601.5}`, id)
					if err := s.images().Bury(t.Context(), id, later); err != nil {
						t.Error(err)
					}
				})
			}
			minio.ServeHTTP(w, r)
		})
	})
	if got := pod.delete(id); got.status != http.StatusNoContent {
		t.Errorf("answer is %d %s, want 204", got.status, got.body)
	}
	s.wantDeleted(id, events.DeletionRequested)
}

// Those who wait for an image learn that it is deleted.
func TestWaitForDeletion(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	id := s.upload("a.png", pngOf(t, 9, 9))
	answers := make(chan response, 2)
	go func() { answers <- s.get("/status/" + id + "?wait=60") }()
	go func() { answers <- s.get("/events?ids=" + id) }()
	await(t, "both wait", func() bool {
		count, err := s.redis().PubSubNumSub(t.Context(), s.statusKey(id)).Result()
		return err != nil || count[s.statusKey(id)] > 0
	})
	s.delete(id)
	for range 2 {
		got := <-answers
		isGone := got.status == http.StatusGone && got.code(t) == "image_deleted"
		if !isGone && !strings.Contains(got.body, `"status":"deleted"`) {
			t.Errorf("answer is %d %s, want 410 or an event", got.status, got.body)
		}
	}
	again := s.get("/status/" + id + "/events")
	if again.status != http.StatusOK || !strings.Contains(again.body, `"status":"deleted"`) {
		t.Errorf("a stream of a deleted image is answered %d %s, want its status", again.status, again.body)
	}
}

// verify checks the bucket, and repairs it if asked to.
func (s *testServer) verify(repair bool) (good bool, text string) {
	s.t.Helper()
	var out strings.Builder
	good, err := Verify(s.t.Context(), s.getenv, repair, &out, io.Discard)
	if err != nil {
		s.t.Fatal(err)
	}
	return good, out.String()
}

// verify finds deletions that are not complete, and completes them.
func TestVerifyDeletions(t *testing.T) {
	t.Parallel()
	s := start(t, anybodyDeletes)
	id := s.upload("a.png", pngOf(t, 9, 9))
	s.delete(id)
	s.storeOriginal(id, pngOf(t, 9, 9))
	good, text := s.verify(false)
	if good || !strings.Contains(text, "not deleted completely: "+id) || !strings.Contains(text, "1 were deleted") {
		t.Errorf("verify = %t, %s; want the image", good, text)
	}
	if good, text := s.verify(true); !good {
		t.Errorf("verify --repair = %t, %s", good, text)
	}
	s.wantDeleted(id, events.DeletionRequested)
	if good, text := s.verify(false); !good {
		t.Errorf("verify after the repair = %t, %s", good, text)
	}
}
