package imagestore

import (
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// With an authority of its own, and with no other.
func TestSecureMinIO(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	store := func(getenv func(string) string) *Store {
		r := config.NewReader(getenv)
		settings := ReadSettings(r)
		settings.Memory = 32 << 20
		store, err := Open(settings)
		if err != nil || r.Err() != nil {
			t.Fatal(err, r.Err())
		}
		return store
	}
	trusting := store(servers.Getenv)
	if err := trusting.Put(t.Context(), imageID+"/a.png", []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, trusting, imageID+"/a.png"); string(got) != "a" {
		t.Errorf("%q came back", got)
	}
	err := store(servers.With("MINIO_CA_FILE", "")).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || strings.Contains(err.Error(), testservers.Password) {
		t.Errorf("not trusted: %v", err)
	}
}
