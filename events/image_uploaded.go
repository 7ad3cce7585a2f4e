package events

// ImageUploaded means that an image was stored and waits for its thumbnail. Its first four fields are the task of the
// original system, which wrote them to the same Kafka topic: a consumer of those tasks can read it.
type ImageUploaded struct {
	ImageID string `json:"image_id"`
	// ObjectName is the key of the original: <image_id>/<filename>.
	ObjectName string `json:"object_name"`
	// Filename is the last segment of ObjectName.
	Filename string `json:"filename"`
	// Timestamp is when the image was stored, in seconds since 1970 with a fraction.
	Timestamp float64 `json:"timestamp"`
	// Bucket holds the object; empty means the service's own.
	Bucket string `json:"bucket,omitempty"`
	// ContentType is detected from the content, never from a name or a header.
	ContentType string `json:"content_type,omitempty"`
	// Size is in bytes.
	Size int64 `json:"size,omitempty"`
	// Width and Height are in pixels, as a viewer shows the image: orientation applied.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
}

// TypeImageUploaded is the CloudEvents type of ImageUploaded.
const TypeImageUploaded = "image.uploaded"

// EventType is "image.uploaded".
func (ImageUploaded) EventType() string { return TypeImageUploaded }

// Validate checks that the event names an object that belongs to its image.
func (p ImageUploaded) Validate() error {
	var f faults
	f.checkImageID(p.ImageID)
	f.checkOwnObject("object_name", p.ImageID, p.ObjectName)
	f.check(p.ObjectName == p.ImageID+"/"+p.Filename,
		"filename is %s, expected the last segment of object_name", found(p.Filename, 90))
	f.checkSeconds("timestamp", p.Timestamp)
	if p.Bucket != "" {
		f.checkBucket(p.Bucket)
	}
	if p.ContentType != "" {
		f.checkContentType(p.ContentType)
	}
	f.check(0 <= p.Size && p.Size <= maxInteger, "size is %d, expected a number of bytes", p.Size)
	f.check(0 <= p.Width && p.Width <= maxSide, "width is %d, expected pixels", p.Width)
	f.check(0 <= p.Height && p.Height <= maxSide, "height is %d, expected pixels", p.Height)
	return f.err()
}

func (p ImageUploaded) subject() string          { return p.ImageID }
func (p ImageUploaded) object() (string, string) { return p.Bucket, p.ObjectName }
func (ImageUploaded) cause() Cause               { return Cause{} }
