package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/ondemand"
)

// prune removes the renditions of specifications that are gone. On a terminal it counts them first, and asks. It
// returns false if something is left to be done.
func (r *run) prune(ctx context.Context) (good bool, err error) {
	switch {
	case !r.settings.configured:
		return false, errors.New("neither RENDITIONS nor RENDITIONS_FILE is set, so that all renditions would be gone; " +
			"expected the document of the upload function, or RENDITIONS={} to keep the default thumbnail only")
	case !r.DryRun && !r.Yes && !r.asks:
		return false, fmt.Errorf("%w: there is no terminal to ask on; expected --yes or --dry-run", cli.ErrUsage)
	}
	fmt.Fprintf(r.progress, "configured: %s\n", strings.TrimSpace(describe(r.settings.renditions)))
	if !r.DryRun && !r.Yes {
		count, err := r.pruneAll(ctx, true, io.Discard)
		if err != nil || count.total() == 0 {
			return err == nil && count.unknown == 0, err
		}
		if !r.ask("Remove them? Type yes: ") {
			fmt.Fprintln(r.out, "Nothing was removed.")
			return false, nil
		}
	}
	count, err := r.pruneAll(ctx, r.DryRun, r.out)
	good = count.mark.report(r.out) && count.unknown == 0 && (!r.DryRun || count.total() == 0)
	return good, err
}

func (r *run) ask(question string) bool {
	fmt.Fprint(r.progress, question)
	answer, _ := bufio.NewReader(r.in).ReadString('\n') // whatever was read before the end is the answer
	return strings.TrimSpace(answer) == "yes"
}

// pruneAll walks the bucket, and removes what is gone, or only counts it. It writes a line for each object to lines,
// and a summary to out.
func (r *run) pruneAll(ctx context.Context, dryRun bool, lines io.Writer) (*pruner, error) {
	w, m, mark, err := r.begin()
	if err != nil {
		return &pruner{}, err
	}
	if dryRun {
		mark = nil
	}
	p := &pruner{
		examiner: &examiner{
			images: r.images, statuses: r.statuses, specs: r.settings.renditions.Renditions, patience: w.patience,
		},
		redis: r.redis, set: r.settings.renditions, names: r.Rendition, dryRun: dryRun, meter: m, mark: mark,
		lines: lines, removed: map[string]tally{},
	}
	w.visit = p.visit
	w.moved = func() error {
		m.show(w.cursor, p.progress())
		return mark.save(w.cursor, false)
	}
	err = r.finish(w.run(ctx), w, mark)
	m.end()
	p.summarize(r.out)
	return p, err
}

// A pruner removes the renditions of specifications that are gone: of a name that is no longer configured, or of one
// whose current rendition the image has. It never removes an original or a result, nor an object without an original
// that it belongs to, or that this service has not made.
type pruner struct {
	*examiner
	redis  redis.UniversalClient
	set    *rendition.Set
	names  []string // of the renditions that may be removed; none for all
	dryRun bool
	meter  *meter
	mark   *bookmark
	lines  io.Writer

	lock    sync.Mutex
	passed  int // images
	unknown int
	kept    int // because there is no current one yet
	foreign int // not of this service
	removed map[string]tally
}

// A tally counts the objects of one specification.
type tally struct {
	objects int
	bytes   int64
}

// A candidate is a rendition that is not of a current specification, and what became of it.
type candidate struct {
	imagestore.Rendition
	key  string
	size int64
	fate fate
}

type fate int

const (
	undecided fate = iota
	kept
	foreign
	removed
)

// visit removes what is gone of an image. Redis may have a status that names it, which is forgotten first, so that
// nothing is removed without Redis, and replaced afterwards if a reader has restored it. A status that was read before
// has URLs that lead to the current renditions.
func (p *pruner) visit(ctx context.Context, image imagestore.Image) error {
	all := p.candidates(image.Objects)
	if len(all) == 0 {
		p.count(image.ID, nil, nil)
		return nil
	}
	for _, forget := range []func(context.Context, string) error{p.statuses.Forget, p.forgetRequests} {
		if err := p.inRedis(ctx, image.ID, forget); err != nil {
			return err
		}
	}
	cause, err := p.insist(ctx, image.ID, image.Objects, func(objects imagestore.Objects) error {
		return p.decideAll(ctx, objects, all)
	})
	p.count(image.ID, all, cause)
	if err != nil {
		return err
	}
	return p.inRedis(ctx, image.ID, p.statuses.Refresh)
}

