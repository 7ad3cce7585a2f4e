package events

// ImageReceived means that another system has an image for the service. There are three forms of it: this payload,
// which names an object in a bucket that the service may read; an event without data, whose dataref names the object;
// and an event whose data is the image itself, with its content type. The source and ID of the event determine the
// image ID, so an event that is delivered twice makes one image.
type ImageReceived struct {
	// Bucket and ObjectName name the object that holds the image. The service copies it.
	Bucket     string `json:"bucket"`
	ObjectName string `json:"object_name"`
	// Filename is the name of the image; empty means the last segment of ObjectName.
	Filename string `json:"filename,omitempty"`
}

// TypeImageReceived is the CloudEvents type of ImageReceived.
const TypeImageReceived = "image.received"

// EventType is "image.received".
func (ImageReceived) EventType() string { return TypeImageReceived }

// Validate checks that an object is named.
func (p ImageReceived) Validate() error {
	var f faults
	f.checkBucket(p.Bucket)
	f.checkObjectName("object_name", p.ObjectName)
	return f.err()
}

func (p ImageReceived) subject() string          { return "" }
func (p ImageReceived) object() (string, string) { return p.Bucket, p.ObjectName }
func (ImageReceived) cause() Cause               { return Cause{} }
