package deadletter

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

const (
	// batchSize letters are published, and then committed. After a crash the letters of one batch are repeated.
	batchSize = 32
	// batchBytes ends a batch of fewer letters; the last one may exceed it.
	batchBytes = 4 << 20
	// redriveTimeout ends a request that has not redriven everything; its response says how many letters are left.
	redriveTimeout = 2 * time.Minute
	// lockTimeout is how long a request waits for another one that commits.
	lockTimeout = 5 * time.Second
)

// redriven is the response to POST /redrive.
type redriven struct {
	Redriven int   `json:"redriven"`
	Waiting  int64 `json:"waiting"`
}

// crossOrigin refuses requests that a page of another site makes with the browser of an operator: a form may post
// anywhere.
var crossOrigin http.CrossOriginProtection

var errCrossOrigin = &apierror.Error{
	Status:  http.StatusForbidden,
	Code:    apierror.CodeForbidden,
	Message: "This is not for pages of other sites",
}

// redrive is POST /redrive: it redrives the letters that match the query, all of them without one. Letters that arrive
// in the meantime stay.
func (s *service) redrive(w http.ResponseWriter, r *http.Request) error {
	if err := crossOrigin.Check(r); err != nil {
		return errCrossOrigin
	}
	wanted, err := filterOf(r.URL.Query())
	if err != nil {
		return err
	}
	if err := s.lockCommits(r.Context()); err != nil {
		return err
	}
	defer s.committing.Release(1)
	release, err := s.memory.acquire(r.Context(), redriveCost)
	if err != nil {
		return err
	}
	defer release()
	v, err := s.backlog.open()
	if err != nil {
		return err
	}
	defer v.close()
	count, err := s.redriveAll(r.Context(), v, wanted)
	s.redriven.Add(float64(count))
	s.Log.InfoContext(r.Context(), "dead_letters_redriven", "redriven", count, "waiting", v.count())
	if err != nil {
		return err
	}
	if acceptsHTML(r) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	jsonhttp.Write(w, http.StatusOK, redriven{Redriven: count, Waiting: v.count()})
	return nil
}

// lockCommits waits for another request that commits, up to lockTimeout.
func (s *service) lockCommits(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	if s.committing.Acquire(ctx, 1) != nil {
		return &apierror.Error{
			Status:     http.StatusTooManyRequests,
			Code:       apierror.CodeBusy,
			Message:    "Dead letters are being redriven already",
			RetryAfter: lockTimeout,
		}
	}
	return nil
}

// redriveAll redrives the wanted letters, as many as it can in redriveTimeout, and counts them.
func (s *service) redriveAll(ctx context.Context, v *view, wanted filter) (count int, err error) {
	ctx, cancel := context.WithTimeout(ctx, redriveTimeout)
	defer cancel()
	batch, size := make([]letter, 0, batchSize), 0
	for l, err := range v.letters(ctx, start) {
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			return count, err
		}
		if !wanted.matches(l) || !l.isRedrivable() || l.raw != nil && !wanted.namesRaw() {
			continue
		}
		batch, size = append(batch, l), size+l.size
		if len(batch) < batchSize && size < batchBytes {
			continue
		}
		done, err := s.redriveBatch(ctx, v, batch)
		if count += done; err != nil {
			return count, err
		}
		clear(batch)
		batch, size = batch[:0], 0
	}
	done, err := s.redriveBatch(ctx, v, batch)
	return count + done, err
}

// redriveBatch publishes letters and commits those that Kafka has acknowledged. It finishes even if the caller leaves;
// a publication has a time limit of its own.
func (s *service) redriveBatch(ctx context.Context, v *view, batch []letter) (count int, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	if !v.fits(batch) {
		return 0, errOutOfTurn
	}
	ctx = context.WithoutCancel(ctx)
	faults := make([]error, len(batch))
	var sends sync.WaitGroup
	for i, l := range batch {
		sends.Go(func() { faults[i] = s.putBack(ctx, l) })
	}
	sends.Wait()
	for i, l := range batch {
		switch {
		case faults[i] == nil:
			v.markDone(l.at)
			count++
		case errors.Is(faults[i], kafka.ErrTooLarge): // it stays, and must not keep those after it from their turn
			s.Log.WarnContext(ctx, "dead_letter_not_redriven", "place", l.at.String(), "error.message", faults[i].Error())
			faults[i] = nil
		}
	}
	return count, errors.Join(errors.Join(faults...), v.commit())
}

// putBack publishes a letter on the topic of the service: an event as it was before it became a dead letter, a raw one
// byte by byte.
func (s *service) putBack(ctx context.Context, l letter) error {
	if l.raw != nil {
		return s.target.PublishRecord(ctx, l.raw.original())
	}
	return s.target.Publish(ctx, original(l.event))
}

// errOutOfTurn is for gaps that Kafka could not store: it keeps the letters that were redriven past others, or past
// records that are not events, as text of bounded length.
var errOutOfTurn = &apierror.Error{
	Status: http.StatusConflict,
	Code:   apierror.CodeOutOfTurn,
	Message: "Too many letters have been redriven past others; " +
		"redrive those that came before them, or wait until the topic forgets them",
}
