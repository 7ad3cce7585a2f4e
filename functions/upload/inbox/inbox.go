// Package inbox makes images of objects that other systems put into buckets: it reads the notifications of S3, MinIO
// and Google Cloud Storage, and publishes an image.received for each new object, which is then accepted like any other.
//
// A record that cannot be published does not hold up the others, and as every object version has one event ID, a
// notification that is delivered again makes no second image. The package does not read the objects.
package inbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"golang.org/x/sync/errgroup"
)

// publisher is the part of package publisher that an Inbox uses.
type publisher interface {
	Publish(ctx context.Context, e event.Event) error
}

// An Inbox publishes an image.received for each object. It is safe for use by several goroutines.
type Inbox struct{ publisher publisher }

// New returns an Inbox.
func New(publisher publisher) *Inbox { return &Inbox{publisher} }

// maxPublications bounds the events of one notification that are on the way at a time.
const maxPublications = 16

// Receive publishes the events of objects, in no particular order. After an error some may be published; publishing all
// again makes no second image. The error wraps events.ErrInvalid, with nothing published, if the name of an object is
// one that image.received cannot have.
func (i *Inbox) Receive(ctx context.Context, objects []Object) error {
	received := make([]event.Event, len(objects))
	for n, object := range objects {
		var err error
		if received[n], err = object.event(ctx); err != nil {
			return err
		}
	}
	publications, failed := errgroup.WithContext(ctx)
	publications.SetLimit(maxPublications)
	for n, e := range received {
		publications.Go(func() error {
			if err := failed.Err(); err != nil {
				return err // begin nothing new, and let the others finish: one that is cancelled may arrive all the same
			}
			if err := i.publisher.Publish(ctx, e); err != nil {
				return fmt.Errorf("publish %s for %s/%s: %w", e.Type(), objects[n].Bucket, objects[n].Key, err)
			}
			return nil
		})
	}
	return publications.Wait()
}

// Validate checks that image.received can have the object's name. The error wraps events.ErrInvalid.
func (o Object) Validate() error { return o.payload().Validate() }

func (o Object) payload() events.ImageReceived {
	return events.ImageReceived{Bucket: o.Bucket, ObjectName: o.Key, Version: o.Version}
}

// event returns the image.received of an object. Its source is the bucket, and its ID is a hash of the key and the
// version, because a key may be longer than an attribute should be, and have characters that not every path leaves as
// they are.
func (o Object) event(ctx context.Context) (event.Event, error) {
	sum := sha256.Sum256([]byte(o.Key + "\x00" + cmp.Or(o.Version, o.Put)))
	traceparent, tracestate := trace.Parent(ctx)
	return events.Encode(o.payload(), events.Envelope{
		Source:      "s3://" + o.Bucket,
		ID:          hex.EncodeToString(sum[:16]),
		TraceParent: traceparent,
		TraceState:  tracestate,
	})
}
