package imagestore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// The names of tombstones. A deletion begins with the first and ends with the second, which then is the only object of
// the image. They are in the image's folder, so that every listing of the image shows that it was deleted. SafeName
// gives no original such a name.
const (
	pendingTombstone = "deleted~pending"
	settledTombstone = "deleted~done"
)

// ErrDeleted means that an image was deleted: what was stored for it since does not count, and was removed.
var ErrDeleted = errors.New("the image was deleted")

// A Tombstone says that an image was deleted.
type Tombstone struct {
	// Info describes the object with the record of the deletion. It was stored when the deletion began, or, if the
	// tombstone is not Pending, when it ended.
	*Info
	// Pending is whether the deletion is not known to be complete and announced.
	Pending bool
}

func isTombstoneName(name string) bool { return name == pendingTombstone || name == settledTombstone }

// buried returns the objects of an image that was deleted; ok is false if it was not.
func buried(found map[string]*Info) (objects Objects, ok bool) {
	pending, settled := found[pendingTombstone], found[settledTombstone]
	switch {
	case settled != nil: // has the record that counts, if there are two
		objects.Deleted = &Tombstone{Info: settled, Pending: pending != nil}
	case pending != nil:
		objects.Deleted = &Tombstone{Info: pending, Pending: true}
	default:
		return Objects{}, false
	}
	for name, info := range found {
		if !isTombstoneName(name) {
			objects.Leftovers = append(objects.Leftovers, info)
		}
	}
	slices.SortFunc(objects.Leftovers, func(a, b *Info) int { return strings.Compare(a.Key, b.Key) })
	return objects, true
}

// Bury begins the deletion of an image: from then on it counts as deleted. An earlier deletion keeps its record.
func (s *Store) Bury(ctx context.Context, imageID string, record []byte) error {
	return s.putRecord(ctx, imageID+"/"+pendingTombstone, record)
}

// SettleTombstone ends the deletion of an image, whose objects are removed, and which is announced.
func (s *Store) SettleTombstone(ctx context.Context, imageID string, record []byte) error {
	if err := s.putRecord(ctx, imageID+"/"+settledTombstone, record); err != nil {
		return err
	}
	return s.Remove(ctx, imageID+"/"+pendingTombstone)
}

// Record reads the record of a deletion, of at most limit bytes; the errors are those of GetWhole. Once a deletion is
// settled, a request that began before it may bury the image again, with a record of its own. So the settled record,
// which counts, is looked for after the pending one.
func (s *Store) Record(ctx context.Context, imageID string, tombstone *Tombstone, limit int64) ([]byte, error) {
	record, _, err := s.GetWhole(ctx, tombstone.Key, limit)
	settledKey := imageID + "/" + settledTombstone
	if tombstone.Key == settledKey || err != nil && !errors.Is(err, ErrTooLong) {
		return record, err
	}
	settled, _, settledErr := s.GetWhole(ctx, settledKey, limit)
	if errors.Is(settledErr, ErrNotFound) {
		return record, err
	}
	return settled, settledErr
}

func (s *Store) putRecord(ctx context.Context, key string, record []byte) error {
	err := s.Put(ctx, key, record, Attributes{ContentType: "application/json"})
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// RemoveTombstone forgets that an image was deleted, whose deletion is settled.
func (s *Store) RemoveTombstone(ctx context.Context, imageID string) error {
	return s.Remove(ctx, imageID+"/"+settledTombstone)
}

// removeParallel is the number of objects of an image that are removed at a time.
const removeParallel = 8

// RemoveLeftovers removes what is stored beside the tombstone of an image, which an upload or a thumbnail that was in
// progress when it was deleted may have stored after that. It removes nothing of an image that was not deleted.
func (s *Store) RemoveLeftovers(ctx context.Context, imageID string) error {
	objects, err := s.Find(ctx, imageID)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(removeParallel)
	for _, object := range objects.Leftovers {
		group.Go(func() error { return s.Remove(ctx, object.Key) })
	}
	return group.Wait()
}
