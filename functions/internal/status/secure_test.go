package status

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

func boardOf(t *testing.T, getenv func(string) string) *Board {
	t.Helper()
	r := config.NewReader(getenv)
	store, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil {
		t.Fatal(err)
	}
	board := Open(ReadSettings(r), store)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { board.Close() })
	return board
}

// Over TLS and as an ACL user; whatever is wrong with that is said at once, without the password, and heals by itself.
func TestSecureRedis(t *testing.T) {
	t.Parallel()
	servers := testservers.StartSecure(t)
	if _, err := boardOf(t, servers.Getenv).Queue(t.Context(), uuid.NewString()); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct{ setting, value, want string }{
		"password":  {"REDIS_PASSWORD", "another " + testservers.Password, "WRONGPASS"},
		"name":      {"REDIS_USERNAME", "nobody", "WRONGPASS"},
		"authority": {"REDIS_CA_FILE", "", "unknown authority"},
	} {
		board := boardOf(t, servers.With(test.setting, test.value))
		err := board.Check(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testservers.Password) {
			t.Errorf("%s: %v, want %s in it", name, err, test.want)
		}
		if test.setting == "REDIS_PASSWORD" {
			servers.Redis.RequireUserAuth(testservers.User, test.value)
			if err := board.Check(t.Context()); err != nil {
				t.Errorf("after the password was changed: %v", err)
			}
		}
	}
}

func TestNameWithoutPassword(t *testing.T) {
	r := config.NewReader(func(name string) string {
		return map[string]string{"REDIS_HOST": "redis", "REDIS_USERNAME": "me"}[name]
	})
	ReadSettings(r)
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "REDIS_PASSWORD is not set; expected the password of a Redis user, as REDIS_USERNAME is set") {
		t.Errorf("Err() = %v", err)
	}
}
