package events

import "strings"

// A Reason is the machine-readable reason why an image can never have a thumbnail.
type Reason string

// The reasons of this version. A later one may have more, which Decode accepts as well: the image has failed in any
// case.
const (
	// ReasonNotAnImage: the content has none of the known formats.
	ReasonNotAnImage Reason = "not_an_image"
	// ReasonUnsupported: the content is an image of a format, or of a variant of one, that the service does not read.
	ReasonUnsupported Reason = "unsupported"
	// ReasonDamaged: the image is corrupt or truncated.
	ReasonDamaged Reason = "damaged"
	// ReasonTooManyBytes: the file is larger than the limit.
	ReasonTooManyBytes Reason = "too_many_bytes"
	// ReasonTooManyPixels: the decoded image is larger than the limit.
	ReasonTooManyPixels Reason = "too_many_pixels"
	// ReasonObjectNotFound: the object that the image was to be read from did not appear in time.
	ReasonObjectNotFound Reason = "object_not_found"
	// ReasonObjectUnreadable: the store did not let the service read that object in time, because of its permissions, of
	// an encryption with a key of its owner, or because it is archived.
	ReasonObjectUnreadable Reason = "object_unreadable"
)

// Reasons returns all reasons of this version.
func Reasons() []Reason {
	return []Reason{
		ReasonNotAnImage, ReasonUnsupported, ReasonDamaged, ReasonTooManyBytes, ReasonTooManyPixels, ReasonObjectNotFound,
		ReasonObjectUnreadable,
	}
}

// ImageFailed means that an image can never have a thumbnail. An attempt that may still succeed is repeated, and does
// not lead to this event.
type ImageFailed struct {
	ImageID string `json:"image_id"`
	// Bucket and ObjectName name the original; both are empty if the image was refused before it was stored. With
	// ReasonObjectNotFound they name the object that is missing, or are empty.
	Bucket     string `json:"bucket,omitempty"`
	ObjectName string `json:"object_name,omitempty"`
	// Reason is for machines, Error for people.
	Reason Reason `json:"reason"`
	Error  string `json:"error"`
	// ProcessedAt is in seconds since 1970 with a fraction.
	ProcessedAt float64 `json:"processed_at"`
	// Cause is the event that brought the image, if an event did.
	Cause Cause `json:"cause,omitzero"`
}

// TypeImageFailed is the CloudEvents type of ImageFailed.
const TypeImageFailed = "image.failed"

// EventType is "image.failed".
func (ImageFailed) EventType() string { return TypeImageFailed }

// Validate checks that a known reason and an explanation are given.
func (p ImageFailed) Validate() error {
	var f faults
	f.checkImageID(p.ImageID)
	f.check((p.Bucket == "") == (p.ObjectName == ""),
		"bucket is %s and object_name %s, expected both or none", found(p.Bucket, 70), found(p.ObjectName, 90))
	if p.Bucket != "" {
		f.checkBucket(p.Bucket)
	}
	if p.ObjectName != "" {
		f.checkOwnObject("object_name", p.ImageID, p.ObjectName)
	}
	f.check(isReason(string(p.Reason)),
		"reason is %s, expected lower-case letters, digits and underscores, such as %q", found(string(p.Reason), 40),
		ReasonDamaged)
	f.check(strings.TrimSpace(p.Error) != "", "error is missing or empty, expected a sentence")
	f.checkSeconds("processed_at", p.ProcessedAt)
	f.checkCause(p.Cause)
	return f.err()
}

func (p ImageFailed) subject() string          { return p.ImageID }
func (p ImageFailed) object() (string, string) { return p.Bucket, p.ObjectName }
func (p ImageFailed) cause() Cause             { return p.Cause }
