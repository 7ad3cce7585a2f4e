package thumbnailer

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"slices"
	"sync"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

// watermarkBox is the size in pixels to which watermarks are reduced, so that each takes no more than 4 MiB.
var watermarkBox = raster.Box{Width: 1024, Height: 1024}

// watermarkLimits are those on a watermark. It is decoded beside the images that package admission has admitted, so it
// may take little memory.
func watermarkLimits(limits raster.Limits) raster.Limits {
	limits.Pixels, limits.BufferedPixels, limits.Memory = 4096*4096, 2048*2048, 24<<20
	limits.Settings = raster.LimitNames{}
	return limits
}

// watermarks keeps the images of watermarks, each of which a process reads once, when it needs it first: a function
// starts without MinIO.
type watermarks struct {
	store  *imagestore.Store
	limits raster.Limits

	lock   sync.Mutex
	images map[string]*image.NRGBA
}

// draw returns targets with the watermarks of their specifications. An error is not the fault of the image: it waits in
// a retry until the watermark can be read.
func (w *watermarks) draw(
	ctx context.Context, specs []rendition.Spec, targets []raster.Target,
) ([]raster.Target, error) {
	targets = slices.Clone(targets)
	for i, spec := range specs {
		mark := spec.Watermark
		if mark.Object == "" {
			continue
		}
		pixels, err := w.read(ctx, mark.Object)
		if err != nil {
			return nil, fmt.Errorf("read watermark %q: %s", mark.Object, err.Error()) // no *raster.Error of the image
		}
		targets[i].Watermark = &raster.Watermark{
			Image: pixels, Gravity: mark.Gravity, Opacity: mark.Opacity, Width: mark.Width,
		}
	}
	return targets, nil
}

// read returns the pixels of an object, s3://bucket/key.
func (w *watermarks) read(ctx context.Context, object string) (*image.NRGBA, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if known := w.images[object]; known != nil {
		return known, nil
	}
	bucket, key, err := events.ParseDataRef(object)
	if err != nil {
		return nil, err
	}
	body, _, err := w.store.Get(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	picture, err := raster.Open(body, watermarkLimits(w.limits))
	if err != nil {
		return nil, err
	}
	renditions, err := picture.Render(ctx, raster.Target{Box: watermarkBox, Format: raster.PNG})
	if err != nil {
		return nil, err
	}
	decoded, err := png.Decode(bytes.NewReader(renditions[0].Bytes))
	if err != nil {
		return nil, err
	}
	pixels := image.NewNRGBA(decoded.Bounds())
	draw.Draw(pixels, pixels.Rect, decoded, decoded.Bounds().Min, draw.Src)
	if w.images == nil {
		w.images = map[string]*image.NRGBA{}
	}
	w.images[object] = pixels
	return pixels, nil
}
