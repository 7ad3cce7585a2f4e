package thumbnailer

import (
	"context"
	"math/rand/v2"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
	"gitlab.com/yourorg/image-service/functions/thumbnail/admission"
)

// enter waits until it is the turn of an image to have renditions made. The error is a *raster.Error if they would take
// more memory than there is, or that of admission.Gate.Enter. The caller calls leave afterwards.
func (t *thumbnailer) enter(
	ctx context.Context, picture *raster.Picture, info *imagestore.Info, targets ...raster.Target,
) (leave func(), err error) {
	cost := picture.Cost(info.Size, targets...)
	if err := t.settings.limits.CheckMemory(picture.Header(), cost); err != nil {
		return nil, err
	}
	ctx, span := trace.Start(ctx, "admit")
	leave, err = t.gate.Enter(ctx, admission.Work{
		Memory: cost.Memory,
		Time:   cost.CPU,
		Client: info.Lane(),
		Age:    max(0, info.Served.Sub(info.Modified)),
	})
	span.End(err)
	return leave, err
}

// admissionPause is the time after which an image that was not admitted is announced again, maybe to another process.
// It varies, so that a flood of them comes back a few at a time.
func admissionPause() time.Duration {
	const shortest, longest = 4 * time.Second, 12 * time.Second
	return shortest + rand.N(longest-shortest) //nolint:gosec // nothing depends on its being hard to guess
}
