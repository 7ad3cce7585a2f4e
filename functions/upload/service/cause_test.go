package service

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
)

// statusOf asks for the status of the image of an event.
func (s *testServer) statusOf(source, id string) response {
	s.t.Helper()
	return s.get("/status?" + url.Values{"source": {source}, "id": {id}}.Encode())
}

// failedReply decodes the image.failed in an answer.
func (r response) failedReply(tb testing.TB) (events.ImageFailed, map[string]any) {
	tb.Helper()
	reply, err := cloudevent.Parse(r.header, []byte(r.body))
	if err != nil {
		tb.Fatalf("answer is %d %s, want a reply: %v", r.status, r.body, err)
	}
	failed, err := events.Decode[events.ImageFailed](reply)
	if err != nil {
		tb.Fatal(err)
	}
	return failed, reply.Extensions()
}

// image.failed names the event that brought the image: in every mode, in every reply, and after Redis was lost.
func TestFailedNamesCause(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, test := range map[string]struct {
		send func(id string) sentEvent
		id   string // after the random one
		want string
	}{
		"binary":     {binaryDelivery("image/png", "text"), "", ""},
		"encoded":    {binaryDelivery("image/png", "text"), "%20%C3%BC%2520", " ü%20"},
		"raw":        {binaryDelivery("image/png", "text"), "ü", "ü"},
		"structured": {structuredDelivery(`,"datacontenttype":"image/png","data_base64":"dGV4dA=="`), " ☃%20", " ☃%20"},
	} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			want := events.Cause{Source: eventSource, ID: id + test.want}
			for _, again := range []string{"first", "again", "without Redis"} {
				failed, extensions := s.deliver(test.send(id + test.id)).failedReply(t)
				if failed.Cause != want {
					t.Errorf("%s: cause is %+v, want %+v", again, failed.Cause, want)
				}
				if extensions[events.CausationSource] != want.Source || extensions[events.CausationID] != want.ID {
					t.Errorf("%s: extensions are %v, want those of %+v", again, extensions, want)
				}
				if again == "again" {
					s.forget(failed.ImageID)
				}
			}
			answer := s.statusOf(want.Source, want.ID).json(t)
			cause, _ := answer["cause"].(map[string]any)
			if answer["status"] != "failed" || cause["source"] != want.Source || cause["id"] != want.ID {
				t.Errorf("status of the event is %v, want failed with the cause %+v", answer, want)
			}
		})
	}
}

// A cause that is too long to be stored with an image is left out; the image is accepted.
func TestLongCause(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, test := range map[string]struct {
		length int
		named  bool
	}{
		"longest":  {640 - len(url.PathEscape(eventSource)), true},
		"too long": {641 - len(url.PathEscape(eventSource)), false},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.Repeat("i", test.length)
			failed, _ := s.deliver(binaryDelivery("image/png", "text")(id)).failedReply(t)
			if named := failed.Cause != (events.Cause{}); named != test.named {
				t.Errorf("cause is %+v, want one: %v", failed.Cause, test.named)
			}
			long := "Ce-Subject: " + strings.Repeat("ü", 1000) + ".png"
			good := strings.Repeat("j", test.length)
			imageID := s.deliver(binaryDelivery("image/png", string(pngOf(t, 9, 9)), long)(good)).imageOf(t)
			if cause := s.causeStoredWith(imageID); (cause != events.Cause{}) != test.named {
				t.Errorf("cause beside a long name is %+v, want one: %v", cause, test.named)
			}
		})
	}
}

