package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ImageRender asks the service to make what a completed image lacks of the renditions that are configured when the
// event is handled. To send it several times has the effect of sending it once. Nothing happens for an image that does
// not exist, has failed, or is not completed yet.
type ImageRender struct {
	ImageID string `json:"image_id"`
	// Bucket holds the image; empty means the service's own.
	Bucket string `json:"bucket,omitempty"`
	// Renditions are the names of those to make; none means all. Names that are not configured are ignored.
	Renditions []string `json:"renditions,omitzero"`
	// EngineOlderThan has renditions that are there made again, and replaced, if an engine of an earlier version made
	// them. 0 means that nothing is replaced.
	EngineOlderThan int `json:"engine_older_than,omitempty"`
}

// TypeImageRender is the CloudEvents type of ImageRender.
const TypeImageRender = "image.render"

// maxRenditions is the number of names that an event may have.
const maxRenditions = 100

// EventType is "image.render".
func (ImageRender) EventType() string { return TypeImageRender }

// Validate checks the form of the image ID and of the names.
func (p ImageRender) Validate() error {
	var f faults
	f.checkImageID(p.ImageID)
	if p.Bucket != "" {
		f.checkBucket(p.Bucket)
	}
	f.check(len(p.Renditions) <= maxRenditions, "renditions has %d names, expected at most %d",
		len(p.Renditions), maxRenditions)
	for i, name := range p.Renditions {
		f.checkRenditionName(fmt.Sprintf("renditions[%d]", i), name)
	}
	f.check(0 <= p.EngineOlderThan && p.EngineOlderThan <= maxSide,
		"engine_older_than is %d, expected a version of the engine", p.EngineOlderThan)
	return f.err()
}

// ID returns the id of the event for a set of renditions, which is named by any text that changes with it. A request
// that is repeated is one event; after a change of the set, it is another one.
func (p ImageRender) ID(set string) string {
	what := fmt.Sprintf("%s\n%s\n%d", set, strings.Join(p.Renditions, ","), p.EngineOlderThan)
	sum := sha256.Sum256([]byte(what))
	return TypeImageRender + "/" + p.ImageID + "/" + hex.EncodeToString(sum[:8])
}

func (p ImageRender) subject() string        { return p.ImageID }
func (ImageRender) object() (string, string) { return "", "" }
func (ImageRender) cause() Cause             { return Cause{} }
