package admission

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mb = 1 << 20

// A run is a number of images, each of which enters, takes its time and leaves. It has their names in the order in
// which they left, and those of images that found no place.
type run struct {
	gate       *Gate
	wait       sync.WaitGroup
	lock       sync.Mutex
	done, full []string
}

func (r *run) begin(t *testing.T, name string, w Work) {
	t.Helper()
	r.wait.Go(func() {
		leave, err := r.gate.Enter(t.Context(), w)
		if errors.Is(err, ErrFull) {
			r.lock.Lock()
			defer r.lock.Unlock()
			r.full = append(r.full, name)
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		time.Sleep(w.Time)
		leave()
		r.lock.Lock()
		defer r.lock.Unlock()
		r.done = append(r.done, name)
	})
	synctest.Wait() // so that they come one after the other
}

var (
	photo   = Work{Memory: 3 * mb, Time: 20 * time.Millisecond}
	hostile = Work{Memory: 100 * mb, Time: time.Second}
)

// A flood of large images that came before delays no small one: all are done before the second large one is, and of the
// large ones only as many wait as there are places.
func TestSmallOvertakesLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{gate: New(128*mb, 1)}
		for range 110 {
			r.begin(t, "hostile", hostile)
		}
		for range 30 {
			r.begin(t, "photo", photo)
		}
		r.wait.Wait()
		photos := slices.Repeat([]string{"photo"}, 30)
		if want := append(photos, "hostile", "hostile", "hostile"); !slices.Equal(r.done, want) {
			t.Errorf("got %q, want 30 photos and then what the places have", r.done)
		}
		if len(r.full) != 107 {
			t.Errorf("got %d without a place, want 107", len(r.full))
		}
	})
}

// At most as many large images as cores are worked on, and their memory and that of small ones is within the budgets.
func TestBudgets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cores            int
		work             Work
		count, atOnce    int
		memory, smallest int64
	}{
		"large, by cores":  {2, Work{Memory: 10 * mb, Time: time.Second}, 4, 2, 20 * mb, 0},
		"large, by memory": {4, Work{Memory: 60 * mb, Time: time.Second}, 5, 2, 120 * mb, 0},
		"large, alone":     {4, Work{Memory: 128 * mb, Time: time.Second}, 5, 1, 128 * mb, 0},
		"small, by memory": {1, Work{Memory: 10 * mb, Time: time.Millisecond}, 50, 3, 30 * mb, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &run{gate: New(128*mb, test.cores)}
				for range test.count {
					r.begin(t, name, test.work)
				}
				if got := r.gate.InUse(); got != test.memory || got/test.work.Memory != int64(test.atOnce) {
					t.Errorf("got %d bytes in use, want %d, %d at once", got, test.memory, test.atOnce)
				}
				r.wait.Wait()
				if got := r.gate.InUse(); got != 0 || len(r.done) != test.count {
					t.Errorf("got %d bytes in use after %d of %d images, want 0", got, len(r.done), test.count)
				}
			})
		})
	}
}

// Of large images the cheapest enters first, then the one of the client that has had the least, and in the end the one
// that has waited.
func TestOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second Work
		want          []string
	}{
		"cheaper":     {hostile, Work{Memory: mb, Time: 700 * time.Millisecond}, []string{"second", "first"}},
		"of another":  {of("flood", hostile), of("other", hostile), []string{"second", "first"}},
		"of the same": {of("flood", hostile), of("flood", hostile), []string{"first", "second"}},
		"a little dearer": {
			aged(time.Hour, hostile), Work{Memory: mb, Time: 900 * time.Millisecond}, []string{"first", "second"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &run{gate: New(128*mb, 1)}
				r.begin(t, "running", of("flood", hostile))
				r.begin(t, "first", test.first)
				r.begin(t, "second", test.second)
				r.wait.Wait()
				if want := append([]string{"running"}, test.want...); !slices.Equal(r.done, want) {
					t.Errorf("got %q, want %q", r.done, want)
				}
			})
		})
	}
}

func of(client string, w Work) Work {
	w.Client = client
	return w
}

func aged(age time.Duration, w Work) Work {
	w.Age = age
	return w
}

// A large image of another client gets a place although all are taken, and is next.
func TestFloodDelaysItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &run{gate: New(128*mb, 1)}
		for range 50 {
			r.begin(t, "flood", of("a", hostile))
		}
		r.begin(t, "other", of("b", hostile))
		r.wait.Wait()
		if want := []string{"flood", "other", "flood"}; !slices.Equal(r.done, want) {
			t.Errorf("got %q, want %q", r.done, want)
		}
	})
}

// What a client had is forgotten.
func TestSharesAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(128*mb, 1)
		enter := func(client string) {
			leave, err := g.Enter(t.Context(), of(client, hostile))
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
		for _, client := range []string{"a", "b", "c"} {
			enter(client)
		}
		time.Sleep(halfLife)
		if got, want := g.shareOf("a"), hostile.Time/2; got != want {
			t.Errorf("after the half-life: got %v, want %v", got, want)
		}
		time.Sleep(time.Hour)
		enter("d")
		if len(g.had) != 1 {
			t.Errorf("got %v, want one client", g.had)
		}
	})
}

// An image that has waited for Timeout, or whose context ends, gives its place up.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(128*mb, 1)
		leave, err := g.Enter(t.Context(), hostile)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := g.Enter(t.Context(), hostile); !errors.Is(err, ErrFull) || time.Since(began) != Timeout {
			t.Errorf("got %v after %v, want %v after %v", err, time.Since(began), ErrFull, Timeout)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Enter(ctx, hostile); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		leave()
		leave()
		if got := g.InUse(); got != 0 || len(g.waiting) != 0 {
			t.Errorf("got %d bytes in use and %d waiting, want none", got, len(g.waiting))
		}
		if _, err := g.Enter(t.Context(), hostile); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}
