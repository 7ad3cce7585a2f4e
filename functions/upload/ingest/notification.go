package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/upload/inbox"
)

// An Inbox publishes an image.received for each new object of a notification.
type Inbox interface {
	Receive(ctx context.Context, objects []inbox.Object) error
}

// An otherTypeError means that an event has the type of another system. It may be the notification of a bucket.
type otherTypeError struct {
	error
	event event.Event
}

func (o *otherTypeError) Unwrap() error { return o.error }

// isPlainJSON reports whether a request is JSON and not a CloudEvent: MinIO's webhook and EventBridge send their
// notifications so.
func isPlainJSON(r *http.Request) bool {
	contentType := r.Header.Get("Content-Type")
	return !cloudevent.IsEvent(r) && contentType != "" && events.IsJSON(contentType)
}

// deliverPlain handles a notification that is not inside a CloudEvent.
func (in *Ingest) deliverPlain(w http.ResponseWriter, r *http.Request) error {
	data, err := readNotification(w, r)
	if err != nil {
		return err
	}
	err = in.notify(r.Context(), w, "", data)
	if errors.Is(err, inbox.ErrUnknown) {
		return fmt.Errorf("%w: the request has no attributes of a CloudEvent (headers Ce-Specversion, Ce-Type, Ce-Source "+
			"and Ce-Id, or application/cloudevents+json); %s", events.ErrInvalid, withoutPrefix(err))
	}
	return err
}

// withoutPrefix returns the text of an error about an invalid event, to follow that of another.
func withoutPrefix(err error) string {
	return strings.TrimPrefix(err.Error(), events.ErrInvalid.Error()+": ")
}

// deliverOther handles a notification in a CloudEvent.
func (in *Ingest) deliverOther(w http.ResponseWriter, r *http.Request, other *otherTypeError) error {
	data := other.event.Data()
	if isStream(r) { // a KafkaSource sets no content type for a record that has none
		var err error
		if data, err = readNotification(w, r); err != nil {
			return err
		}
	}
	err := in.notify(cloudevent.Continue(r.Context(), other.event), w, other.event.Type(), data)
	if errors.Is(err, inbox.ErrUnknown) {
		return fmt.Errorf("%w; %s", other.error, withoutPrefix(err))
	}
	return err
}

func readNotification(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	from, err := body.New(w, r, cloudevent.MaxEvent)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(from)
}

// notify publishes an image.received for each new object of a notification and answers 200. Objects that cannot become
// images, because of their key or their bucket, are logged and counted; only if all are such, the notification is
// refused: a sender that repeats it, or gives it up, must not do so with the good ones.
func (in *Ingest) notify(ctx context.Context, w http.ResponseWriter, eventType string, data []byte) error {
	found, refused := inbox.Parse(eventType, data)
	objects, more := in.admit(ctx, found)
	refused = append(refused, more...)
	if len(objects) == 0 && len(refused) > 0 {
		return refused[0]
	}
	if err := in.Inbox.Receive(ctx, objects); err != nil {
		return err
	}
	for _, err := range refused {
		in.countRefused(err)
		in.Process.Log.WarnContext(ctx, "notification_record_refused", "error.message", err.Error())
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// admit returns the objects that may become images, and the reasons why others may not. The service's own objects are
// no news to it; an event for each would never end.
func (in *Ingest) admit(ctx context.Context, found []inbox.Object) (objects []inbox.Object, refused []error) {
	maySend := in.settings.Policy.MaySeeAll(ctx)
	for _, object := range found {
		if object.Bucket == in.settings.Bucket {
			continue
		}
		err := object.Validate()
		if !maySend || !slices.Contains(in.settings.SourceBuckets, object.Bucket) {
			err = unknownBucket(object.Bucket)
		}
		if err != nil {
			refused = append(refused, err)
			continue
		}
		objects = append(objects, object)
	}
	return objects, refused
}

func unknownBucket(name string) error {
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeUnknownBucket,
		Message: "The event names an object in a bucket that this service does not read",
		Found:   name,
	}
}
