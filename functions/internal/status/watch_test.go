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

// awaitTaken waits until a watch has an image.
func awaitTaken(t *testing.T, watch *Watch, imageID string) {
	t.Helper()
	timeout := time.After(soon)
	for {
		select {
		case _, open := <-watch.C:
			if !open {
				t.Fatal("C is closed")
			}
			if slices.Contains(watch.Take(), imageID) {
				return
			}
		case <-timeout:
			t.Fatalf("nothing about %s after %v", imageID, soon)
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
	awaitTaken(t, one, first)
	awaitTaken(t, both, first)
	s.advance(t, completedStatus(second))
	awaitTaken(t, both, second)
	if got := one.Take(); len(got) > 0 {
		t.Errorf("a watch of another image has %q", got)
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

// The connection to Redis is closed when the last watch ends, and opened again for the next one.
func TestWatcherWithoutWatches(t *testing.T) {
	t.Parallel()
	s := open(t)
	w := s.watcher(t)
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
			refused := command == "PUBLISH" || command == "SUBSCRIBE"
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
