package idempotency

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// The first duration stays, for a day.
func TestFirstDuration(t *testing.T) {
	client := testservers.Redis(t, testservers.Start(t))
	durations := NewDurations(client)
	id := uuid.NewString()
	for _, given := range []string{"0.10s", "0.10s", "0.20s"} {
		if got, err := durations.First(t.Context(), id, given); got != "0.10s" || err != nil {
			t.Errorf("First(%s) = %q, %v; want the first one, 0.10s", given, got, err)
		}
	}
	if left := client.TTL(t.Context(), "image:answer:"+id).Val(); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("it is remembered for %v, want a day", left)
	}
}

func TestFirstDurationWithoutRedis(t *testing.T) {
	client := connect.OpenRedis(connect.Redis{Address: "127.0.0.1:1"})
	defer client.Close()
	if got, err := NewDurations(client).First(t.Context(), uuid.NewString(), "0.10s"); err == nil {
		t.Errorf("First() = %q, want an error", got)
	}
}
