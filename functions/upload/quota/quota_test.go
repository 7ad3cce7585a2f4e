package quota

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// testQuota is a Quota of 3 images and 1000 bytes.
type testQuota struct {
	*Quota
	redis redis.UniversalClient
}

func open(t *testing.T) testQuota {
	t.Helper()
	getenv := testservers.StartStores(t)
	r := config.NewReader(getenv)
	client := connect.OpenRedis(connect.ReadRedis(r))
	t.Cleanup(func() { client.Close() })
	ledger := NewLedger(client, getenv("MINIO_BUCKET"))
	exempt := func(owner string) bool { return owner == "admin" }
	return testQuota{New(ledger, Limits{Images: 3, Bytes: 1000}, exempt), testservers.Redis(t, getenv)}
}

// store stores an image of a size, or reports that the quota does not allow it.
func (q testQuota) store(t *testing.T, owner string, size int64) (stored bool) {
	t.Helper()
	place, err := q.Reserve(t.Context(), owner, ownership.NewID(owner), size, false)
	if isExceeded(t, err) {
		return false
	}
	if err := place.Commit(t.Context(), size); err != nil {
		t.Fatal(err)
	}
	return true
}

func isExceeded(t *testing.T, err error) bool {
	t.Helper()
	var refused *apierror.Error
	if err != nil && (!errors.As(err, &refused) || refused.Code != apierror.CodeQuotaExceeded) {
		t.Fatalf("Reserve() = %v, want quota_exceeded", err)
	}
	return err != nil
}

// used returns what Redis has counted for a client.
func (q testQuota) used(t *testing.T, owner string) string {
	t.Helper()
	scores, err := q.redis.ZMScore(t.Context(), q.ledger.clientKey(owner), "images", "bytes").Result()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.0f images, %.0f bytes", scores[0], scores[1])
}

