package deadletter

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

const (
	// So many letters are put back at a time, and then committed. Those of one batch come again after a crash.
	batchSize = 32
	// A call that has not put everything back by then says how much is left.
	redriveWithin = 2 * time.Minute
	turnWithin    = 5 * time.Second
)

// redriven is the answer to POST /redrive.
type redriven struct {
	Redriven int   `json:"redriven"`
	Waiting  int64 `json:"waiting"`
}

// otherSites keeps pages of other sites from putting letters back with the browser of somebody who may: a form needs no
// leave to be sent anywhere.
var otherSites http.CrossOriginProtection

var problemOtherSite = &apierror.Error{Status: http.StatusForbidden, Code: apierror.CodeForbidden, Message: "This is not for pages of other sites"}

// redrive is POST /redrive: it puts back what waits, or what of it the query names. What becomes a dead letter
// meanwhile stays.
func (k *keeper) redrive(w http.ResponseWriter, r *http.Request) error {
	if err := otherSites.Check(r); err != nil {
		return problemOtherSite
	}
	wanted, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	if err := k.takeTurn(r.Context()); err != nil {
		return err
	}
	defer k.committing.Release(1)
	v, err := k.waiting.open()
	if err != nil {
		return err
	}
	defer v.close()
	count, err := k.putBack(r.Context(), v, wanted)
	k.redriven.Add(float64(count))
	k.Log.InfoContext(r.Context(), "dead_letters_redriven", "redriven", count, "waiting", v.count())
	if err != nil {
		return err
	}
	if asksForPage(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	httpserver.WriteJSON(w, http.StatusOK, redriven{Redriven: count, Waiting: v.count()})
	return nil
}

// takeTurn waits a little for whoever else puts back.
func (k *keeper) takeTurn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, turnWithin)
	defer cancel()
	if k.committing.Acquire(ctx, 1) != nil {
		return &apierror.Error{
			Status:     http.StatusTooManyRequests,
			Code:       apierror.CodeBusy,
			Message:    "Dead letters are being put back already",
			RetryAfter: turnWithin,
		}
	}
	return nil
}

// putBack puts the wanted letters back, as many as it can in its time, and counts them.
func (k *keeper) putBack(ctx context.Context, v *view, wanted filter) (count int, err error) {
	ctx, cancel := context.WithTimeout(ctx, redriveWithin)
	defer cancel()
	batch := make([]letter, 0, batchSize)
	for l, err := range v.letters(ctx, start) {
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return count, err
		}
		if !wanted.has(l) || l.fault != nil {
			continue
		}
		if batch = append(batch, l); len(batch) < batchSize {
			continue
		}
		put, err := k.putBackBatch(ctx, v, batch)
		if count += put; err != nil {
			return count, err
		}
		batch = batch[:0]
	}
	put, err := k.putBackBatch(ctx, v, batch)
	return count + put, err
}

// putBackBatch announces letters and commits those that Kafka has acknowledged. What is begun is finished, even if the
// caller goes; an announcement has a limit of its own.
func (k *keeper) putBackBatch(ctx context.Context, v *view, batch []letter) (count int, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	if !v.hasRoomFor(batch) {
		return 0, problemFull
	}
	ctx = context.WithoutCancel(ctx)
	faults := make([]error, len(batch))
	var sends sync.WaitGroup
	for i, l := range batch {
		sends.Go(func() { faults[i] = k.topic.Announce(ctx, l.original()) })
	}
	sends.Wait()
	for i, l := range batch {
		if faults[i] == nil {
			v.markDone(l.at)
			count++
		}
	}
	return count, errors.Join(errors.Join(faults...), v.commit())
}

// Kafka keeps what was put back out of turn, or past records that are no events, as text of bounded length.
var problemFull = &apierror.Error{
	Status: http.StatusConflict,
	Code:   apierror.CodeOutOfTurn,
	Message: "Too many letters have been put back past others; " +
		"put back those that came before them, or wait until the topic forgets them",
}
