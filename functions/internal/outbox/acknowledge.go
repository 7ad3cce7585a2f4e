package outbox

import (
	"context"
	"fmt"
	"sync"

	"gitlab.com/yourorg/image-service/functions/connect"
)

// acknowledged are images that are to leave the outbox. Those that come while Redis is being told of others go together
// in the next command, and no caller waits.
type acknowledged struct {
	lock    sync.Mutex
	ids     []any
	running bool // whether a goroutine is removing
	pending sync.WaitGroup
}

// Acknowledge takes an image out of the outbox, asynchronously. If that fails, the image is announced again, which does
// no harm; the error goes to the function that New was given.
func (o *Outbox) Acknowledge(imageID string) {
	o.acknowledged.lock.Lock()
	defer o.acknowledged.lock.Unlock()
	o.acknowledged.ids = append(o.acknowledged.ids, imageID)
	if !o.acknowledged.running {
		o.acknowledged.running = true
		o.acknowledged.pending.Go(o.removeAcknowledged)
	}
}

func (o *Outbox) removeAcknowledged() {
	for ids := o.acknowledged.next(); ids != nil; ids = o.acknowledged.next() {
		ctx, cancel := context.WithTimeout(context.Background(), connect.RedisTimeout)
		if err := o.client.ZRem(ctx, o.key(), ids...).Err(); err != nil {
			o.reportFailed(fmt.Errorf("remove %d acknowledged images from outbox: %w", len(ids), err))
		}
		cancel()
	}
}

// next returns the images that came since the last call; nil if there are none, and then the goroutine ends.
func (a *acknowledged) next() []any {
	a.lock.Lock()
	defer a.lock.Unlock()
	ids := a.ids
	a.ids, a.running = nil, ids != nil
	return ids
}
