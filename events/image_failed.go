package events

import "strings"

// A Reason says, for machines, why an image can never have a thumbnail.
type Reason string

// All reasons that this version gives. A later one may give more, which Decode takes as well: whatever the reason, the
// image has failed.
const (
	// ReasonNotAnImage: the content is none of the formats that are known.
	ReasonNotAnImage Reason = "not_an_image"
	// ReasonUnsupported: the content is an image, of a format or a kind that the service does not read.
	ReasonUnsupported Reason = "unsupported"
	// ReasonDamaged: the image is broken, or cut short.
	ReasonDamaged Reason = "damaged"
	// ReasonTooManyBytes: the file is larger than the limit.
	ReasonTooManyBytes Reason = "too_many_bytes"
	// ReasonTooManyPixels: the image is larger than the limit once it is decoded.
	ReasonTooManyPixels Reason = "too_many_pixels"
)

// Reasons lists them all.
func Reasons() []Reason {
	return []Reason{ReasonNotAnImage, ReasonUnsupported, ReasonDamaged, ReasonTooManyBytes, ReasonTooManyPixels}
}

// ImageFailed says that an image can never have a thumbnail, and why. What may still succeed is never said to have
// failed: it is tried again.
type ImageFailed struct {
	ImageID string `json:"image_id"`
	// Bucket and ObjectName say where the original lies; both are empty if it was refused before it was stored.
	Bucket     string `json:"bucket,omitempty"`
	ObjectName string `json:"object_name,omitempty"`
	// Reason is for machines, Error for people.
	Reason Reason `json:"reason"`
	Error  string `json:"error"`
	// ProcessedAt is in seconds since 1970 with a fraction.
	ProcessedAt float64 `json:"processed_at"`
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
		"bucket is %.70q and object_name %.90q, expected both or none", p.Bucket, p.ObjectName)
	if p.Bucket != "" {
		f.checkBucket(p.Bucket)
	}
	if p.ObjectName != "" {
		f.checkOwnObject("object_name", p.ImageID, p.ObjectName)
	}
	f.check(reason.MatchString(string(p.Reason)), "reason is %.40q, expected a word such as %q", p.Reason, ReasonDamaged)
	f.check(strings.TrimSpace(p.Error) != "", "error is empty, expected a sentence")
	f.checkSeconds("processed_at", p.ProcessedAt)
	return f.err()
}

func (p ImageFailed) subject() string          { return p.ImageID }
func (p ImageFailed) object() (string, string) { return p.Bucket, p.ObjectName }
