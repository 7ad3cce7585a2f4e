package events

// ImageThumbnailed means that the thumbnail of an image was stored, and all renditions that the service was configured
// to make of it.
type ImageThumbnailed struct {
	ImageID string `json:"image_id"`
	Bucket  string `json:"bucket"`
	// ObjectName is the key of the original.
	ObjectName string `json:"object_name"`
	// Thumbnail is the key of the thumbnail: <image_id>/thumbnail_<filename>.
	Thumbnail string `json:"thumbnail"`
	// OriginalSize and ThumbnailSize are [width, height] in pixels, as a viewer shows them: orientation applied.
	OriginalSize  [2]int `json:"original_size"`
	ThumbnailSize [2]int `json:"thumbnail_size"`
	// Renditions are the files that were made of the image, the thumbnail among them. There are none if the service is
	// configured to make the thumbnail only.
	Renditions []Rendition `json:"renditions,omitempty"`
	// Placeholder is a ThumbHash of the image in base64 (https://evanw.github.io/thumbhash/), and Color its dominant
	// colour, #rrggbb. They are empty unless the service is configured to make them; an image that is all transparent has
	// no colour.
	Placeholder string `json:"placeholder,omitempty"`
	Color       string `json:"color,omitempty"`
	// ProcessedAt is in seconds since 1970 with a fraction.
	ProcessedAt float64 `json:"processed_at"`
	// Cause is the event that brought the image, if an event did.
	Cause Cause `json:"cause,omitzero"`
}

// TypeImageThumbnailed is the CloudEvents type of ImageThumbnailed.
const TypeImageThumbnailed = "image.thumbnailed"

// EventType is "image.thumbnailed".
func (ImageThumbnailed) EventType() string { return TypeImageThumbnailed }

// Validate checks that all objects belong to the image, and that the sizes are positive.
func (p ImageThumbnailed) Validate() error {
	var f faults
	f.checkImageID(p.ImageID)
	f.checkBucket(p.Bucket)
	f.checkOwnObject("object_name", p.ImageID, p.ObjectName)
	f.checkOwnObject("thumbnail", p.ImageID, p.Thumbnail)
	f.checkSize("original_size", p.OriginalSize)
	f.checkSize("thumbnail_size", p.ThumbnailSize)
	f.checkRenditions(p.ImageID, p.Renditions)
	f.check(p.Placeholder == "" || isThumbHash(p.Placeholder),
		"placeholder is %.60q, expected a ThumbHash in base64", p.Placeholder)
	f.check(p.Color == "" || isColor(p.Color), "color is %.40q, expected #rrggbb", p.Color)
	f.checkSeconds("processed_at", p.ProcessedAt)
	f.checkCause(p.Cause)
	return f.err()
}

func (p ImageThumbnailed) subject() string          { return p.ImageID }
func (p ImageThumbnailed) object() (string, string) { return p.Bucket, p.Thumbnail }
func (p ImageThumbnailed) cause() Cause             { return p.Cause }
