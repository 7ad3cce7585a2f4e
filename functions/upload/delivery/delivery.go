// Package delivery answers for images that were accepted: their status, their original, their thumbnail and other
// renditions; it lists them; and it has the page on which a browser uploads images.
//
// Clients that do not want to ask again and again wait for a status, or read a stream of events.
//
// It reads only. Objects never change, so caches may keep them forever. A client that may not see an image gets the
// same answer as for an image that does not exist.
package delivery

import (
	"context"
	"net/http"
	"strings"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"golang.org/x/sync/semaphore"
)

// Backends are what a Delivery works with.
type Backends struct {
	Images     *imagestore.Store
	Statuses   *status.Store
	Outbox     *outbox.Outbox
	Watcher    *status.Watcher
	References *idempotency.References
	Index      *imageindex.Index
	// Renditions are what is made of each image.
	Renditions *rendition.Set
	Signer     Signer
	// OnDemand has renditions made that are not there.
	OnDemand Requester
	// IgnoreError takes an error of Redis in an operation that the answer does not depend on.
	IgnoreError func(ctx context.Context, operation string, err error)
}

// A Requester has all renditions made that an image lacks, and reports whether they are on their way.
type Requester interface {
	Request(ctx context.Context, imageID string) bool
}

// A Delivery answers GET requests, and signs URLs. It is safe for use by several goroutines.
type Delivery struct {
	Backends
	policy  ownership.Policy
	waiting *semaphore.Weighted // requests that wait for a status
}

// New returns a Delivery in which at most maxWaiting requests wait for a status at a time.
func New(backends Backends, policy ownership.Policy, maxWaiting int64) *Delivery {
	return &Delivery{backends, policy, semaphore.NewWeighted(maxWaiting)}
}

// imageID returns the ID in the path of a request. UUIDs are read without regard to case (RFC 9562, section 4).
func imageID(r *http.Request) string { return strings.ToLower(r.PathValue("id")) }

// maySee reports whether there may be an image with an ID that the request may see.
func (d *Delivery) maySee(ctx context.Context, imageID string) bool {
	return events.IsImageID(imageID) && d.policy.MaySee(ctx, imageID)
}
