package deletion

import (
	"context"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// Rules say who may delete images, and what is deleted because of its age.
type Rules struct {
	allow allowance
	// Expire is the age at which images are deleted; 0 means never.
	Expire time.Duration
	// Keep is how long a tombstone stays.
	Keep time.Duration
	// Overdue is how long a deletion may take before a sweep goes on with it.
	Overdue time.Duration
	// EventsOnly is whether all events come from the cluster's Broker.
	EventsOnly bool
}

// An allowance says whose requests to delete an image are heard.
type allowance string

const (
	clients  allowance = "clients"
	everyone allowance = "everyone"
	nobody   allowance = "nobody"
)

// Settings of deletions.
var (
	allowDelete = config.Text{Name: "ALLOW_DELETE", Default: string(clients),
		Form: config.Form{
			Expected: "clients, everyone or nobody",
			Valid: func(value string) bool {
				return value == string(clients) || value == string(everyone) || value == string(nobody)
			},
		},
		Doc: "Who may delete images with `DELETE /images/<id>` or `image.delete`. `clients`: clients that authenticate, " +
			"their own; administrators, and events that come through the Broker to a function with `EVENTS_ONLY`, all. " +
			"`everyone`: without authentication, all who know the ID, which everybody does who may see the image; otherwise " +
			"as `clients`."}
	expireAfter = config.Duration{Name: "EXPIRE_AFTER", Min: time.Hour, Max: 100 * 365 * 24 * time.Hour,
		Doc: "Age at which images are deleted, such as `720h`, counted from when the original was stored. 0 means never."}
	keepTombstone = config.Duration{Name: "TOMBSTONE_KEEP", Default: 60 * 24 * time.Hour, Min: 48 * time.Hour,
		Max: 100 * 365 * 24 * time.Hour,
		Doc: "How long the service knows that an image was deleted. It must be longer than any event or request about the " +
			"image can be repeated, from topics, dead letters or backups."}
)

// ReadRules reads ALLOW_DELETE, EXPIRE_AFTER and TOMBSTONE_KEEP.
func ReadRules(r *config.Reader) Rules {
	return Rules{
		allow:  allowance(allowDelete.Read(r)),
		Expire: expireAfter.Read(r),
		Keep:   keepTombstone.Read(r),
	}
}

// Allowed reports whether requests to delete images are heard at all.
func (d *Deleter) Allowed() bool { return d.mayDelete() == nil }

// MayDelete returns an error unless the service deletes images for the sender of a request at all. Which images these
// may be is for MaySee.
func (d *Deleter) mayDelete() error {
	open := d.rules.allow == everyone || d.policy.Enforced || d.rules.EventsOnly
	if d.rules.allow != nobody && open {
		return nil
	}
	return &apierror.Error{
		Status:  http.StatusForbidden,
		Code:    apierror.CodeForbidden,
		Message: "This service deletes no images for clients that do not authenticate",
		Found:   string(d.rules.allow),
	}
}

// expired reports whether an object of an age is too old to be kept.
func (r Rules) expired(age time.Duration) bool { return r.Expire > 0 && age > r.Expire }

// DeleteFor deletes an image for the sender of a request. It fails with an apierror.Error if it may not, or if there is
// no such image that it may see; otherwise as Delete does.
func (d *Deleter) DeleteFor(ctx context.Context, imageID string) error {
	if err := d.mayDelete(); err != nil {
		return err
	}
	return d.deleteVisible(ctx, imageID)
}
