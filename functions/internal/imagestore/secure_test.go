package imagestore

import (
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// MinIO's certificate is accepted if its authority is configured, and otherwise refused.
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
		t.Errorf("got %q, want a", got)
	}
	err := store(servers.With("MINIO_CA_FILE", "")).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Fatalf("without its authority: got %v, want unknown authority", err)
	}
	if strings.Contains(err.Error(), testservers.Password) {
		t.Errorf("got %v, which has the password", err)
	}
}
