package outbox

import (
	"context"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/sweep"
)

// BeginSweep reports whether the caller may begin a sweep: all pods together begin one per interval.
func (o *Outbox) BeginSweep(ctx context.Context, interval time.Duration) (bool, error) {
	return sweep.Begin(ctx, o.client, "image:sweep:"+o.bucket, interval)
}

// Cursor is where the scan of the bucket goes on.
func (o *Outbox) Cursor() sweep.Cursor { return sweep.NewCursor(o.client, "image:walk:"+o.bucket) }

// Backlog returns how many images are in the outbox, and for how long the oldest has been.
func (o *Outbox) Backlog(ctx context.Context) (size int64, age time.Duration, err error) {
	return sweep.Backlog(ctx, o.client, o.key())
}
