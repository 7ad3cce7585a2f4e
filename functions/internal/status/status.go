// Package status knows what has become of an image. The answer lies in Redis, as a cache that forgets after an hour,
// and can always be rebuilt from what is stored of the image in MinIO. A status only goes forward: queued, processing,
// then completed or failed.
package status

import (
	"encoding/json"
	"time"
)

// A State is a step on the way of an image.
type State string

// The states, in their order; the last two are final.
const (
	Queued     State = "queued"
	Processing State = "processing"
	Completed  State = "completed"
	Failed     State = "failed"
)

// Final tells whether nothing comes after the state.
func (s State) Final() bool { return s == Completed || s == Failed }

// A Status is what GET /status/<image id> answers and what lies in Redis, as JSON. The fields are the original
// system's, and Reason.
type Status struct {
	ImageID string `json:"image_id"`
	State   State  `json:"status"`
	// Reason says for machines why an image failed: one of events.Reasons().
	Reason string `json:"reason,omitempty"`
	// Result is there when the state is final.
	Result *Result `json:"result,omitempty"`
	// ProcessedAt is when the state became final, in seconds since 1970 with a fraction.
	ProcessedAt float64 `json:"processed_at,omitempty"`
}

// A Result is what came of an image: a thumbnail, or an error for people to read.
type Result struct {
	Success bool `json:"success"`
	// Thumbnail is its key.
	Thumbnail string `json:"thumbnail,omitempty"`
	// OriginalSize and ThumbnailSize are width and height in pixels, orientation applied.
	OriginalSize  *Size  `json:"original_size,omitempty"`
	ThumbnailSize *Size  `json:"thumbnail_size,omitempty"`
	Error         string `json:"error,omitempty"`
}

// Size is [width, height] in pixels.
type Size [2]int

// Seconds is a time as the statuses and events of the original system have it, exact to a millisecond.
func Seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// Time is the time that ProcessedAt tells.
func (s Status) Time() time.Time { return time.UnixMilli(int64(s.ProcessedAt*1000 + 0.5)).UTC() }

// parse reads a status; nil if the text is none, for example because somebody else wrote it. A final one has a result,
// even if the original system wrote none.
func parse(text string) *Status {
	var s Status
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.State == "" {
		return nil
	}
	if s.State.Final() && s.Result == nil {
		s.Result = &Result{Success: s.State == Completed}
	}
	return &s
}
