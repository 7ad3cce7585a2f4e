package grant

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

// Of two uploads of the same image, by one Idempotency-Key, one that fails does not give back the place of the other.
func TestOneImageTwice(t *testing.T) {
	t.Parallel()
	getenv := testservers.StartStores(t)
	client := connect.OpenRedis(connect.ReadRedis(config.NewReader(getenv)))
	t.Cleanup(func() { client.Close() })
	l := NewLedger(client, getenv("MINIO_BUCKET"))
	grant := &signing.Grant{ID: uuid.NewString(), Images: 1, Expires: time.Now().Add(time.Hour).Unix()}
	take := func(imageID string, want bool) {
		t.Helper()
		err := l.Take(t.Context(), grant, imageID)
		if problem, refused := errors.AsType[*apierror.Error](err); err != nil && !refused || refused == want {
			t.Errorf("Take(%s) = %v (%v), want success = %t", imageID, err, problem, want)
		}
	}
	end := func(imageID string, stored bool) {
		t.Helper()
		if err := l.End(t.Context(), grant, imageID, stored); err != nil {
			t.Error(err)
		}
	}
	take("same", true)
	take("same", true)
	end("same", false)
	take("other", false) // the first upload goes on
	end("same", false)
	take("other", true) // both have failed
	take("other", true)
	end("other", true)
	end("other", false)
	take("same", false) // it is stored, whatever came of its repetition
	take("other", true)
}
