package thumbnailer

import (
	"regexp"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// The time to the thumbnail counts once for each image that is completed, whatever comes after.
func TestTimeToThumbnail(t *testing.T) {
	t.Parallel()
	s := start(t)
	count := regexp.MustCompile(`(?m)^image_time_to_thumbnail_seconds_count (\d+)$`)
	photo := jpegOf(t, 30, 20)
	first := s.uploaded("first.jpg", photo)
	old, err := events.Decode[events.ImageUploaded](s.uploaded("old.jpg", photo))
	if err != nil {
		t.Fatal(err)
	}
	old.Timestamp = status.Seconds(time.Now().Add(-25 * time.Hour))
	for _, test := range []struct {
		name string
		do   func()
		want string
	}{
		{"completed", func() { s.deliver(first).reply(t) }, "1"},
		{"delivered again", func() { s.deliver(first).reply(t) }, "1"},
		{"backfill", func() { s.deliver(renderEvent(t, events.ImageRender{ImageID: first.Subject()})) }, "1"},
		{"failed", func() { s.deliver(s.uploaded("text.jpg", []byte("text"))).reply(t) }, "1"},
		{"old", func() { s.deliver(s.eventOf(old)).reply(t) }, "1"},
		{"another", func() { s.deliver(s.uploaded("second.jpg", photo)).reply(t) }, "2"},
	} {
		test.do()
		metrics := s.send(s.get(s.url + "/metrics")).body
		if got := count.FindStringSubmatch(metrics); got == nil || got[1] != test.want {
			t.Errorf("after %s: got the count %v, want %s", test.name, got, test.want)
		}
	}
}
