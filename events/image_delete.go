package events

// ImageDelete asks the service to delete an image: the original and everything that was made of it. To send it several
// times has the effect of sending it once; that of an image which does not exist has none.
type ImageDelete struct {
	ImageID string `json:"image_id"`
}

// TypeImageDelete is the CloudEvents type of ImageDelete.
const TypeImageDelete = "image.delete"

// EventType is "image.delete".
func (ImageDelete) EventType() string { return TypeImageDelete }

// Validate checks that there is an image ID.
func (p ImageDelete) Validate() error {
	var f faults
	f.checkImageID(p.ImageID)
	return f.err()
}

func (p ImageDelete) subject() string        { return p.ImageID }
func (ImageDelete) object() (string, string) { return "", "" }
func (ImageDelete) cause() Cause             { return Cause{} }
