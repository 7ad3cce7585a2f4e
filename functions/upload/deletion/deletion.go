// Package deletion deletes images: those that a client or an event asks it to delete, and those that have expired.
//
// A deletion begins with a tombstone in the image's folder, and from then on every part of the service takes the image
// for deleted, whatever else is stored for it. Then all that belongs to the image is removed, and image.deleted is
// published. What ends in between goes on where it ended: with the next request, with a sweep, which finds the image in
// Redis, or with a scan of the bucket, which finds its tombstone. The tombstone stays for a time, in which late and
// repeated events and uploads find it, so that nothing comes back; then the scan removes it.
package deletion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
)

const (
	// A deletion goes on for at most this long after its caller has gone.
	deleteTimeout = 30 * time.Second
	// A record is a few lines of JSON; of anything longer, no more than this is read.
	maxRecord = 16 << 10
)

// A Step removes what one part of the service keeps of an image. It may be called more than once for an image, and does
// nothing then. After an error it is called again later.
type Step func(ctx context.Context, imageID string) error

// Backends are what a Deleter works with.
type Backends struct {
	Images    *imagestore.Store
	Statuses  *status.Store
	Outbox    *outbox.Outbox
	Deferred  *deferral.Queue
	Ledger    *quota.Ledger
	Redis     redis.UniversalClient
	Publisher publisher.Publisher
	// Steps are called once the objects of an image are removed, before the deletion is announced.
	Steps []Step
}

// A Deleter deletes images. It is safe for use by several goroutines.
type Deleter struct {
	Backends
	rules   Rules
	policy  ownership.Policy
	pending pending
	log     *slog.Logger
	metrics metrics
}

// New returns a Deleter. registerer may be nil, and then nothing is measured.
func New(
	backends Backends, rules Rules, policy ownership.Policy, log *slog.Logger, registerer prometheus.Registerer,
) *Deleter {
	return &Deleter{
		Backends: backends,
		rules:    rules,
		policy:   policy,
		pending:  newPending(backends.Redis, backends.Images.Bucket()),
		log:      log,
		metrics:  newMetrics(registerer),
	}
}

// A record is what a tombstone says about its image.
type record struct {
	ImageID   string          `json:"image_id"`
	Reason    events.Deletion `json:"reason"`
	DeletedAt float64         `json:"deleted_at"` // in seconds since 1970
	Cause     events.Cause    `json:"cause,omitzero"`
	// Bytes and StoredAt are those of the original, for the quota of its client; 0 without an original.
	Bytes    int64   `json:"bytes,omitempty"`
	StoredAt float64 `json:"stored_at,omitempty"`
}

func (r record) event(ctx context.Context) (payload events.ImageDeleted, envelope events.Envelope) {
	deletedAt := time.UnixMilli(int64(r.DeletedAt*1000 + 0.5)).UTC()
	traceparent, tracestate := trace.Parent(ctx)
	payload = events.ImageDeleted{ImageID: r.ImageID, Reason: r.Reason, DeletedAt: r.DeletedAt, Cause: r.Cause}
	return payload, events.Envelope{
		Source: events.SourceUpload,
		// An ID that is derived may be used again when its tombstone is gone, and deleted again, which is another event.
		ID:          fmt.Sprintf("%s/%s/%d", events.TypeImageDeleted, r.ImageID, deletedAt.UnixMilli()),
		Time:        deletedAt,
		TraceParent: traceparent,
		TraceState:  tracestate,
	}
}

// Delete deletes an image. It fails with imagestore.ErrNotFound if there is no such image, and succeeds if it was
// deleted before. Without an error nothing of the image is stored any longer, and image.deleted is published, or will
// be when the broker is back. After another error the deletion may have begun: then it is completed in any case.
func (d *Deleter) Delete(ctx context.Context, imageID string, reason events.Deletion) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
	defer cancel()
	objects, err := d.Images.Find(ctx, imageID)
	if err != nil {
		return err
	}
	if objects.Deleted == nil {
		if err := d.bury(ctx, imageID, reason, objects); err != nil {
			return err
		}
	} else if !objects.Deleted.Pending && len(objects.Leftovers) == 0 {
		return nil
	}
	err = d.complete(ctx, imageID)
	if errors.Is(err, errNotPublished) { // a sweep does it
		d.log.WarnContext(ctx, "deletion_not_published", "image_id", imageID, "error.message", err.Error())
		return nil
	}
	return err
}

// bury stores the tombstone of an image with these objects. The image is in Redis before it has a tombstone, so that a
// sweep goes on if the process ends after that.
func (d *Deleter) bury(ctx context.Context, imageID string, reason events.Deletion, objects imagestore.Objects) error {
	if err := d.mustExist(ctx, imageID, objects); err != nil {
		return err
	}
	about, err := d.describe(ctx, imageID, reason, objects)
	if err != nil {
		return err
	}
	text, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("write tombstone of %s: %w", imageID, err)
	}
	if err := d.pending.add(ctx, imageID); err != nil {
		return err
	}
	return d.Images.Bury(ctx, imageID, text)
}

