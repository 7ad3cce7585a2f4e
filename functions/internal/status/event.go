package status

import (
	"cmp"
	"context"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// Event tells a final status: image.thumbnailed or image.failed. It is the same for the same status, so that who
// delivers twice is answered the same twice. bucket and original say where the image lies; both are empty for one that
// was never stored.
func (s Status) Event(ctx context.Context, source, bucket, original string) (event.Event, error) {
	traceparent, tracestate := trace.Parent(ctx)
	e, err := events.Encode(s.payload(bucket, original), events.Envelope{
		Source:      source,
		Time:        s.Time(),
		TraceParent: traceparent,
		TraceState:  tracestate,
	})
	if err != nil {
		return e, fmt.Errorf("tell status of %s: %v", s.ImageID, err) // not the caller's fault: no ErrInvalid in the chain
	}
	return e, nil
}

func (s Status) payload(bucket, original string) events.Payload {
	if s.State == Failed {
		return events.ImageFailed{
			ImageID:     s.ImageID,
			Bucket:      bucket,
			ObjectName:  original,
			Reason:      events.Reason(cmp.Or(s.Reason, string(events.ReasonUnsupported))), // the original system gave none
			Error:       s.Result.Error,
			ProcessedAt: s.ProcessedAt,
		}
	}
	if s.Result.Thumbnail != "" {
		original = imagestore.OriginalOf(s.Result.Thumbnail) // whatever the event called it
	}
	return events.ImageThumbnailed{
		ImageID:       s.ImageID,
		Bucket:        bucket,
		ObjectName:    original,
		Thumbnail:     s.Result.Thumbnail,
		OriginalSize:  s.Result.OriginalSize.pixels(),
		ThumbnailSize: s.Result.ThumbnailSize.pixels(),
		ProcessedAt:   s.ProcessedAt,
	}
}

func (s *Size) pixels() [2]int {
	if s == nil {
		return [2]int{}
	}
	return *s
}