// pass returns the part of a pass from a cursor.
func (q testQuota) pass(t *testing.T, cursor string) *Pass {
	t.Helper()
	p, err := q.ledger.Pass(t.Context(), cursor)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func saveTo(t *testing.T, p *Pass, cursor string, over bool) {
	t.Helper()
	if err := p.Save(t.Context(), cursor, over); err != nil {
		t.Fatal(err)
	}
}

func (q testQuota) wantUsed(t *testing.T, owner, want string) {
	t.Helper()
	if got := q.used(t, owner); got != want {
		t.Errorf("Redis has %s of %s, want %s", got, owner, want)
	}
}

func TestReserve(t *testing.T) {
	t.Parallel()
	q := open(t)
	reserve := func(owner, id string, size int64) (*Reservation, bool) {
		t.Helper()
		place, err := q.Reserve(t.Context(), owner, id, size, false)
		return place, isExceeded(t, err)
	}
	id := ownership.NewID("ada")
	place, refused := reserve("ada", id, 600)
	if refused {
		t.Fatal("the first image is refused")
	}
	same, refused := reserve("ada", id, 900)
	if refused {
		t.Error("another request for the same image is refused")
	}
	if _, refused := reserve("ada", ownership.NewID("ada"), 101); !refused {
		t.Error("an image is accepted that does not fit beside one that is being accepted")
	}
	if err := same.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, refused := reserve("bob", ownership.NewID("bob"), 1000); refused {
		t.Error("another client's image is refused")
	}
	if err := place.Resize(t.Context(), 1001); !isExceeded(t, err) {
		t.Error("an image may become larger than the quota")
	}
	if err := place.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !q.store(t, "ada", 1000) {
		t.Error("after another image was not accepted, an image is refused")
	}
	if _, refused := reserve("ada", ownership.NewID("ada"), -1); !refused {
		t.Error("an image of unknown size is not refused although no byte is left")
	}
	for _, owner := range []string{"", "admin"} {
		for range 4 {
			if !q.store(t, owner, 1000) {
				t.Errorf("an image of %q is refused, which has no quota", owner)
			}
		}
	}
	letIn, err := q.Reserve(t.Context(), "ada", ownership.NewID("ada"), 5, true)
	if err == nil {
		err = letIn.Commit(t.Context(), 5)
	}
	if err != nil {
		t.Errorf("an image that was let in is refused: %v", err)
	}
	q.wantUsed(t, "ada", "2 images, 1005 bytes")
}

// Requests for one image at the same time, which a client can send at will, count once, and as long as one of them goes
// on. One that fails does not give the place of another back.
func TestReserveTogether(t *testing.T) {
	t.Parallel()
	q := open(t)
	id := ownership.NewID("ada")
	reserve := func(size int64) *Reservation {
		t.Helper()
		place, err := q.Reserve(t.Context(), "ada", id, size, false)
		if err != nil {
			t.Fatalf("a request for an image that is being accepted is refused: %v", err)
		}
		return place
	}
	first, second := reserve(900), reserve(500)
	if q.store(t, "ada", 101) {
		t.Error("of two requests for one image the smaller one counts")
	}
	if err := second.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q.store(t, "ada", 101) {
		t.Error("a request that failed has given back the place of another one")
	}
	third := reserve(900)
	if err := first.Commit(t.Context(), 900); err != nil {
		t.Fatal(err)
	}
	if !q.store(t, "ada", 100) {
		t.Error("an image that is stored counts again, for another request that brings it")
	}
	if err := third.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.wantUsed(t, "ada", "2 images, 1000 bytes")
	if left := q.redis.Exists(t.Context(), third.keys()[1], third.keys()[2]).Val(); left != 0 {
		t.Errorf("%d keys of reservations are left", left)
	}
}

// A reservation whose process has ended does not count forever.
func TestReservationEnds(t *testing.T) {
	t.Parallel()
	q := open(t)
	place, err := q.Reserve(t.Context(), "ada", ownership.NewID("ada"), 1000, false)
	if err != nil {
		t.Fatal(err)
	}
	if q.store(t, "ada", 1) {
		t.Error("the reservation does not count")
	}
	ended := redis.Z{Score: float64(time.Now().Add(-time.Minute).Unix()), Member: place.imageID + " " + place.request}
	if err := q.redis.ZAdd(t.Context(), place.keys()[1], ended).Err(); err != nil {
		t.Fatal(err)
	}
	if !q.store(t, "ada", 1000) {
		t.Error("a reservation that has ended still counts")
	}
}

// A pass replaces what Redis has by what it counts, and what was stored while it went on.
func TestPass(t *testing.T) {
	t.Parallel()
	q := open(t)
	if p := q.pass(t, ""); p != nil {
		t.Errorf("without clients there is a pass: %+v", p)
	}
	for _, owner := range []string{"ada", "bob"} {
		if !q.store(t, owner, 10) {
			t.Fatal("an image is refused")
		}
	}
	before := time.Now().Add(-time.Hour)

	p := q.pass(t, "")
	p.Count(ownership.NewID("ada"), 100, before)
	p.Count(ownership.NewID("ada"), 1, time.Now().Add(time.Hour)) // stored since: counted when it was
	p.Count(ownership.NewID("eve"), 1000, before)
	p.Count(ownership.NewID(""), 1000, before)
	saveTo(t, p, "5", false)
	q.store(t, "ada", 20)
	q.store(t, "eve", 7) // is not part of this pass
	q.wantUsed(t, "ada", "2 images, 30 bytes")
	p = q.pass(t, "5")
	p.Count(ownership.NewID("ada"), 200, before)
	p.Count(ownership.NewID("eve"), 1000, before)
	saveTo(t, p, "", true)
	q.wantUsed(t, "ada", "3 images, 320 bytes")
	q.wantUsed(t, "bob", "0 images, 0 bytes")
	q.wantUsed(t, "eve", "1 images, 7 bytes")
	if q.store(t, "ada", 1) {
		t.Error("an image is accepted although the bucket has as many as it may")
	}
	clients, err := q.redis.ZRange(t.Context(), q.ledger.clientsKey(), 0, -1).Result()
	if fmt.Sprint(clients) != "[ada eve]" || err != nil {
		t.Errorf("Redis knows %v, %v; want those that have images", clients, err)
	}

	saveTo(t, q.pass(t, ""), "", true)
	q.wantUsed(t, "ada", "0 images, 0 bytes")
}

// A part that is counted twice, or follows on none, counts nothing, and the next pass begins anew.
func TestBrokenPass(t *testing.T) {
	t.Parallel()
	q := open(t)
	q.store(t, "ada", 10)
	p := q.pass(t, "")
	saveTo(t, p, "5", false)
	saveTo(t, p, "5", false) // the sweep before did not move the scan on
	if p := q.pass(t, "5"); p != nil {
		t.Errorf("there is a part of a broken pass: %+v", p)
	}
	saveTo(t, q.pass(t, "5"), "", true) // the scan goes on all the same
	q.wantUsed(t, "ada", "1 images, 10 bytes")

	saveTo(t, q.pass(t, ""), "5", false)
	if p := q.pass(t, "3"); p != nil {
		t.Errorf("there is a part that follows on none: %+v", p)
	}
	p = q.pass(t, "")
	p.Count(ownership.NewID("ada"), 3, time.Now().Add(-time.Hour))
	saveTo(t, p, "", true)
	q.wantUsed(t, "ada", "1 images, 3 bytes")
}

// To end a reservation, the caller need not be there.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	q := open(t)
	place, err := q.Reserve(t.Context(), "ada", ownership.NewID("ada"), 10, false)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := place.Commit(gone, 10); err != nil {
		t.Errorf("Commit() = %v", err)
	}
	q.wantUsed(t, "ada", "1 images, 10 bytes")
}