// forgetRequests has an image whose document is changed back made what was removed when it is asked for, even if it was
// asked for lately. It comes before the removal, since a run that ended after that would find nothing to do.
func (p *pruner) forgetRequests(ctx context.Context, imageID string) error {
	return ondemand.Forget(ctx, p.redis, p.images.Bucket(), imageID)
}

func (p *pruner) inRedis(ctx context.Context, imageID string, change func(context.Context, string) error) error {
	if p.dryRun {
		return nil
	}
	return p.patience.try(ctx, func() error { return change(ctx, imageID) })
}

// candidates goes by the keys: those of the renditions of the original that have another hash than is configured.
func (p *pruner) candidates(objects imagestore.Objects) (all []*candidate) {
	if objects.Original == nil || objects.Result == nil {
		return nil
	}
	for _, object := range objects.Renditions {
		r, ok := imagestore.RenditionOf(objects.Original.Key, object.Key)
		if !ok || len(p.names) > 0 && !slices.Contains(p.names, r.Name) {
			continue
		}
		if spec := p.set.Find(r.Name); spec == nil || spec.Hash != r.Hash {
			all = append(all, &candidate{Rendition: r, key: object.Key, size: object.Size})
		}
	}
	return all
}

func (p *pruner) decideAll(ctx context.Context, objects imagestore.Objects, all []*candidate) error {
	found, err := p.look(ctx, objects)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := p.decide(ctx, c, found); err != nil {
			return err
		}
	}
	return nil
}

// decide removes an object unless the image still needs it.
func (p *pruner) decide(ctx context.Context, c *candidate, found finding) error {
	isKnown := found.state == complete || found.state == lacking
	switch {
	case c.fate == removed:
		return nil
	case !isKnown || slices.Contains(found.names, c.Name):
		c.fate = kept
		return nil
	}
	info, err := p.images.Stat(ctx, c.key)
	switch {
	case errors.Is(err, imagestore.ErrNotFound): // another run was here
		return nil
	case err != nil:
		return err
	case !status.IsRendition(info):
		c.fate = foreign
		return nil
	}
	if p.dryRun {
		c.fate = removed
		return nil
	}
	if err := p.images.Remove(ctx, c.key); err != nil {
		return err
	}
	c.fate = removed
	return nil
}

// count adds what became of an image. cause is why that is unknown.
func (p *pruner) count(imageID string, all []*candidate, cause error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.passed++
	if cause != nil {
		p.unknown++
		p.mark.miss()
		p.meter.line(p.meter.out, "unknown: %s: %v", imageID, cause)
	}
	for _, c := range all {
		switch c.fate {
		case kept:
			p.kept++
		case foreign:
			p.foreign++
		case removed:
			name := c.Name + "~" + c.Hash
			p.removed[name] = tally{p.removed[name].objects + 1, p.removed[name].bytes + c.size}
			p.meter.line(p.lines, "%s: %s", p.verb(), c.key)
		}
	}
}

func (p *pruner) verb() string {
	if p.dryRun {
		return "would be removed"
	}
	return "removed"
}

func (p *pruner) total() (objects int) {
	for _, t := range p.removed {
		objects += t.objects
	}
	return objects
}

func (p *pruner) progress() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return fmt.Sprintf("%d images, %d objects %s", p.passed, p.total(), p.verb())
}

func (p *pruner) summarize(out io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(p.removed)) {
		fmt.Fprintf(out, "  %s: %d objects, %.1f MB\n", name, p.removed[name].objects, float64(p.removed[name].bytes)/1e6)
	}
	fmt.Fprintf(out, "%d images: %d objects %s, %d are kept until there is a current one, %d are not of this service; "+
		"%d images are unknown\n", p.passed, p.total(), p.verb(), p.kept, p.foreign, p.unknown)
}
