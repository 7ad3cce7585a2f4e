package outbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/connect"
)

// gathering is how long an image stays in the outbox for others to leave it in the same command. What a process leaves
// there that is killed meanwhile is announced once more.
const gathering = 100 * time.Millisecond

// acknowledged are images that are to leave the outbox.
type acknowledged struct {
	lock    sync.Mutex
	ids     []any
	pending sync.WaitGroup // removals of images, which those that come before they begin take part in
}

// Acknowledge takes an image out of the outbox, asynchronously. If that fails, the image is announced again, which does
// no harm; the error goes to the function that New was given.
func (o *Outbox) Acknowledge(imageID string) {
	if o.acknowledged.add(imageID) {
		o.acknowledged.pending.Go(func() {
			time.Sleep(gathering)
			o.removeAcknowledged()
		})
	}
}

// add reports whether the image is the first since the last removal.
func (a *acknowledged) add(imageID string) (first bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.ids = append(a.ids, imageID)
	return len(a.ids) == 1
}

func (a *acknowledged) take() []any {
	a.lock.Lock()
	defer a.lock.Unlock()
	ids := a.ids
	a.ids = nil
	return ids
}

func (o *Outbox) removeAcknowledged() {
	ids := o.acknowledged.take()
	ctx, cancel := context.WithTimeout(context.Background(), connect.RedisTimeout)
	defer cancel()
	if err := o.client.ZRem(ctx, o.key(), ids...).Err(); err != nil {
		o.reportFailed(fmt.Errorf("remove %d acknowledged images from outbox: %w", len(ids), err))
	}
}
