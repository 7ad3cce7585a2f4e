// Package status knows the status of every image. Redis caches it for an hour; what Redis has forgotten is rebuilt from
// the objects that are stored for the image.
//
// A status only goes forward: queued, processing, then completed or failed. The first final status stays, until the
// image is deleted. The package queues and announces nothing: see package outbox for that.
package status

import (
	"encoding/json"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// A State is a stage in the processing of an image.
type State string

// The states, in their order. Completed and Failed are final. Deleted may follow on any other, and nothing follows on
// it.
const (
	Queued     State = "queued"
	Processing State = "processing"
	Completed  State = "completed"
	Failed     State = "failed"
	Deleted    State = "deleted"
)

// Final reports whether no other state follows, but that the image is deleted.
func (s State) Final() bool { return s == Completed || s == Failed || s == Deleted }

// A Status is the answer of GET /status/{id}, and what Redis has, as JSON. All fields but Reason, Cause, and
// Result's Renditions, Placeholder and Color are the original system's.
type Status struct {
	ImageID string `json:"image_id"`
	State   State  `json:"status"`
	// Reason is why an image failed, for programs: one of events.Reasons().
	Reason string `json:"reason,omitempty"`
	// Result is set if the state is final.
	Result *Result `json:"result,omitempty"`
	// ProcessedAt is when the state became final, in seconds since 1970 with a fraction.
	ProcessedAt float64 `json:"processed_at,omitempty"`
	// Cause is the event that brought the image. It is set if the state is final and there was such an event.
	Cause events.Cause `json:"cause,omitzero"`
	// Hearsay is whether the image has failed because an image.uploaded, or a task of the original system, named an
	// original that does not exist: nobody has brought an image, and somebody still may. It is known from the store only.
	Hearsay bool `json:"-"`
}

// A Result is the outcome of an image: a thumbnail, or an error message.
type Result struct {
	Success bool `json:"success"`
	// Thumbnail is the key of the thumbnail.
	Thumbnail string `json:"thumbnail,omitempty"`
	// OriginalSize and ThumbnailSize have the orientation applied.
	OriginalSize  *Size `json:"original_size,omitempty"`
	ThumbnailSize *Size `json:"thumbnail_size,omitempty"`
	// Renditions are the files that were made of the image, the thumbnail among them; nil if the service is configured to
	// make the thumbnail only.
	Renditions []events.Rendition `json:"renditions,omitempty"`
	// Placeholder is a ThumbHash in base64, and Color the dominant colour, if the service is configured to make them.
	Placeholder string `json:"placeholder,omitempty"`
	Color       string `json:"color,omitempty"`
	// Error is why an image failed, for people.
	Error string `json:"error,omitempty"`
}

// Size is [width, height] in pixels.
type Size [2]int

// Seconds is a time in the original system's format: seconds since 1970, to the millisecond.
func Seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// deleted is the status of an image from its tombstone.
func deleted(imageID string, tombstone *imagestore.Tombstone) *Status {
	return &Status{ImageID: imageID, State: Deleted, ProcessedAt: Seconds(tombstone.Modified)}
}

// Time is ProcessedAt as a time, in UTC.
func (s Status) Time() time.Time { return time.UnixMilli(int64(s.ProcessedAt*1000 + 0.5)).UTC() }

// sameOutcome reports whether two final statuses are those of one result. An image has one thumbnail, of which other
// programs may say less, but may fail more than once.
func (s Status) sameOutcome(other Status) bool {
	isFailure := s.State == Failed && s.Reason == other.Reason && s.Time().Equal(other.Time())
	return s.State == other.State && (isFailure || s.State == Completed)
}

// parse reads a status; nil if the text is not one, because another program wrote it. A final status gets a result even
// if the original system wrote none.
func parse(text string) *Status {
	var s Status
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.State == "" {
		return nil
	}
	if s.State.Final() && s.State != Deleted && s.Result == nil {
		s.Result = &Result{Success: s.State == Completed}
	}
	return &s
}
