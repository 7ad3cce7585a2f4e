package status

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// A step takes much less than this.
const soon = 30 * time.Second

func (s store) watcher(t *testing.T) *Watcher {
	t.Helper()
	w := NewWatcher(s.redis, s.images.Bucket())
	t.Cleanup(w.Close)
	return w
}

// awaitTaken waits until a watch has a change of an image.
func awaitTaken(t *testing.T, watch *Watch, imageID string) Change {
	t.Helper()
	timeout := time.After(soon)
	for {
		select {
		case _, open := <-watch.C:
			if !open {
				t.Fatal("C is closed")
			}
			isOf := func(c Change) bool { return c.ImageID == imageID }
			if changes := watch.Take(); slices.ContainsFunc(changes, isOf) {
				return changes[slices.IndexFunc(changes, isOf)]
			}
		case <-timeout:
			t.Fatalf("nothing about %s after %v", imageID, soon)
			return Change{}
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := s.watcher(t)
	first, second := uuid.NewString(), uuid.NewString()
	both, one := w.Watch(first, second), w.Watch(first)
	defer both.Stop()
	defer one.Stop()
	awaitTaken(t, one, first) // the subscription is confirmed
	s.advance(t, in(Queued, first))
	if got, want := awaitTaken(t, one, first).Status, in(Queued, first); got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	awaitTaken(t, both, first)
	s.advance(t, completedStatus(second))
	awaitTaken(t, both, second)
	if got := one.Take(); len(got) > 0 {
		t.Errorf("a watch of another image has %v", got)
	}
}

// Changes of one image are taken together, and none hides that another calls for a look at the image store.
func TestChangesTogether(t *testing.T) {
	t.Parallel()
	w := open(t).watcher(t)
	watch := w.Watch()
	queued, completed := Change{Status: &Status{State: Queued}}, Change{Status: &Status{State: Completed}}
	for name, test := range map[string]struct{ first, then, want Change }{
		"in order":      {queued, completed, completed},
		"anything":      {Change{}, completed, Change{}},
		"not published": {Change{Unpublished: true}, completed, Change{Unpublished: true}},
		"published":     {queued, Change{Unpublished: true}, Change{Unpublished: true}},
	} {
		t.Run(name, func(t *testing.T) {
			w.lock.Lock()
			watch.add(test.first)
			watch.add(test.then)
			w.lock.Unlock()
			if got := watch.Take(); !slices.Equal(got, []Change{test.want}) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// A watch looks at the image store after its second recheck, and after every fifth one from then on.
func TestRechecks(t *testing.T) {
	t.Parallel()
	w := &Watcher{watches: map[string]map[*Watch]struct{}{}, confirmed: map[string]bool{"a": true, "b": false}}
	watches := map[string]*Watch{}
	for id := range w.confirmed {
		watches[id] = &Watch{wake: make(chan struct{}, 1), watcher: w, taken: map[string]*Change{}}
		w.watches[id] = map[*Watch]struct{}{watches[id]: {}}
	}
	for i := 1; i <= 8; i++ {
		w.recheck()
		for id, want := range map[string]bool{"a": i == 2 || i == 7, "b": true} {
			if got := watches[id].Take(); want != slices.Equal(got, []Change{{ImageID: id, Unpublished: true}}) {
				t.Errorf("recheck %d of %s: got %+v, want one: %t", i, id, got, want)
			}
		}
	}
}

// A watch of an image that is watched already gets a first value, too.
func TestWatchAgain(t *testing.T) {
	t.Parallel()
	w := open(t).watcher(t)
	id := uuid.NewString()
	for range 3 {
		watch := w.Watch(id)
		defer watch.Stop()
		awaitTaken(t, watch, id)
	}
}

// Nothing is published for a status that does not change.
func TestNothingChanges(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := uuid.NewString()
	s.advance(t, completedStatus(id))
	published := s.redis.Subscribe(t.Context(), s.keys.Key(id))
	defer published.Close()
	if _, err := published.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.advance(t, in(Processing, id))
	s.redis.Publish(t.Context(), s.keys.Key(id), "last")
	message, err := published.ReceiveMessage(t.Context())
	if err != nil || message.Payload != "last" {
		t.Errorf("got %v, %v; want the last message first", message, err)
	}
}

// The connection to Redis is closed some time after the last watch ends, and opened again for the next one.
func TestWatcherWithoutWatches(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := s.watcher(t)
	w.idle = time.Millisecond
	id := uuid.NewString()
	for range 3 {
		watch := w.Watch(id)
		awaitTaken(t, watch, id)
		watch.Stop()
		watch.Stop()
		w.running.Wait()
		if len(w.watches)+len(w.confirmed) > 0 {
			t.Errorf("left are watches of %v, subscriptions to %v", w.watches, w.confirmed)
		}
	}
}

// Those who watch one after the other share a connection.
func TestWatchesShareConnection(t *testing.T) {
	t.Parallel()
	fake := miniredis.RunT(t)
	client := connect.OpenRedis(connect.Redis{Addresses: []string{fake.Addr()}})
	defer client.Close()
	w := NewWatcher(client, "images")
	defer w.Close()
	for range 3 {
		id := uuid.NewString()
		watch := w.Watch(id)
		awaitTaken(t, watch, id)
		watch.Stop()
	}
	if got := fake.TotalConnectionCount(); got != 1 {
		t.Errorf("%d connections, want one", got)
	}
}

func TestWatcherCloses(t *testing.T) {
	t.Parallel()
	w := open(t).watcher(t)
	id := uuid.NewString()
	before := w.Watch(id, uuid.NewString())
	awaitTaken(t, before, id)
	w.Close()
	for name, watch := range map[string]*Watch{"before": before, "after": w.Watch(id)} {
		for range 2 { // a value may be left
			select {
			case <-watch.C:
			case <-time.After(soon):
				t.Fatalf("the watch from %s Close() has not ended", name)
			}
		}
		if _, open := <-watch.C; open {
			t.Errorf("C of the watch from %s Close() is open", name)
		}
		watch.Stop()
	}
}

// Without Redis, a watch has something again and again, so that the caller looks elsewhere.
func TestWatchWithoutRedis(t *testing.T) {
	t.Parallel()
	client := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	defer client.Close()
	w := NewWatcher(client, "images")
	defer w.Close()
	id := uuid.NewString()
	watch := w.Watch(id)
	defer watch.Stop()
	for range 2 {
		awaitTaken(t, watch, id)
	}
}

// A user of Redis that may neither publish nor subscribe changes statuses all the same, and watches without hurry.
func TestWatchForbidden(t *testing.T) {
	t.Parallel()
	s, client := open(t), connect.OpenRedis(silentUser(t))
	defer client.Close()
	id := uuid.NewString()
	if _, err := New(client, s.images).Advance(t.Context(), in(Queued, id)); err != nil {
		t.Errorf("Advance() = %v", err)
	}
	w := NewWatcher(client, s.images.Bucket())
	defer w.Close()
	watch := w.Watch(id)
	defer watch.Stop()
	awaitTaken(t, watch, id)
}

// silentUser returns a Redis whose user has no channels: a user of the real one, or a fake that refuses the commands.
func silentUser(t *testing.T) connect.Redis {
	t.Helper()
	if os.Getenv("CI_REDIS_USERNAME") == "" {
		fake := miniredis.RunT(t)
		fake.Server().SetPreHook(func(peer *server.Peer, command string, _ ...string) bool {
			refused := command == "PUBLISH" || command == "SUBSCRIBE" || command == "PSUBSCRIBE"
			if refused {
				peer.WriteError("NOPERM this user has no permissions to access one of the channels")
			}
			return refused
		})
		return connect.Redis{Addresses: []string{fake.Addr()}}
	}
	settings := connect.ReadRedis(config.NewReader(os.Getenv))
	admin := connect.OpenRedis(settings)
	t.Cleanup(func() { admin.Close() })
	settings.Username, settings.Password = "silent-"+uuid.NewString(), "secret"
	create := []any{"ACL", "SETUSER", settings.Username, "on", ">secret", "~*", "resetchannels", "+@all"}
	if err := everywhere(t.Context(), admin, create...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = everywhere(context.Background(), admin, "ACL", "DELUSER", settings.Username) })
	return settings
}

// everywhere runs a command on all nodes that have keys.
func everywhere(ctx context.Context, client redis.UniversalClient, command ...any) error {
	cluster, isCluster := client.(*redis.ClusterClient)
	if !isCluster {
		return client.Do(ctx, command...).Err()
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		return node.Do(ctx, command...).Err()
	})
}
