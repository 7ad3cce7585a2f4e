package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// How often a verification says how far it is.
const progressEvery = 5 * time.Second

// A verification is a walk through the whole bucket.
type verification struct {
	*intake
	repair        bool
	out, progress io.Writer
	told          time.Time
	waiting       []string // ids of originals without a result, to be announced

	images, settled, young, left, repaired, lone int
}

// Verify goes through the whole bucket and writes to out what is not as it should be, a line each, and then a sum. On
// progress it says every few seconds how far it is. With repair, what waits without reason is announced again, as a sweep
// would, at once and whatever Redis knows. It is good if nothing is left to be done; the error says that not all could
// be seen, or announced.
func Verify(ctx context.Context, getenv func(string) string, repair bool, out, progress io.Writer) (good bool, err error) {
	in, err := open(getenv)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	v := &verification{intake: in, repair: repair, out: out, progress: progress, told: time.Now()}
	err = v.walk(ctx)
	fmt.Fprintf(out, "%d images: %d have a result, %d are young, %d were left behind (%d announced again); %d results have no original\n",
		v.images, v.settled, v.young, v.left, v.repaired, v.lone)
	return v.left == v.repaired && v.lone == 0, err
}

func (v *verification) walk(ctx context.Context) error {
	for image, err := range v.store.Scan(ctx, "") {
		if errors.Is(err, imagestore.ErrNotFound) {
			return fmt.Errorf("there is no bucket %q: %w", v.store.Bucket(), err)
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
		v.tell(image.ID)
	}
	return v.announceWaiting(ctx)
}

// check sorts an image into those that are as they should be, and those that are not.
func (v *verification) check(ctx context.Context, image imagestore.Image) error {
	v.images++
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
		v.settled++
		return nil
	}
	return v.checkLone(ctx, image.Result)
}

// checkLone looks at a result that has no original. A note says that an image was refused before it was stored.
func (v *verification) checkLone(ctx context.Context, result *imagestore.Info) error {
	info, err := v.store.Stat(ctx, result.Key)
	switch {
	case err != nil:
		return err
	case info.ContentType == status.NoteType:
		v.settled++
	default:
		v.lone++
		fmt.Fprintf(v.out, "no original: %s\n", result.Key)
	}
	return nil
}

// announceWaiting announces what was found. A status that says otherwise than the bucket is forgotten first, so that nobody
// is told it until there is a result again.
func (v *verification) announceWaiting(ctx context.Context) error {
	ids := v.waiting
	v.waiting = nil
	if !v.repair {
		return nil
	}
	for _, id := range ids {
		if err := v.board.Forget(ctx, id); err != nil {
			return err
		}
	}
	if err := v.announceAll(ctx, ids); err != nil {
		return err
	}
	v.repaired += len(ids)
	return nil
}

func (v *verification) tell(imageID string) {
	if time.Since(v.told) < progressEvery {
		return
	}
	v.told = time.Now()
	fmt.Fprintf(v.progress, "%d images, up to %s\n", v.images, imageID)
}
