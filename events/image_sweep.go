package events

// ImageSweep asks the service to look for images that were stored and not announced, and to announce them again. It has
// no fields: that it comes is all that it says. However often it comes, the effect is that of once.
type ImageSweep struct{}

// TypeImageSweep is the CloudEvents type of ImageSweep.
const TypeImageSweep = "image.sweep"

// EventType is "image.sweep".
func (ImageSweep) EventType() string { return TypeImageSweep }

// Validate finds nothing wrong.
func (ImageSweep) Validate() error { return nil }

func (ImageSweep) subject() string          { return "" }
func (ImageSweep) object() (string, string) { return "", "" }
