package imagestore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// server answers while it is up, and otherwise only what is asked for quickly: within a second.
type server struct {
	up    chan struct{} // closed when it is
	quick bool
	asked atomic.Int64
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	if deadline, _ := r.Context().Deadline(); s.quick && time.Until(deadline) == time.Second {
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
	}
	select {
	case <-s.up:
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// ask sends a request that is given up after a time.
func ask(t *testing.T, through http.RoundTripper, patience time.Duration) error {
	t.Helper()
	return send(t, through, http.MethodPut, patience)
}

func send(t *testing.T, through http.RoundTripper, method string, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://minio/images", io.NopCloser(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	response, err := through.RoundTrip(request)
	if err == nil {
		response.Body.Close()
	}
	return err
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minio := &server{up: make(chan struct{})}
		s := &silence{next: minio}
		if err := ask(t, s, 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the first waits: %v", err)
		}
		time.Sleep(askSilentEvery)
		if err := send(t, s, http.MethodDelete, 10*time.Second); !errors.Is(err, errSilent) {
			t.Errorf("what takes back waits again: %v", err)
		}
		go func() { _ = ask(t, s, 5*time.Second) }() // the one that finds out
		synctest.Wait()
		before := minio.asked.Load()
		for range 100 {
			if err := ask(t, s, 10*time.Second); !errors.Is(err, errSilent) {
				t.Fatalf("those that follow are told: %v", err)
			}
		}
		if got := minio.asked.Load(); got != before {
			t.Errorf("MinIO was asked %d times more", got-before)
		}
		close(minio.up)
		synctest.Wait() // and the one has its answer
		if err := ask(t, s, time.Second); err != nil {
			t.Errorf("MinIO is back: %v", err)
		}
	})
}

// A caller that has little time, one that leaves, and one slow request among others say nothing about MinIO.
func TestNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silence{next: &server{up: make(chan struct{}), quick: true}}
		_ = ask(t, s, silentAfter/2)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, leave)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://minio/images", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.RoundTrip(request); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		slow := make(chan error)
		go func() { slow <- ask(t, s, 10*time.Second) }()
		time.Sleep(5 * time.Second)
		if err := ask(t, s, time.Second); err != nil {
			t.Fatal(err)
		}
		<-slow
		for range 3 {
			if err := ask(t, s, time.Second); err != nil {
				t.Errorf("MinIO counts as silent: %v", err)
			}
		}
	})
}

// A MinIO that has stopped to take a body is as silent as one that does not answer.
func TestSilenceInABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silence{next: &server{up: make(chan struct{})}}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(answerTimeout, func() { cancel(errStalled) })
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://minio/images", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.RoundTrip(request); err == nil {
			t.Fatal("answered")
		}
		if err := ask(t, s, time.Minute); !errors.Is(err, errSilent) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if !s.silent {
			t.Error("MinIO does not count as silent")
		}
	})
}

// An object that does not come to its end is given up, however slowly it came before.
func TestSilenceInAnObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		object := newAnswer(ctx, cancel, &slow{ctx: ctx, left: 10})
		defer object.Close()
		began := time.Now()
		got, err := io.ReadAll(object)
		if len(got) != 10 || !errors.Is(err, errStalled) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if took := time.Since(began); took != 10*(answerTimeout-time.Second)+answerTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

// slow gives a byte now and then, and in the end nothing.
type slow struct {
	ctx  context.Context
	left int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	time.Sleep(answerTimeout - time.Second)
	s.left--
	return 1, nil
}

func (s *slow) Close() error { return nil }
