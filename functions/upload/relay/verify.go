package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// How often a verification reports its progress.
const progressInterval = 5 * time.Second

// A verification is one scan of the whole bucket.
type verification struct {
	*Relay
	repair        bool
	out, progress io.Writer
	reported      time.Time // when progress was last reported
	waiting       []string  // IDs of images to be announced
	completed     []imagestore.Image

	images, complete, young, left, repaired, orphans, renditions, deleted int
	lacking, requested                                                    int // images that lack renditions
}

// Verify scans the whole bucket and writes to out a line for each inconsistent object, and a summary. On
// progress it reports its position every few seconds. With repair, images that were left behind are announced again,
// as by a sweep, but at once and whatever Redis knows, and renditions that completed images lack are requested. It
// returns true if nothing is left to be done. The error says that not all of the bucket could be checked, or announced.
func (r *Relay) Verify(ctx context.Context, repair bool, out, progress io.Writer) (bool, error) {
	v := &verification{Relay: r, repair: repair, out: out, progress: progress, reported: time.Now()}
	err := v.scan(ctx)
	fmt.Fprintf(out, "%d images: %d have a result, %d are young, %d were left behind (%d announced again); "+
		"%d renditions; %d results or renditions have no original; %d lack renditions (%d requested); %d were deleted\n",
		v.images, v.complete, v.young, v.left, v.repaired, v.renditions, v.orphans, v.lacking, v.requested, v.deleted)
	return v.left == v.repaired && v.orphans == 0 && v.lacking == v.requested, err
}

func (v *verification) scan(ctx context.Context) error {
	for image, err := range v.Images.Scan(ctx, "") {
		if errors.Is(err, imagestore.ErrNotFound) {
			return fmt.Errorf("there is no bucket %q: %w", v.Images.Bucket(), err)
		}
		if err != nil {
			return err
		}
		if image.ID == "" {
			continue
		}
		if err := v.check(ctx, image); err != nil {
			return err
		}
		v.report(image.ID)
	}
	if err := v.checkCompleted(ctx); err != nil {
		return err
	}
	return v.announceWaiting(ctx)
}

// check counts one image, and writes a line if something is wrong.
func (v *verification) check(ctx context.Context, image imagestore.Image) error {
	v.images++
	if image.Deleted != nil {
		return v.checkDeleted(ctx, image)
	}
	if v.checkRenditions(image); image.Original == nil && image.Result == nil {
		return nil
	}
	switch {
	case image.Result == nil && v.waits(image):
		v.left++
		fmt.Fprintf(v.out, "left behind: %s\n", image.Original.Key)
		v.waiting = append(v.waiting, image.ID)
		if len(v.waiting) == sweepBatch {
			return v.announceWaiting(ctx)
		}
		return nil
	case image.Result == nil:
		v.young++
		return nil
	case image.Original != nil && imagestore.ThumbnailKey(image.Original.Key) == image.Result.Key:
		v.complete++
		v.completed = append(v.completed, image)
		if len(v.completed) == sweepBatch {
			return v.checkCompleted(ctx)
		}
		return nil
	}
	return v.checkOrphan(ctx, image.Result)
}

// checkDeleted writes a line for an image whose deletion is not complete.
func (v *verification) checkDeleted(ctx context.Context, image imagestore.Image) error {
	v.deleted++
	tombstone := image.Deleted
	if len(image.Leftovers) == 0 && (!tombstone.Pending || time.Since(tombstone.Modified) < v.ages.Queued) {
		return nil
	}
	v.left++
	fmt.Fprintf(v.out, "not deleted completely: %s: %d objects are left\n", image.ID, len(image.Leftovers))
	if !v.repair {
		return nil
	}
	if err := v.Deleter.Tidy(ctx, []imagestore.Image{image}); err != nil {
		return err
	}
	v.repaired++
	return nil
}

// checkRenditions counts the renditions of an image, and writes a line for each that does not belong to its original.
func (v *verification) checkRenditions(image imagestore.Image) {
	for _, r := range image.Renditions {
		if image.Original != nil {
			if _, ok := imagestore.RenditionOf(image.Original.Key, r.Key); ok {
				v.renditions++
				continue
			}
		}
		v.orphans++
		fmt.Fprintf(v.out, "no original: %s\n", r.Key)
	}
}

// checkOrphan checks a result without an original. A failure note may have none: the image was refused before it was
// stored.
func (v *verification) checkOrphan(ctx context.Context, result *imagestore.Info) error {
	info, err := v.Images.Stat(ctx, result.Key)
	switch {
	case err != nil:
		return err
	case info.ContentType == status.NoteType:
		v.complete++
	default:
		v.orphans++
		fmt.Fprintf(v.out, "no original: %s\n", result.Key)
	}
	return nil
}

// announceWaiting announces the images that wait. Redis may have a final status for them, which the bucket contradicts;
// it is forgotten first, so that no client reads it until there is a result again.
func (v *verification) announceWaiting(ctx context.Context) error {
	ids := v.waiting
	v.waiting = nil
	if !v.repair {
		return nil
	}
	for _, id := range ids {
		if err := v.Statuses.Forget(ctx, id); err != nil {
			return err
		}
	}
	if err := v.announceAll(ctx, ids); err != nil {
		return err
	}
	v.repaired += len(ids)
	return nil
}

func (v *verification) report(imageID string) {
	if time.Since(v.reported) < progressInterval {
		return
	}
	v.reported = time.Now()
	fmt.Fprintf(v.progress, "%d images, up to %s\n", v.images, imageID)
}
