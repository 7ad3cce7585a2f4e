package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/process"
	"golang.org/x/sync/errgroup"
)

// A task does something with the ith image.
type task func(ctx context.Context, i int) (timing, error)

// A load is how tasks are begun.
type load struct {
	clients int     // in the closed model: each begins one after the other
	rate    float64 // in the open model: tasks a second, begun in equal intervals; 0 in the closed model
}

// A result is what happened within a window of time, when a load had gone on for a while.
type result struct {
	load
	seconds  float64
	done     int
	refused  int
	answered []time.Duration // in order
	complete []time.Duration // in order
	cpu      map[string]time.Duration
	peak     map[string]int64 // bytes
}

// perSecond is the rate of tasks that were done.
func (r *result) perSecond() float64 { return float64(r.done) / r.seconds }

// cpuOf returns the milliseconds of CPU time that processes have used for each task that was done.
func (r *result) cpuOf(names ...string) float64 {
	var total time.Duration
	for _, name := range names {
		total += r.cpu[name]
	}
	return milliseconds(total) / float64(r.done)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile returns a value of an ordered list, 0 of an empty one.
func percentile(ordered []time.Duration, percent int) time.Duration {
	if len(ordered) == 0 {
		return 0
	}
	return ordered[(len(ordered)-1)*percent/100]
}

// limit bounds the time that a window waits for tasks beyond its own.
const limit = 5 * time.Minute

// A window counts what is done between two moments.
type window struct {
	enough int // that many tasks have to be done before it opens, and while it is open

	mutex  sync.Mutex
	open   bool
	missed int           // of enough, since it was opened or closed
	filled chan struct{} // closed when none is missed
	result result
}

// newWindow returns a window that is closed. Each client has to have done something on average: of large images, many
// clients upload at the same time for longer than the warm-up, and then wait for their thumbnails at the same time.
func newWindow(l load) *window {
	w := &window{enough: max(l.clients, 1), result: result{load: l}}
	w.set(false)
	return w
}

func (w *window) add(t timing) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.missed--; w.missed == 0 {
		close(w.filled)
	}
	if !w.open {
		return
	}
	r := &w.result
	r.done++
	r.refused += t.refused
	r.answered = append(r.answered, t.answered)
	r.complete = append(r.complete, t.completed)
}

// apply has a load go on, and measures processes and tasks for the duration of the flags, after a quarter of it. It
// returns when all tasks have ended. The first error of a task ends it.
func (b *bench) apply(ctx context.Context, l load, do task) (*result, error) {
	group, ctx := errgroup.WithContext(ctx)
	w := newWindow(l)
	var over atomic.Bool
	counted := func(i int, due time.Time) error {
		late := time.Since(due)
		t, err := do(ctx, i)
		if err == nil {
			w.add(timing{t.answered + late, t.completed + late, t.refused})
		}
		return err
	}
	group.Go(func() error {
		defer over.Store(true)
		return b.watch(ctx, w)
	})
	if l.rate == 0 {
		var next atomic.Int64
		for range l.clients {
			group.Go(func() error {
				for !over.Load() {
					if err := counted(int(next.Add(1))-1, time.Now()); err != nil {
						return err
					}
				}
				return nil
			})
		}
	} else {
		group.Go(func() error { return arrivals(ctx, group, l.rate, &over, counted) })
	}
	err := group.Wait()
	slices.Sort(w.result.answered)
	slices.Sort(w.result.complete)
	return &w.result, err
}

// arrivals begins tasks at a rate, whether those before have ended or not.
func arrivals(
	ctx context.Context, group *errgroup.Group, rate float64, over *atomic.Bool, do func(int, time.Time) error,
) error {
	began := time.Now()
	for i := 0; !over.Load(); i++ {
		due := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return ctx.Err()
		}
		group.Go(func() error { return do(i, due) })
	}
	return nil
}

// watch opens and closes the window, each after its time and when enough was done, and fills in what the processes have
// used while it was open.
func (b *bench) watch(ctx context.Context, w *window) error {
	if err := errors.Join(sleep(ctx, b.warmUp()), w.fill(ctx)); err != nil {
		return err
	}
	pids := b.pids()
	for name, id := range pids {
		if err := process.ForgetPeak(id); err != nil {
			return fmt.Errorf("forget the peak of %s: %w", name, err)
		}
	}
	before, err := cpuTimes(pids)
	if err != nil {
		return err
	}
	began := time.Now()
	w.set(true)
	if err := errors.Join(sleep(ctx, b.window()), w.fill(ctx)); err != nil {
		return err
	}
	w.set(false)
	w.result.seconds = time.Since(began).Seconds()
	after, err := cpuTimes(pids)
	w.result.cpu, w.result.peak = map[string]time.Duration{}, map[string]int64{}
	for name, id := range pids {
		w.result.cpu[name] = after[name] - before[name]
		if w.result.peak[name], err = process.Peak(id); err != nil {
			return fmt.Errorf("read the peak of %s: %w", name, err)
		}
	}
	return err
}

func (w *window) set(open bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.open, w.missed, w.filled = open, w.enough, make(chan struct{})
}

// fill waits until enough was done since set was called.
func (w *window) fill(ctx context.Context) error {
	w.mutex.Lock()
	filled := w.filled
	w.mutex.Unlock()
	select {
	case <-filled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		return fmt.Errorf("fewer than %d tasks were done in %v", w.enough, limit)
	}
}

func cpuTimes(pids map[string]int) (map[string]time.Duration, error) {
	times := map[string]time.Duration{}
	var err error
	for name, id := range pids {
		if times[name], err = process.CPU(id); err != nil {
			return nil, fmt.Errorf("read the CPU time of %s: %w", name, err)
		}
	}
	return times, nil
}

// window is how long a load is measured.
func (b *bench) window() time.Duration {
	if b.Quick {
		return 500 * time.Millisecond
	}
	return b.Duration
}

// warmUp is how long a load goes on before that.
func (b *bench) warmUp() time.Duration { return b.window() / 4 }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
