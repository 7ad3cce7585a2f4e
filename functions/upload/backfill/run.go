package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// outage is how long a server may be down before a run ends.
var outage = 2 * time.Minute

// A run is one of the command, with its clients.
type run struct {
	flags
	console
	settings settings
	redis    redis.UniversalClient
	images   *imagestore.Store
	statuses *status.Store
	traffic  *status.Traffic
}

type settings struct {
	images     imagestore.Settings
	redis      connect.Redis
	publisher  publisher.Settings
	renditions *rendition.Set
	configured bool // whether the settings have renditions
}

func readSettings(r *config.Reader) settings {
	s := settings{
		images:     imagestore.ReadSettings(r),
		redis:      connect.ReadRedis(r),
		publisher:  publisher.ReadBackfillSettings(r),
		configured: rendition.IsSet(r),
	}
	s.renditions = rendition.Read(r, limits.ReadImage(r))
	return s
}

// newRun connects to nothing yet.
func newRun(f flags, getenv func(string) string, c console) (*run, error) {
	r := config.NewReader(getenv)
	s := readSettings(r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	images, err := imagestore.Open(s.images)
	if err != nil {
		return nil, err
	}
	client := connect.OpenRedis(s.redis)
	return &run{
		flags: f, console: c, settings: s, redis: client, images: images, statuses: status.New(client, images),
		traffic: status.NewTraffic(client, images.Bucket()),
	}, nil
}

func (r *run) close() error {
	r.traffic.Close()
	return r.redis.Close()
}

// backfill announces the images that lack renditions. It returns false if something is left to be done.
func (r *run) backfill(ctx context.Context) (good bool, err error) {
	specs, err := r.specs(r.settings.renditions)
	if err != nil {
		return false, err
	}
	w, m, mark, err := r.begin()
	if err != nil {
		return false, err
	}
	set, all := r.settings.renditions, len(r.Rendition) == 0
	a := &announcer{
		examiner: &examiner{
			images: r.images, statuses: r.statuses, specs: specs, engine: r.EngineOlderThan,
			placeholder: all && set.Placeholder, color: all && set.Color, patience: w.patience,
		},
		meter: m, mark: mark, selected: r.Rendition, set: set.Hash(), pacer: newPacer(r.Rate),
	}
	if !r.DryRun {
		a.publisher = publisher.Open(r.settings.publisher)
		defer func() { err = errors.Join(err, a.publisher.Close()) }()
	}
	w.visit = a.visit
	w.moved = func() error {
		m.show(w.cursor, a.progress())
		return mark.save(w.cursor, false)
	}
	err = r.finish(w.run(ctx), w, mark)
	m.end()
	a.summarize(r.out)
	if err != nil {
		return false, err
	}
	good = mark.report(r.out) && a.found[unknown] == 0 && (!r.DryRun || a.found[lacking] == 0)
	if r.Wait == 0 {
		return good, nil
	}
	made, err := a.await(ctx, r.Wait)
	return good && made, err
}

// begin returns a walk that begins where the flags say, and what shows and keeps its progress.
func (r *run) begin() (*walk, *meter, *bookmark, error) {
	var mark *bookmark
	cursor := r.Cursor
	if r.CursorFile != "" {
		mark = &bookmark{path: r.CursorFile, run: r.run(r.images.Bucket(), r.settings.renditions)}
		var err error
		if cursor, err = mark.read(); err != nil {
			return nil, nil, nil, err
		}
	}
	if r.DryRun {
		mark = nil // it is read, and not written
	}
	m := newMeter(r.console, r.Prefix, cursor)
	if cursor != "" {
		m.line(r.progress, "going on after %s", cursor)
	}
	w := &walk{
		images: r.images, traffic: r.traffic, prefix: r.Prefix, cursor: cursor, patience: patience{outage, m.note},
	}
	return w, m, mark, nil
}

// finish keeps the cursor of a run that ended early, and adds to its error how to go on.
func (r *run) finish(err error, w *walk, mark *bookmark) error {
	if err == nil {
		return mark.remove()
	}
	if errors.Is(err, imagestore.ErrNoBucket) {
		return fmt.Errorf("there is no bucket %q: %w", r.images.Bucket(), err)
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return errors.Join(fmt.Errorf("%w; to go on:\n%s", err, r.resume(w.cursor)), mark.save(w.cursor, true))
}

// describe names the renditions of a set, with their hashes.
func describe(set *rendition.Set) string {
	var name string
	for _, spec := range set.Renditions {
		name += spec.Name + "~" + spec.Hash + " "
	}
	return name
}
