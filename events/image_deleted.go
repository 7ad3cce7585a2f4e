package events

// A Deletion is the machine-readable reason why an image was deleted.
type Deletion string

// The reasons of this version. A later one may have more, which Decode accepts as well.
const (
	// DeletionRequested: a client asked for it, or an image.delete.
	DeletionRequested Deletion = "requested"
	// DeletionExpired: the image was older than the service keeps images.
	DeletionExpired Deletion = "expired"
)

// Deletions returns all reasons of this version.
func Deletions() []Deletion { return []Deletion{DeletionRequested, DeletionExpired} }

// ImageDeleted means that an image was deleted: nothing of it is stored any longer, and nothing of it comes back.
type ImageDeleted struct {
	ImageID string   `json:"image_id"`
	Reason  Deletion `json:"reason"`
	// DeletedAt is in seconds since 1970 with a fraction.
	DeletedAt float64 `json:"deleted_at"`
	// Cause is the event that brought the image, if an event did.
	Cause Cause `json:"cause,omitzero"`
}

// TypeImageDeleted is the CloudEvents type of ImageDeleted.
const TypeImageDeleted = "image.deleted"

// EventType is "image.deleted".
func (ImageDeleted) EventType() string { return TypeImageDeleted }

// Validate checks that a reason and a time are given.
func (p ImageDeleted) Validate() error {
	var f faults
	f.checkImageID(p.ImageID)
	f.check(isReason(string(p.Reason)),
		"reason is %s, expected lower-case letters, digits and underscores, such as %q", found(string(p.Reason), 40),
		DeletionRequested)
	f.checkSeconds("deleted_at", p.DeletedAt)
	f.checkCause(p.Cause)
	return f.err()
}

func (p ImageDeleted) subject() string        { return p.ImageID }
func (ImageDeleted) object() (string, string) { return "", "" }
func (p ImageDeleted) cause() Cause           { return p.Cause }
