package events

// ImageReceived says that another system has an image for the service. It travels in one of three forms: as this
// payload, which names an object in a bucket that the service may read; as an event without data whose dataref names
// the object; or as an event whose data is the image itself, with its content type. The source and id of the event
// decide the image id, so an event that comes again does not make a second image.
type ImageReceived struct {
	// Bucket and ObjectName say where the image lies. The service copies it.
	Bucket     string `json:"bucket"`
	ObjectName string `json:"object_name"`
	// Filename is what the image is called; empty means the last segment of ObjectName.
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