// An image that is deleted while a pass goes on does not count after it, whether the pass has come by the image, and
// has saved that, or not.
func TestRemoveDuringPass(t *testing.T) {
	t.Parallel()
	before := time.Now().Add(-time.Hour)
	type part struct {
		q          testQuota
		id, cursor string // of an image of 100 bytes, and behind it
	}
	remove := func(t *testing.T, p part, stored time.Time) {
		t.Helper()
		if err := p.q.ledger.Remove(t.Context(), p.id, 100, stored); err != nil {
			t.Fatal(err)
		}
	}
	for name, scan := range map[string]func(t *testing.T, p part){
		"before the pass": func(t *testing.T, p part) {
			t.Helper()
			remove(t, p, before)
			saveTo(t, p.q.pass(t, ""), p.cursor, false)
		},
		"before the image is listed": func(t *testing.T, p part) {
			t.Helper()
			pass := p.q.pass(t, "")
			remove(t, p, before)
			saveTo(t, pass, p.cursor, false)
		},
		"before the image is listed all the same": func(t *testing.T, p part) {
			t.Helper()
			pass := p.q.pass(t, "")
			remove(t, p, before)
			pass.Count(p.id, 100, before)
			saveTo(t, pass, p.cursor, false)
		},
		"before its part is saved": func(t *testing.T, p part) {
			t.Helper()
			pass := p.q.pass(t, "")
			pass.Count(p.id, 100, before)
			remove(t, p, before)
			saveTo(t, pass, p.cursor, false)
		},
		"after its part was saved": func(t *testing.T, p part) {
			t.Helper()
			pass := p.q.pass(t, "")
			pass.Count(p.id, 100, before)
			saveTo(t, pass, p.cursor, false)
			remove(t, p, before)
		},
		"before its part begins": func(t *testing.T, p part) {
			t.Helper()
			saveTo(t, p.q.pass(t, ""), "0", false)
			remove(t, p, before)
			pass := p.q.pass(t, "0")
			pass.Count(p.id, 100, before)
			saveTo(t, pass, p.cursor, false)
		},
		"while it is saved": func(t *testing.T, p part) {
			t.Helper()
			pass := p.q.pass(t, "")
			pass.Count(p.id, 100, before)
			stale := pass.counts(p.cursor, false, nil)
			remove(t, p, before)
			keys := pass.keys(p.q.ledger.clientsKey())
			if got, err := save.Run(t.Context(), p.q.ledger.client, keys, stale...).Result(); got != "again" || err != nil {
				t.Errorf("counts without the image that was removed are answered %v, %v; want again", got, err)
			}
			saveTo(t, pass, p.cursor, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := open(t)
			if !q.store(t, "ada", 100) || !q.store(t, "ada", 30) { // before the pass
				t.Fatal("an image is refused")
			}
			other, id := ownership.NewID("ada"), ownership.NewID("ada")
			scan(t, part{q, id, id + "0"})
			last := q.pass(t, id+"0")
			last.Count(other, 30, before)
			saveTo(t, last, "", true)
			q.wantUsed(t, "ada", "1 images, 30 bytes")
			if left := q.redis.Exists(t.Context(), q.ledger.removedKey(), q.ledger.passKey()).Val(); left != 0 {
				t.Errorf("%d keys of the pass are left", left)
			}
		})
	}
	t.Run("stored since the pass began", func(t *testing.T) {
		t.Parallel()
		q := open(t)
		q.store(t, "ada", 30)
		pass := q.pass(t, "")
		q.store(t, "ada", 100)
		id := ownership.NewID("ada")
		remove(t, part{q, id, ""}, time.Now().Add(time.Minute))
		pass.Count(ownership.NewID("ada"), 30, before)
		saveTo(t, pass, "", true)
		q.wantUsed(t, "ada", "1 images, 30 bytes")
	})
}

// A sweep may take until the next one has begun a pass, as when the store is slow to delete. Then what it counted is of
// a time before that pass, which goes on as if nothing had happened.
func TestPassOverlaps(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]bool{"a part of the bucket": false, "the whole bucket": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := open(t)
			q.store(t, "ada", 30)
			before := time.Now().Add(-time.Hour)
			slow := q.pass(t, "")
			slow.Count(ownership.NewID("ada"), 30, before)
			q.store(t, "ada", 100)
			time.Sleep(2 * time.Millisecond) // Redis has the time of a pass in milliseconds
			next := q.pass(t, "")
			next.Count(ownership.NewID("ada"), 30, before)
			next.Count(ownership.NewID("ada"), 100, before)
			next.Count(ownership.NewID("ada"), 7, before) // Redis has forgotten it
			saveTo(t, slow, map[bool]string{false: "5"}[over], over)
			q.wantUsed(t, "ada", "2 images, 130 bytes")
			saveTo(t, next, "", true)
			q.wantUsed(t, "ada", "3 images, 137 bytes")
			if left := q.redis.Exists(t.Context(), q.ledger.passKey()).Val(); left != 0 {
				t.Error("the pass has not ended")
			}
		})
	}
}
