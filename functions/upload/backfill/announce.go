package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
)

// examples are how many images a dry run names.
const examples = 10

// An announcer announces the images that lack renditions.
type announcer struct {
	*examiner
	meter     *meter
	mark      *bookmark
	publisher publisher.Publisher // nil for a dry run
	selected  []string            // the renditions that are asked for; none for all
	set       string              // the renditions that are configured; see events.ImageRender.ID
	pacer     pacer

	lock      sync.Mutex
	found     [states]int
	names     map[string]int // how many images lack a rendition
	bytes     int64          // of the originals of images that lack one
	announced []string       // IDs
}

// visit announces an image that lacks renditions, when it is its turn. It returns when the event is acknowledged.
func (a *announcer) visit(ctx context.Context, image imagestore.Image) error {
	f, err := a.examine(ctx, image.ID, image.Objects)
	if err != nil {
		return err
	}
	if f.state == lacking && a.publisher != nil {
		if err := a.announce(ctx, image.ID); err != nil {
			return err
		}
	}
	a.count(image, f)
	return nil
}

func (a *announcer) announce(ctx context.Context, imageID string) error {
	if err := a.pacer.wait(ctx); err != nil {
		return err
	}
	request := events.ImageRender{
		ImageID: imageID, Bucket: a.images.Bucket(), Renditions: a.selected, EngineOlderThan: a.engine,
	}
	e, err := events.Encode(request, events.Envelope{Source: events.SourceUpload, ID: request.ID(a.set)})
	if err != nil {
		return fmt.Errorf("encode %s: %w", request.EventType(), err)
	}
	return a.patience.try(ctx, func() error { return a.publisher.Publish(ctx, e) })
}

func (a *announcer) count(image imagestore.Image, f finding) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.found[f.state]++
	switch f.state {
	case unknown:
		a.mark.miss()
		a.meter.line(a.meter.out, "unknown: %s: %v", image.ID, f.cause)
	case lacking:
		if a.names == nil {
			a.names = map[string]int{}
		}
		for _, name := range f.names {
			a.names[name]++
		}
		a.bytes += image.Original.Size
		if a.publisher != nil {
			a.announced = append(a.announced, image.ID)
		} else if a.found[lacking] <= examples {
			a.meter.line(a.meter.out, "lacks %s: %s", strings.Join(f.names, ", "), image.Original.Key)
		}
	}
}

// progress is how far the run is, in words.
func (a *announcer) progress() string {
	a.lock.Lock()
	defer a.lock.Unlock()
	return fmt.Sprintf("%d images, %d %s", a.total(), a.found[lacking], a.verb())
}

func (a *announcer) total() (n int) {
	for _, count := range a.found {
		n += count
	}
	return n
}

func (a *announcer) verb() string {
	if a.publisher == nil {
		return "would be announced"
	}
	return "announced"
}

// summarize writes what was found, and after a dry run what there is to do.
func (a *announcer) summarize(out io.Writer) {
	fmt.Fprintf(out, "%d images: %d have all renditions, %d %s, %d have failed, %d wait for their first rendition, "+
		"%d have no original, %d are unknown\n", a.total(), a.found[complete], a.found[lacking], a.verb(),
		a.found[failed], a.found[waiting], a.found[orphaned], a.found[unknown])
	if a.publisher != nil || a.found[lacking] == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(a.names)) {
		fmt.Fprintf(out, "  %s: %d images\n", name, a.names[name])
	}
	fmt.Fprintf(out, "The originals have %.1f MB; each is read and decoded once.\n", float64(a.bytes)/1e6)
	if a.pacer.interval > 0 {
		took := time.Duration(a.found[lacking]) * a.pacer.interval
		fmt.Fprintf(out, "Announcing them takes %s at this rate.\n", took.Round(time.Second))
	}
}

// A pacer bounds how often something happens.
type pacer struct {
	interval time.Duration // 0 for no bound

	lock sync.Mutex
	next time.Time
}

// newPacer returns a pacer for a number of times a second; 0 for no bound.
func newPacer(rate float64) pacer {
	if rate == 0 {
		return pacer{}
	}
	return pacer{interval: time.Duration(float64(time.Second) / rate)}
}

// wait returns when it is the caller's turn.
func (p *pacer) wait(ctx context.Context) error {
	if p.interval == 0 {
		return ctx.Err()
	}
	p.lock.Lock()
	turn := time.Now()
	if p.next.After(turn) {
		turn = p.next
	}
	p.next = turn.Add(p.interval)
	p.lock.Unlock()
	return sleep(ctx, time.Until(turn))
}
