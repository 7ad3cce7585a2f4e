package status

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
)

const (
	// Without a subscription, because Redis is down or its user may not subscribe, statuses are read again this often.
	unsubscribedRecheck = 2 * time.Second
	// With one they are read again every so many times as often, the first time after firstRecheck times: a result that is
	// stored while Redis is down is not published.
	subscribedEvery, firstRecheck = 5, 2
	// How often an idle connection is checked.
	subscriptionCheck = 30 * time.Second
	// How long a connection is kept that nobody needs: a client that waits for one image after the other would have
	// another for each, which over TLS takes more processor time than all else about the image.
	idleSubscription = 10 * time.Second
)

// A Watcher says when statuses may have changed. All who watch share one connection to Redis, which is closed when
// nobody has for a while. Its methods are safe for use by several goroutines.
type Watcher struct {
	client redis.UniversalClient
	keys   Keys // which are the channels, too
	idle   time.Duration

	lock    sync.Mutex
	closed  bool
	runs    bool                           // whether run does
	watches map[string]map[*Watch]struct{} // by image ID
	// Whether Redis has confirmed the subscription to an image; run has asked for those that are in it. An image stays
	// for a while after its last watch.
	confirmed map[string]bool
	rechecks  int           // so far
	changed   chan struct{} // has a value after watches has changed
	running   sync.WaitGroup
}

// NewWatcher returns a Watcher of the images in a bucket. The caller closes it before the client.
func NewWatcher(client redis.UniversalClient, bucket string) *Watcher {
	return &Watcher{
		client:    client,
		keys:      NewKeys(client, bucket),
		idle:      idleSubscription,
		watches:   map[string]map[*Watch]struct{}{},
		confirmed: map[string]bool{},
		changed:   make(chan struct{}, 1),
	}
}

// A Watch is of some images. The caller stops it.
type Watch struct {
	// C has a value when Take has changes. It is closed with the Watcher.
	C <-chan struct{}

	wake    chan struct{}
	watcher *Watcher
	ids     []string
	since   int                // number of rechecks before
	taken   map[string]*Change // that the next Take returns
}

// A Change is of an image whose status may have changed.
type Change struct {
	ImageID string
	// Status is the last one that was published, which nobody may change; nil if anything may have happened.
	Status *Status
	// Unpublished reports whether the image store may have a result that never reached Redis, which Store.Read finds.
	// Otherwise Store.ReadCached is enough.
	Unpublished bool
}

// Watch watches images. What happens before it returns may be missed: read a status after the first value of C, which
// comes when Redis has confirmed the subscription.
func (w *Watcher) Watch(imageIDs ...string) *Watch {
	wake := make(chan struct{}, 1)
	watch := &Watch{C: wake, wake: wake, watcher: w, ids: imageIDs, taken: map[string]*Change{}}
	w.lock.Lock()
	defer w.lock.Unlock()
	watch.since = w.rechecks
	if w.closed {
		close(wake)
		return watch
	}
	if !w.runs && len(imageIDs) > 0 {
		w.runs = true
		w.running.Go(w.run)
	}
	for _, id := range imageIDs {
		if w.watches[id] == nil {
			w.watches[id] = map[*Watch]struct{}{}
		}
		w.watches[id][watch] = struct{}{}
		if w.confirmed[id] {
			watch.add(Change{ImageID: id})
		}
	}
	w.notify()
	return watch
}

// Take returns what may have changed since the last call, in the order of the image IDs.
func (w *Watch) Take() []Change {
	w.watcher.lock.Lock()
	defer w.watcher.lock.Unlock()
	changes := make([]Change, 0, len(w.taken))
	for _, id := range slices.Sorted(maps.Keys(w.taken)) {
		changes = append(changes, *w.taken[id])
	}
	clear(w.taken)
	return changes
}