// mustExist returns imagestore.ErrNotFound if there is nothing to delete. An image whose event waits for its object has
// a note only.
func (d *Deleter) mustExist(ctx context.Context, imageID string, objects imagestore.Objects) error {
	if !objects.None() || len(objects.Renditions) > 0 {
		return nil
	}
	deferred, err := d.Images.IsDeferred(ctx, imageID)
	if err == nil && !deferred {
		err = fmt.Errorf("delete %s: %w", imageID, imagestore.ErrNotFound)
	}
	return err
}

func (d *Deleter) describe(
	ctx context.Context, imageID string, reason events.Deletion, objects imagestore.Objects,
) (record, error) {
	about := record{ImageID: imageID, Reason: reason, DeletedAt: status.Seconds(time.Now())}
	if objects.Original == nil {
		return about, nil
	}
	original, err := d.Images.Stat(ctx, objects.Original.Key) // the listing has no metadata
	if errors.Is(err, imagestore.ErrNotFound) {               // another request deletes the image
		return about, nil
	}
	if err != nil {
		return about, err
	}
	about.Cause, about.Bytes, about.StoredAt = original.Cause(), original.Size, status.Seconds(original.Modified)
	return about, nil
}

// errNotPublished means that a deletion is complete but for its announcement.
var errNotPublished = errors.New("image.deleted was not published")

// complete completes the deletion of an image that has a tombstone. Of several calls at a time each does all of it, and
// all publish the same event.
func (d *Deleter) complete(ctx context.Context, imageID string) error {
	objects, err := d.Images.Find(ctx, imageID)
	if err != nil {
		return err
	}
	if objects.Deleted == nil { // it was settled and forgotten meanwhile, or never buried
		return d.pending.remove(ctx, imageID)
	}
	about, err := d.read(ctx, imageID, objects.Deleted)
	if errors.Is(err, imagestore.ErrNotFound) { // another call has settled it
		return d.complete(ctx, imageID)
	}
	if err != nil {
		return err
	}
	if err := d.removeAll(ctx, about, objects.Leftovers); err != nil {
		return err
	}
	if !objects.Deleted.Pending {
		return d.pending.remove(ctx, imageID)
	}
	if err := d.publish(ctx, about); err != nil {
		return fmt.Errorf("%w: %w", errNotPublished, err)
	}
	return d.settle(ctx, about)
}

// read returns the record in a tombstone. Of one that another program wrote, the time remains. It fails with
// imagestore.ErrNotFound if the tombstone was removed.
func (d *Deleter) read(ctx context.Context, imageID string, tombstone *imagestore.Tombstone) (record, error) {
	var about record
	text, err := d.Images.Record(ctx, imageID, tombstone, maxRecord)
	if err != nil && !errors.Is(err, imagestore.ErrTooLong) {
		return about, err
	}
	if err != nil || json.Unmarshal(text, &about) != nil || about.ImageID != imageID || about.Validate() != nil {
		about = record{
			ImageID: imageID, Reason: events.DeletionRequested, DeletedAt: status.Seconds(tombstone.Modified),
		}
	}
	return about, nil
}

// Validate returns an error if no event can be made of the record.
func (r record) Validate() error {
	payload, _ := r.event(context.Background())
	return payload.Validate()
}

// removeAll removes all that is kept of an image, leftovers among it. Its status comes first: what stores something for
// the image after that learns from it that the image was deleted, and what stored something before that is found by the
// listing.
func (d *Deleter) removeAll(ctx context.Context, about record, leftovers []*imagestore.Info) error {
	first, err := d.Statuses.Delete(ctx, about.ImageID, time.UnixMilli(int64(about.DeletedAt*1000)))
	if err != nil {
		return err
	}
	// A later call, when Redis has forgotten the status again, finds no original that was counted.
	isOriginal := func(object *imagestore.Info) bool { return object.Size == about.Bytes }
	if first && slices.ContainsFunc(leftovers, isOriginal) { // the sweep counts what is in the bucket: see Ledger.Remove
		stored := time.UnixMilli(int64(about.StoredAt * 1000))
		if err := d.Ledger.Remove(ctx, about.ImageID, about.Bytes, stored); err != nil {
			return err
		}
	}
	if err := d.Images.RemoveLeftovers(ctx, about.ImageID); err != nil {
		return err
	}
	if err := d.Deferred.Forget(ctx, about.ImageID); err != nil {
		return err
	}
	if err := d.Outbox.Remove(ctx, about.ImageID); err != nil {
		return err
	}
	for _, step := range d.Steps {
		if err := step(ctx, about.ImageID); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deleter) publish(ctx context.Context, about record) error {
	payload, envelope := about.event(ctx)
	e, err := events.Encode(payload, envelope)
	if err != nil {
		// Not the caller's fault, so events.ErrInvalid must not be in the chain.
		return fmt.Errorf("encode %s: %s", payload.EventType(), err.Error())
	}
	return d.Publisher.Publish(ctx, e)
}

func (d *Deleter) settle(ctx context.Context, about record) error {
	text, err := json.Marshal(about)
	if err != nil {
		return fmt.Errorf("write tombstone of %s: %w", about.ImageID, err)
	}
	if err := d.Images.SettleTombstone(ctx, about.ImageID, text); err != nil {
		return err
	}
	d.metrics.deleted.WithLabelValues(string(about.Reason)).Inc()
	d.log.InfoContext(ctx, "image_deleted", "image_id", about.ImageID, "reason", string(about.Reason))
	return d.pending.remove(ctx, about.ImageID)
}
