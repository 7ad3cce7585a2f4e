package thumbnailer

import (
	"context"
	"encoding/base64"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A plan is the files that are made of an image, in one decode: those of all specifications, the thumbnail first, or of
// some.
type plan struct {
	set     *rendition.Set
	specs   []rendition.Spec // one for each target
	targets []raster.Target
	costs   []raster.Target // the same, for estimates
	marks   *watermarks
}

func newPlan(set *rendition.Set, store *imagestore.Store, limits raster.Limits) plan {
	return planOf(set, set.Renditions, &watermarks{store: store, limits: limits})
}

// of returns the plan for some specifications of the set.
func (p plan) of(specs []rendition.Spec) plan { return planOf(p.set, specs, p.marks) }

func planOf(set *rendition.Set, specs []rendition.Spec, marks *watermarks) plan {
	p := plan{set: set, marks: marks}
	for _, spec := range specs {
		p.costs = append(p.costs, spec.Costs()...)
		for _, target := range spec.Targets() {
			p.specs, p.targets = append(p.specs, spec), append(p.targets, target)
		}
	}
	return p
}

// A product is what was made of an image.
type product struct {
	files              []status.File // in the order of the plan
	placeholder, color string
}

// render makes all files of an image. Two formats of a rendition may come to the same, if one is that of the original.
func (p plan) render(ctx context.Context, picture *raster.Picture) (made product, err error) {
	targets, err := p.marks.draw(ctx, p.specs, p.targets)
	if err != nil {
		return product{}, err
	}
	renditions, err := picture.Render(ctx, targets...)
	if err != nil {
		return product{}, err
	}
	known := map[imagestore.Rendition]bool{}
	for i, r := range renditions {
		key := imagestore.Rendition{Name: p.specs[i].Name, Hash: p.specs[i].Hash, Extension: r.Format.Extension()}
		if !known[key] {
			known[key] = true
			made.files = append(made.files, status.File{Name: key.Name, Hash: key.Hash, Rendition: r})
		}
	}
	if !p.set.Placeholder && !p.set.Color {
		return made, nil
	}
	sample, err := picture.Sample(raster.SampleBox)
	if err != nil {
		return product{}, err
	}
	if p.set.Placeholder {
		made.placeholder = base64.StdEncoding.EncodeToString(raster.ThumbHash(sample))
	}
	if p.set.Color {
		made.color = raster.FormatColor(raster.DominantColor(sample))
	}
	return made, nil
}

// recordFiles stores what was made of an image, its thumbnail last, and returns the final status that counts: an image
// is completed when all of its renditions exist.
func (t *thumbnailer) recordFiles(
	ctx context.Context, task events.ImageUploaded, final status.Status, made product,
) (*status.Status, error) {
	thumbnail := made.files[0]
	final.State = status.Completed
	final.Result = &status.Result{
		Success:       true,
		Thumbnail:     imagestore.ThumbnailKey(task.ObjectName),
		OriginalSize:  &status.Size{thumbnail.OriginalWidth, thumbnail.OriginalHeight},
		ThumbnailSize: &status.Size{thumbnail.Width, thumbnail.Height},
		Placeholder:   made.placeholder,
		Color:         made.color,
	}
	if len(made.files) > 1 || !t.plan.specs[0].Default() {
		others, err := t.statuses.RecordRenditions(ctx, task.ImageID, task.ObjectName, made.files[1:])
		if err != nil {
			return nil, err
		}
		final.Result.Renditions = append([]events.Rendition{thumbnail.Describe(task.ImageID, final.Result.Thumbnail)},
			others...)
	}
	return t.statuses.Record(ctx, task.ObjectName, final, &thumbnail)
}
