// Package admission decides which images a process works on at a time, and in which order, so that none waits long
// behind others that cost far more.
//
// A Gate has two budgets of memory. What takes little memory and time is small: it enters in the order in which it
// comes, as long as its budget lasts. What does not is large: it has the other budget, and at most as many images of it
// as there are cores are worked on at a time. So a flood of large images takes neither the memory nor the place of a
// small one.
//
// Few large images wait in the process, and the cheapest enters first. What clients have had lately counts against
// them, and what an image has waited counts in its favour: a client that sends many large images delays its own, and in
// the end each one has its turn. An image that finds no place is to be tried again later, and must not keep its place
// in a queue of deliveries meanwhile.
package admission

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// ErrFull means that an image has to be tried again later.
var ErrFull = errors.New("too many images are being worked on")

const (
	// Timeout is how long an image waits in Enter.
	Timeout = 5 * time.Second
	// What takes more time than this is large. A photo of 3 megapixels takes a tenth of it in most formats.
	smallTime = 300 * time.Millisecond
	// The budget of what is small is this part of the other one, in addition to it. One image takes at most half of it.
	smallShare = 4
	// What an image has waited counts a hundredth as much as the time that it takes.
	waitWeight = 100
	// What a client has had is halved after this time.
	halfLife = 30 * time.Second
)

// Work is what an image takes, by an estimate.
type Work struct {
	Memory int64 // in bytes
	Time   time.Duration
	// Client is whom the image belongs to; "" is nobody. Clients that share a name are one.
	Client string
	// Age is how long ago the image was stored.
	Age time.Duration
}

// A Gate admits images. It is safe for use by several goroutines.
type Gate struct {
	large, small int64 // the budgets in bytes
	cores        int
	places       int // for large images that wait

	lock      sync.Mutex
	largeUsed int64
	smallUsed int64
	running   int // large images
	waiting   []*waiter
	queue     []*waiter // small ones, in their order
	had       map[string]share
}

// A waiter is an image that waits in Enter.
type waiter struct {
	Work
	since time.Time
	ready chan error // has nil when the image has entered, or ErrFull
}

// A share is the time that a client's images have had.
type share struct {
	time time.Duration
	at   time.Time
}

// New returns a Gate with a budget of memory in bytes for large images, beside which a quarter of it is for small ones.
// No image may need more.
func New(memory int64, cores int) *Gate {
	return &Gate{
		large: memory, small: memory / smallShare, cores: cores, places: cores + 1, had: map[string]share{},
	}
}

// isSmall reports whether work is small.
func (g *Gate) isSmall(w Work) bool { return w.Time <= smallTime && w.Memory <= g.small/2 }

// Enter waits for the turn of an image, for at most Timeout. The caller calls leave when the work is done. The error is
// ErrFull, or that of ctx.
func (g *Gate) Enter(ctx context.Context, w Work) (leave func(), err error) {
	entering := &waiter{Work: w, since: time.Now(), ready: make(chan error, 1)}
	g.add(entering)
	timer := time.NewTimer(Timeout)
	defer timer.Stop()
	select {
	case err = <-entering.ready:
	case <-timer.C:
		err = g.giveUp(entering, ErrFull)
	case <-ctx.Done():
		err = g.giveUp(entering, ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { g.leave(w) }), nil
}

// InUse returns how much memory the images in progress take.
func (g *Gate) InUse() int64 {
	g.lock.Lock()
	defer g.lock.Unlock()
	return g.largeUsed + g.smallUsed
}

// add has an image enter or wait. If too many wait then, the one that would enter last gets ErrFull.
func (g *Gate) add(entering *waiter) {
	g.lock.Lock()
	defer g.lock.Unlock()
	if g.isSmall(entering.Work) {
		g.queue = append(g.queue, entering)
	} else {
		g.waiting = append(g.waiting, entering)
	}
	g.admit()
	if len(g.waiting) > g.places {
		last := g.pick(func(a, b time.Duration) bool { return a >= b })
		g.waiting[last].ready <- ErrFull
		g.waiting = slices.Delete(g.waiting, last, last+1)
	}
}

// admit has all images enter that can.
func (g *Gate) admit() {
	for len(g.queue) > 0 && g.smallUsed+g.queue[0].Memory <= g.small {
		g.smallUsed += g.queue[0].Memory
		g.queue[0].ready <- nil
		g.queue = slices.Delete(g.queue, 0, 1)
	}
	for len(g.waiting) > 0 && g.running < g.cores {
		next := g.pick(func(a, b time.Duration) bool { return a < b })
		w := g.waiting[next]
		if g.running > 0 && g.largeUsed+w.Memory > g.large {
			return // the others have to wait for it, or it might never enter
		}
		g.running++
		g.largeUsed += w.Memory
		g.charge(w.Work)
		w.ready <- nil
		g.waiting = slices.Delete(g.waiting, next, next+1)
	}
}

// pick returns the index of the first waiting image, or of a later one whose rank is better.
func (g *Gate) pick(better func(a, b time.Duration) bool) int {
	picked := 0
	for i := range g.waiting {
		if i > 0 && better(g.rank(g.waiting[i]), g.rank(g.waiting[picked])) {
			picked = i
		}
	}
	return picked
}

// rank is the time that an image takes, and that its client has had, less what it has waited. The lowest enters first.
func (g *Gate) rank(w *waiter) time.Duration {
	return w.Time + g.shareOf(w.Client) - (w.Age+time.Since(w.since))/waitWeight
}

// shareOf returns what a client has had, of which time takes half in each halfLife.
func (g *Gate) shareOf(client string) time.Duration {
	had := g.had[client]
	halves := uint(time.Since(had.at) / halfLife)
	if halves > 32 {
		return 0
	}
	return had.time >> halves
}

// charge counts the work of a client, and forgets those whose work was long ago.
func (g *Gate) charge(w Work) {
	g.had[w.Client] = share{g.shareOf(w.Client) + w.Time, time.Now()}
	for client := range g.had {
		if g.shareOf(client) == 0 {
			delete(g.had, client)
		}
	}
}

// giveUp takes an image out that waits, and returns err; or nil if it has entered meanwhile.
func (g *Gate) giveUp(w *waiter, err error) error {
	g.lock.Lock()
	defer g.lock.Unlock()
	select {
	case entered := <-w.ready:
		return entered
	default:
	}
	isIt := func(other *waiter) bool { return other == w }
	g.waiting, g.queue = slices.DeleteFunc(g.waiting, isIt), slices.DeleteFunc(g.queue, isIt)
	g.admit()
	return err
}

func (g *Gate) leave(w Work) {
	g.lock.Lock()
	defer g.lock.Unlock()
	if g.isSmall(w) {
		g.smallUsed -= w.Memory
	} else {
		g.largeUsed -= w.Memory
		g.running--
	}
	g.admit()
}
