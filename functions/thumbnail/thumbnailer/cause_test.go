package thumbnailer

import (
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// received is uploaded for an image that an event brought.
func (s *service) received(cause events.Cause, content []byte) events.ImageUploaded {
	s.t.Helper()
	image := events.ImageUploaded{ImageID: uuid.NewString(), Filename: "a.jpg", Timestamp: 1, Bucket: s.store.Bucket()}
	image.ObjectName = imagestore.OriginalKey(image.ImageID, image.Filename)
	about := imagestore.Attributes{ContentType: "image/jpeg"}
	about.SetCause(cause)
	if err := s.store.Put(s.t.Context(), image.ObjectName, content, about); err != nil {
		s.t.Fatal(err)
	}
	return image
}

// The result of an image names the event that brought it: in each reply, in the status, and after Redis was lost.
func TestResultNamesCause(t *testing.T) {
	t.Parallel()
	s := start(t)
	cause := events.Cause{Source: "/my%20scanner", ID: "фото 100% 7"}
	for name, test := range map[string]struct {
		cause   events.Cause
		content []byte
	}{
		"thumbnail":              {cause, jpegOf(t, 300, 200)},
		"failure":                {cause, []byte("text")},
		"thumbnail of an upload": {events.Cause{}, jpegOf(t, 300, 200)},
		"failure of an upload":   {events.Cause{}, []byte("text")},
	} {
		t.Run(name, func(t *testing.T) {
			image := s.received(test.cause, test.content)
			e := s.eventOf(image)
			for _, delivery := range []string{"first", "again", "without Redis"} {
				if delivery == "without Redis" {
					if err := s.statuses.Forget(t.Context(), image.ImageID); err != nil {
						t.Fatal(err)
					}
				}
				reply := s.deliver(e).reply(t)
				var data struct{ Cause events.Cause }
				if err := reply.DataAs(&data); err != nil || data.Cause != test.cause {
					t.Errorf("%s: data is %s, want the cause %+v", delivery, reply.Data(), test.cause)
				}
				source, _ := reply.Extensions()[events.CausationSource].(string)
				id, _ := reply.Extensions()[events.CausationID].(string)
				if got := (events.Cause{Source: source, ID: id}); got != test.cause {
					t.Errorf("%s: extensions name %+v, want %+v", delivery, got, test.cause)
				}
				status, _, err := s.statuses.Read(t.Context(), image.ImageID)
				if err != nil || status.Cause != test.cause {
					t.Errorf("%s: status is %+v, %v; want the cause %+v", delivery, status, err, test.cause)
				}
			}
		})
	}
}