// causeStoredWith returns the cause in the metadata of an original.
func (s *testServer) causeStoredWith(imageID string) events.Cause {
	s.t.Helper()
	objects, err := s.images().Find(s.t.Context(), imageID)
	if err != nil || objects.Original == nil {
		s.t.Fatalf("objects of %s are %+v, %v; want an original", imageID, objects, err)
	}
	info, err := s.images().Stat(s.t.Context(), objects.Original.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Cause()
}

// The original keeps the event that brought it, for the result; an upload has none.
func TestOriginalKeepsCause(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	content := pngOf(t, 9, 9)
	s.put(bucket, "a.png", content)
	large := string(content) + strings.Repeat("\x00", 6<<20) // is stored in parts
	for name, send := range map[string]func(id string) sentEvent{
		"image":       binaryDelivery("image/png", string(content)),
		"large image": binaryDelivery("image/png", large),
		"reference":   binaryDelivery("", `{"bucket":"`+bucket+`","object_name":"a.png"}`),
	} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString() + " ☃%/"
			imageID := s.deliver(send(url.PathEscape(id))).imageOf(t)
			if got, want := s.causeStoredWith(imageID), (events.Cause{Source: eventSource, ID: id}); got != want {
				t.Errorf("cause is %+v, want %+v", got, want)
			}
		})
	}
	t.Run("upload", func(t *testing.T) {
		if got := s.causeStoredWith(s.upload("a.png", content)); got != (events.Cause{}) {
			t.Errorf("cause is %+v, want none", got)
		}
	})
}

// GET /status?source=&id= finds the image of an event, in whatever encoding it is asked for.
func TestEventStatus(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := uuid.NewString()
	imageID := s.deliver(binaryDelivery("image/png", string(pngOf(t, 9, 9)))(id + "%20ü")).imageOf(t)
	for _, asked := range []string{id + " ü", id + "%20%C3%BC", id + "%2520ü"} {
		t.Run(asked[len(id):], func(t *testing.T) {
			got := s.statusOf(eventSource, asked).json(t)
			if got["image_id"] != imageID || got["status"] != "queued" {
				t.Errorf("answer is %v, want image %s, queued", got, imageID)
			}
		})
	}
	t.Run("without Redis", func(t *testing.T) {
		s.forget(imageID)
		if got := s.statusOf(eventSource, id+" ü").json(t); got["image_id"] != imageID {
			t.Errorf("answer is %v, want image %s", got, imageID)
		}
	})
	for name, test := range map[string]struct {
		query  string
		status int
		code   string
	}{
		"no parameters":  {"", http.StatusBadRequest, "bad_query"},
		"no ID":          {"?source=/a", http.StatusBadRequest, "bad_query"},
		"no source":      {"?id=1", http.StatusBadRequest, "bad_query"},
		"empty ID":       {"?source=/a&id=", http.StatusBadRequest, "bad_query"},
		"two sources":    {"?source=/a&source=/b&id=1", http.StatusBadRequest, "bad_query"},
		"unknown event":  {"?source=/a&id=" + id, http.StatusNotFound, "status_not_found"},
		"another source": {"?source=/b&id=" + url.QueryEscape(id+" ü"), http.StatusNotFound, "status_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.get("/status" + test.query); got.status != test.status || got.code(t) != test.code {
				t.Errorf("answer is %d %s, want %d %s", got.status, got.body, test.status, test.code)
			}
		})
	}
}

// Each client finds the images of its own events; those of events that came through the Broker are for administrators.
func TestEventStatusOfClients(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	image := string(pngOf(t, 9, 9))
	send := func(s *testServer, id string) string {
		t.Helper()
		return s.deliver(binaryDelivery("image/png", image)(id)).imageOf(t)
	}
	both, fromBroker := uuid.NewString(), uuid.NewString()
	ofAda, ofBob, ofNobody := send(c.ada, both), send(c.bob, both), send(c.ada.withoutAuthentication(), fromBroker)
	for name, test := range map[string]struct {
		client *testServer
		id     string
		want   string // image ID, "" for 404
	}{
		"ada":                      {c.ada, both, ofAda},
		"bob":                      {c.bob, both, ofBob},
		"administrator":            {c.admin, both, ""},
		"ada and the Broker":       {c.ada, fromBroker, ""},
		"administrator and Broker": {c.admin, fromBroker, ofNobody},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.client.statusOf(eventSource, test.id)
			id, _ := got.json(t)["image_id"].(string)
			if id != test.want || (got.status == http.StatusOK) != (test.want != "") {
				t.Errorf("answer is %d %s, want image %q", got.status, got.body, test.want)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		if got := c.anonymous.statusOf(eventSource, both); got.status != http.StatusUnauthorized {
			t.Errorf("answer is %d %s, want 401", got.status, got.body)
		}
	})
}
