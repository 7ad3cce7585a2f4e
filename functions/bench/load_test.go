package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// A window opens, and closes, when there was something for each client.
func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(load{clients: 3})
		for _, open := range []bool{false, true} {
			w.set(open)
			filled := false
			go func() {
				if err := w.fill(t.Context()); err != nil {
					t.Error(err)
				}
				filled = true
			}()
			for done := range 3 {
				synctest.Wait()
				if filled {
					t.Errorf("open %t: it was filled by %d tasks, want 3", open, done)
				}
				w.add(timing{answered: time.Second})
			}
			synctest.Wait()
			if !filled {
				t.Errorf("open %t: it was not filled by 3 tasks", open)
			}
		}
		if w.result.done != 3 {
			t.Errorf("got %d tasks, want the 3 while it was open", w.result.done)
		}
	})
}

// A window that nothing is done in does not wait forever.
func TestWindowWithoutTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if err := newWindow(load{rate: 1}).fill(t.Context()); err == nil {
			t.Error("got no error")
		}
	})
}
