package deadletter

import (
	"context"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"golang.org/x/sync/semaphore"
)

// Memory of all requests together, in bytes, each charged before its body is read. It is chosen for the limit of
// knative/base/300-dead-letters.yaml; TestMemory measures it.
const (
	memoryLimit   = 72 << 20
	memoryTimeout = 5 * time.Second // that a request waits for others

	fixedCost   = 64 << 10 // of any request beside its body
	listCost    = 12 << 20 // a page of letters, and the records that sarama reads ahead
	redriveCost = 24 << 20 // a batch, and the same
)

// memory is the budget. A request that gets nothing within memoryTimeout is refused with 503, which Knative retries.
type memory struct{ left *semaphore.Weighted }

func newMemory() memory { return memory{semaphore.NewWeighted(memoryLimit)} }

// acquire waits until the requests before this one leave it enough. The caller calls release.
func (m memory) acquire(ctx context.Context, cost int64) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, memoryTimeout)
	defer cancel()
	if m.left.Acquire(ctx, cost) != nil {
		return nil, &apierror.Error{
			Status:     http.StatusServiceUnavailable,
			Code:       apierror.CodeBusy,
			Message:    "Other requests take all memory",
			RetryAfter: memoryTimeout,
		}
	}
	return func() { m.left.Release(cost) }, nil
}

// costOf returns what it takes to keep the letter in a request. sarama copies a body into a batch, and the batch into a
// request; the SDK copies a structured event several times more.
func costOf(r *http.Request) int64 {
	held := int64(maxRecord)
	if r.ContentLength >= 0 {
		held = min(held, r.ContentLength)
	}
	copies := int64(3)
	if r.ContentLength < 0 {
		copies++ // the body grows as it is read
	}
	if cloudevent.IsStructured(r) {
		copies += 5
	}
	return fixedCost + copies*held
}