// add has Take return a change, together with an earlier one of the same image. The caller holds the lock.
func (w *Watch) add(change Change) {
	if earlier := w.taken[change.ImageID]; earlier != nil {
		change.Unpublished = change.Unpublished || earlier.Unpublished
		if earlier.Status == nil {
			change.Status = nil
		}
	}
	w.taken[change.ImageID] = &change
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Stop ends the watch. It may be called again.
func (w *Watch) Stop() {
	w.watcher.lock.Lock()
	defer w.watcher.lock.Unlock()
	for _, id := range w.ids {
		delete(w.watcher.watches[id], w)
		if len(w.watcher.watches[id]) == 0 {
			delete(w.watcher.watches, id)
		}
	}
	w.watcher.notify()
}

// Close ends all watches, now and in future, and waits until the connection is closed.
func (w *Watcher) Close() {
	w.lock.Lock()
	if !w.closed {
		w.closed = true
		ended := map[*Watch]struct{}{}
		for _, watches := range w.watches {
			maps.Copy(ended, watches)
		}
		for watch := range ended {
			close(watch.wake)
		}
		clear(w.watches)
		w.notify()
	}
	w.lock.Unlock()
	w.running.Wait()
}

// notify has run compare what is watched with what is subscribed to.
func (w *Watcher) notify() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// run passes on what Redis publishes until nobody has watched for a while.
func (w *Watcher) run() {
	subscription := w.client.Subscribe(context.Background())
	defer subscription.Close() // returns an error only if it was closed before
	messages := subscription.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(subscriptionCheck))
	recheck := time.NewTicker(unsubscribedRecheck)
	defer recheck.Stop()
	idle := time.NewTimer(w.idle)
	defer idle.Stop()
	for {
		select {
		case <-w.changed:
			if w.subscribe(subscription) {
				idle.Stop()
			} else {
				idle.Reset(w.wait())
			}
		case <-idle.C:
			if w.end() {
				return
			}
		case message := <-messages:
			w.receive(message)
		case <-recheck.C:
			w.unsubscribe(subscription)
			w.recheck()
		}
	}
}

// subscribe subscribes to what is watched. It returns false if nothing is. Errors are go-redis's to handle: it connects
// again, and then subscribes to everything again.
func (w *Watcher) subscribe(subscription *redis.PubSub) bool {
	added, watched := w.added()
	if len(added) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), connect.RedisTimeout)
		defer cancel()
		_ = subscription.Subscribe(ctx, w.keys.of(added)...)
	}
	return watched
}

// unsubscribe unsubscribes from what is not watched anymore. It is called with each recheck, so that one command is for
// many images.
func (w *Watcher) unsubscribe(subscription *redis.PubSub) {
	if removed := w.removed(); len(removed) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), connect.RedisTimeout)
		defer cancel()
		_ = subscription.Unsubscribe(ctx, w.keys.of(removed)...)
	}
}

// wait returns how long run waits for another watch.
func (w *Watcher) wait() time.Duration {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.closed {
		return 0
	}
	return w.idle
}

// end reports whether run ends, because nothing is watched. The next Watch calls it again.
func (w *Watcher) end() bool {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.runs = len(w.watches) > 0; !w.runs {
		clear(w.confirmed) // the connection ends, and with it what it is subscribed to
	}
	return !w.runs
}

// added returns the image IDs to subscribe to, and whether any is watched.
func (w *Watcher) added() (imageIDs []string, watched bool) {
	w.lock.Lock()
	defer w.lock.Unlock()
	for id := range w.watches {
		if _, known := w.confirmed[id]; !known {
			w.confirmed[id] = false
			imageIDs = append(imageIDs, id)
		}
	}
	return imageIDs, len(w.watches) > 0
}

// removed returns the image IDs to unsubscribe from.
func (w *Watcher) removed() (imageIDs []string) {
	w.lock.Lock()
	defer w.lock.Unlock()
	for id := range w.confirmed {
		if w.watches[id] == nil {
			delete(w.confirmed, id)
			imageIDs = append(imageIDs, id)
		}
	}
	return imageIDs
}

// receive wakes those who watch the image of a message. A confirmation may follow a connection that was lost, and with
// it messages.
func (w *Watcher) receive(message any) {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch message := message.(type) {
	case *redis.Subscription:
		id := w.keys.imageID(message.Channel)
		if _, wanted := w.confirmed[id]; wanted && message.Kind == "subscribe" {
			w.confirmed[id] = true
			w.wake(Change{ImageID: id})
		}
	case *redis.Message:
		id := w.keys.imageID(message.Channel)
		w.wake(Change{ImageID: id, Status: published(id, message.Payload)})
	}
}

// published returns the status of an image in a message; nil if the message is another.
func published(imageID, payload string) *Status {
	known := parse(payload)
	if known == nil || known.ImageID != imageID {
		return nil
	}
	return known
}

// recheck wakes those who watch images whose subscription Redis has not confirmed, and those whose time it is.
func (w *Watcher) recheck() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.rechecks++
	for id, confirmed := range w.confirmed {
		for watch := range w.watches[id] {
			if !confirmed || (w.rechecks-watch.since)%subscribedEvery == firstRecheck {
				watch.add(Change{ImageID: id, Unpublished: true})
			}
		}
	}
}

// wake wakes those who watch the image of a change. The caller holds the lock.
func (w *Watcher) wake(change Change) {
	for watch := range w.watches[change.ImageID] {
		watch.add(change)
	}
}
