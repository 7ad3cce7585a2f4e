package thumbnailer

import (
	"context"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/internal/telemetry"
)

// maxAge is the age from which an image does not count for the objective: nobody waits for one that verify announces,
// or that somebody redrives, so long after its upload.
const maxAge = 24 * time.Hour

// ageBuckets are in seconds. The objective is about 30 of them.
var ageBuckets = []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 4 * 3600}

// measureAge measures the time from the acceptance of an image, which its event has, to its completion, if that is the
// doing of this delivery: then final is what was concluded. The clocks of the two pods may differ a little.
func (t *thumbnailer) measureAge(ctx context.Context, task events.ImageUploaded, final, concluded *status.Status) {
	if concluded.State != status.Completed || concluded.ProcessedAt != final.ProcessedAt || task.Timestamp == 0 {
		return
	}
	age := status.Seconds(time.Now()) - task.Timestamp
	if age < maxAge.Seconds() {
		telemetry.Observe(ctx, t.age, max(0, age))
	}
}
