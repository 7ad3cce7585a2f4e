package status

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// An image of which nothing has been published for so long is not on its way: its event waits for another delivery,
	// or the message with its result was lost.
	trafficTimeout = 5 * time.Second
	// How often such images are looked for.
	trafficCheck = time.Second
	// patience is how long a Turn waits in all. It bounds what a constant stream of images can delay, and is far below the
	// timeouts of deliveries and requests.
	patience = time.Second
)

// Traffic knows whether images are on their way to a final status, by what all processes publish about statuses. If
// Redis is down, or its user may not subscribe, none seem to be. Its methods are safe for use by several goroutines.
type Traffic struct {
	client redis.UniversalClient
	keys   Keys
	start  sync.Once // of run
	end    chan struct{}
	runs   sync.WaitGroup

	lock  sync.Mutex
	heard map[string]time.Time // of the images on their way, by ID: when something was published last
	quiet chan struct{}        // closed while there are none
}

// NewTraffic returns the Traffic of a bucket. It subscribes when a Turn first waits. The caller closes it before the
// client.
func NewTraffic(client redis.UniversalClient, bucket string) *Traffic {
	t := &Traffic{
		client: client,
		keys:   NewKeys(client, bucket),
		end:    make(chan struct{}),
		heard:  map[string]time.Time{},
		quiet:  make(chan struct{}),
	}
	close(t.quiet)
	return t
}

// Close ends the subscription. It is called once.
func (t *Traffic) Close() {
	t.start.Do(func() {}) // it begins no more
	close(t.end)
	t.runs.Wait()
}

// run receives what is published. go-redis connects and subscribes again when it has to.
func (t *Traffic) run() {
	subscription := t.client.PSubscribe(context.Background(), everyKey)
	defer subscription.Close() // returns an error only if it was closed before
	messages := subscription.Channel(redis.WithChannelHealthCheckInterval(subscriptionCheck))
	check := time.NewTicker(trafficCheck)
	defer check.Stop()
	for {
		select {
		case message := <-messages:
			t.receive(message.Channel, stateOf(message.Payload))
		case <-check.C:
			t.forget()
		case <-t.end:
			return
		}
	}
}

// stateOf returns the state in a message; "" if the message is another.
func stateOf(payload string) State {
	if known := parse(payload); known != nil {
		return known.State
	}
	return ""
}

// receive takes note of a message. Patterns of channels match those of other buckets, too.
func (t *Traffic) receive(channel string, state State) {
	imageID, ours := t.keys.find(channel)
	if !ours {
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if state.Final() {
		delete(t.heard, imageID)
	} else {
		t.heard[imageID] = time.Now()
	}
	t.update()
}

// forget drops the images that are not on their way.
func (t *Traffic) forget() {
	t.lock.Lock()
	defer t.lock.Unlock()
	maps.DeleteFunc(t.heard, func(_ string, at time.Time) bool { return time.Since(at) > trafficTimeout })
	t.update()
}

// update opens or closes quiet. The caller holds the lock.
func (t *Traffic) update() {
	select {
	case <-t.quiet:
		if len(t.heard) > 0 {
			t.quiet = make(chan struct{})
		}
	default:
		if len(t.heard) == 0 {
			close(t.quiet)
		}
	}
}

func (t *Traffic) untilQuiet() <-chan struct{} {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.quiet
}

// A Turn is of one piece of work that is less urgent than images on their way. It is safe for use by several
// goroutines, which wait one after the other.
type Turn struct {
	traffic *Traffic
	lock    sync.Mutex
	waited  time.Duration
}

// Turn returns a Turn that has not waited yet.
func (t *Traffic) Turn() *Turn { return &Turn{traffic: t} }

// Wait returns when no image is on its way, when the Turn has waited for a second in all, or when ctx ends.
func (t *Turn) Wait(ctx context.Context) {
	t.traffic.start.Do(func() { t.traffic.runs.Go(t.traffic.run) })
	t.lock.Lock()
	defer t.lock.Unlock()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience-t.waited)
	defer cancel()
	select {
	case <-t.traffic.untilQuiet():
	case <-ctx.Done():
	}
	t.waited += time.Since(began)
}

// Waited returns for how long the Turn has waited in all.
func (t *Turn) Waited() time.Duration {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.waited
}
