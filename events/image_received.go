package events

import (
	"strings"
	"unicode"
)

// ImageReceived means that another system has an image for the service. There are three forms of it: this payload,
// which names an object in a bucket that the service may read; an event without data, whose dataref names the object;
// and an event whose data is the image itself, with its content type. The source and ID of the event determine the
// image ID, so an event that is delivered twice makes one image.
type ImageReceived struct {
	// Bucket and ObjectName name the object that holds the image. The service copies it.
	Bucket     string `json:"bucket"`
	ObjectName string `json:"object_name"`
	// Version is the version ID of the object; empty means the latest version when the event is handled.
	Version string `json:"version,omitempty"`
	// Filename is the name of the image; empty means the last segment of ObjectName.
	Filename string `json:"filename,omitempty"`
}

// TypeImageReceived is the CloudEvents type of ImageReceived.
const TypeImageReceived = "image.received"

// EventType is "image.received".
func (ImageReceived) EventType() string { return TypeImageReceived }

// maxVersion is the length of the longest version ID of S3, in bytes:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
const maxVersion = 1024

// Validate checks that an object is named.
func (p ImageReceived) Validate() error {
	var f faults
	f.checkBucket(p.Bucket)
	f.checkObjectName("object_name", p.ObjectName)
	f.check(len(p.Version) <= maxVersion && !strings.ContainsFunc(p.Version, unicode.IsControl),
		"version is %.40q (%d bytes), expected at most %d bytes without control characters",
		p.Version, len(p.Version), maxVersion)
	return f.err()
}

func (p ImageReceived) subject() string          { return "" }
func (p ImageReceived) object() (string, string) { return p.Bucket, p.ObjectName }
func (ImageReceived) cause() Cause               { return Cause{} }
