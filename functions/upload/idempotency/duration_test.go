package idempotency

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// ago is when a request began that takes this long.
func ago(took time.Duration) time.Time { return time.Now().Add(-took) }

// With a key, the first duration stays, for a day.
func TestFirstDuration(t *testing.T) {
	client := testservers.Redis(t, testservers.StartStores(t))
	durations := NewDurations(client)
	id := uuid.NewString()
	want, err := durations.First(t.Context(), ago(time.Hour), "key", id)
	if err != nil {
		t.Fatal(err)
	}
	for _, took := range []time.Duration{0, 2 * time.Hour} {
		if got, err := durations.First(t.Context(), ago(took), "key", id); got != want || err != nil {
			t.Errorf("First() of a request that took %v = %q, %v; want the first one's, %s", took, got, err, want)
		}
	}
	if left := client.TTL(t.Context(), "image:answer:"+id).Val(); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("it is remembered for %v, want a day", left)
	}
}

func TestFirstDurationWithoutRedis(t *testing.T) {
	client := connect.OpenRedis(connect.Redis{Addresses: []string{"127.0.0.1:1"}})
	defer client.Close()
	durations := NewDurations(client)
	if got, err := durations.First(t.Context(), time.Now(), "key", uuid.NewString()); err == nil {
		t.Errorf("First() with a key = %q, want an error", got)
	}
	began := ago(time.Hour)
	if got, err := durations.First(t.Context(), began, "", uuid.NewString()); len(got) < len("3600.00s") || err != nil {
		t.Errorf("First() without a key = %q, %v; want about an hour", got, err)
	}
}
