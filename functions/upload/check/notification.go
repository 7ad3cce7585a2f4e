package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/inbox"
)

// maxListed bounds the objects of a notification that a report lists.
const maxListed = 3

// published keeps what an inbox publishes.
type published []event.Event

func (p *published) Publish(_ context.Context, e event.Event) error {
	*p = append(*p, e)
	return nil
}

// describeNotification reports whether data is the notification of a bucket, and describes it then. eventType is the
// type of the event that has the data; "" if it is not in one.
func (r *Report) describeNotification(eventType string, data []byte) bool {
	objects, refused := inbox.Parse(eventType, data)
	if len(refused) > 0 && errors.Is(refused[0], inbox.ErrUnknown) {
		return false
	}
	r.fact("form", "a notification of a bucket: POST / accepts it and publishes an image.received for each new object; "+
		"POST /upload refuses it")
	objects = slices.DeleteFunc(objects, func(o inbox.Object) bool {
		err := o.Validate()
		if err != nil {
			refused = append(refused, err)
		}
		return err != nil
	})
	for _, err := range refused[:min(len(refused), maxListed)] {
		what := strings.TrimPrefix(err.Error(), events.ErrInvalid.Error()+": ")
		r.Findings = append(r.Findings, Finding{Fault: true, What: "a record of the notification is malformed", Found: what,
			Expected: "the name of a bucket and the key of an object that image.received can have",
			Mend:     "Configure the notifications for keys that image.received can have, or rename the object."})
	}
	r.fact("objects", "%d new; the service must be allowed to read their buckets (SOURCE_BUCKETS)", len(objects))
	for _, o := range objects[:min(len(objects), maxListed)] {
		var received published
		if err := inbox.New(&received).Receive(context.Background(), []inbox.Object{o}); err != nil { // does not block
			r.fact("object", "%q in the bucket %q: %v", o.Key, o.Bucket, err)
			continue
		}
		e := received[0]
		r.fact("object", "%q in the bucket %q, image ID %s", o.Key, o.Bucket,
			idempotency.EventImageID("", e.Source(), e.ID()))
	}
	return true
}

// plainNotification returns the body of a message if it may be a notification that is not inside an event.
func (m *Message) plainNotification(attributes []attribute) ([]byte, bool) {
	_, isEvent := find(attributes, "specversion")
	return m.body, (m.isObject || m.isPlainJSON()) && !isEvent && !m.bodiless && m.size <= cloudevent.MaxEvent
}

// isPlainJSON reports whether the content type is JSON, and not that of an event.
func (m *Message) isPlainJSON() bool {
	contentType := m.Header.Get("Content-Type")
	return contentType != "" && events.IsJSON(contentType) && !m.isCloudEvents()
}

// notificationOf returns the data of an event of another system's type.
func (m *Message) notificationOf(e event.Event) ([]byte, bool) {
	if e.Context == nil || isKnownType(e.Type()) || m.bodiless || m.size > cloudevent.MaxEvent {
		return nil, false
	}
	if data := e.Data(); len(data) > 0 {
		return data, true
	}
	return m.body, !m.isCloudEvents() && len(bytes.TrimSpace(m.body)) > 0
}

// plainJSON is the finding about JSON without attributes of an event, which is not a notification either.
func plainJSON(contentType string) Finding {
	return Finding{Fault: true, What: "the message is neither an event nor a notification of a bucket",
		Found: fmt.Sprintf("Content-Type %.90q, no header Ce-Specversion, and JSON of another form", contentType),
		Expected: "the headers of a CloudEvent, Ce-Specversion, Ce-Type, Ce-Source and Ce-Id, or a notification of S3, " +
			"MinIO or EventBridge",
		Mend: "Add the headers to send the JSON as the data of an event; events/examples has an example."}
}
