package events

// ImageSweep asks the service to look for images whose events were not published, and to publish them. It has no
// fields. To send it several times has the effect of sending it once.
type ImageSweep struct{}

// TypeImageSweep is the CloudEvents type of ImageSweep.
const TypeImageSweep = "image.sweep"

// EventType is "image.sweep".
func (ImageSweep) EventType() string { return TypeImageSweep }

// Validate returns nil.
func (ImageSweep) Validate() error { return nil }

func (ImageSweep) subject() string          { return "" }
func (ImageSweep) object() (string, string) { return "", "" }
func (ImageSweep) cause() Cause             { return Cause{} }
