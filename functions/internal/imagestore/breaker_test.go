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

// A server responds once it is up. Before that it responds, if quick is set, only to requests that time out after a
// second.
type server struct {
	up       chan struct{} // closed when it is
	quick    bool
	requests atomic.Int64
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests.Add(1)
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

// put sends a PUT that times out.
func put(t *testing.T, through http.RoundTripper, timeout time.Duration) error {
	t.Helper()
	return send(t, through, http.MethodPut, timeout)
}

func send(t *testing.T, through http.RoundTripper, method string, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
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

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minio := &server{up: make(chan struct{})}
		b := &breaker{next: minio}
		if err := put(t, b, 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("first request: got %v, want a timeout", err)
		}
		time.Sleep(probeInterval)
		if err := send(t, b, http.MethodDelete, 10*time.Second); !errors.Is(err, errOpen) {
			t.Errorf("DELETE: got %v, want errOpen", err)
		}
		go func() { _ = put(t, b, 5*time.Second) }() // the probe
		synctest.Wait()
		before := minio.requests.Load()
		for range 100 {
			if err := put(t, b, 10*time.Second); !errors.Is(err, errOpen) {
				t.Fatalf("while open: got %v, want errOpen", err)
			}
		}
		if got := minio.requests.Load(); got != before {
			t.Errorf("got %d more requests to MinIO, want none", got-before)
		}
		close(minio.up)
		synctest.Wait() // for the response to the probe
		if err := put(t, b, time.Second); err != nil {
			t.Errorf("when MinIO is up: got %v, want nil", err)
		}
	})
}

// A short timeout, a client that leaves, and one slow request among others do not open the breaker.
func TestBreakerStaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{next: &server{up: make(chan struct{}), quick: true}}
		_ = put(t, b, minTimeout/2)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, leave)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://minio/images", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.RoundTrip(request); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		slow := make(chan error)
		go func() { slow <- put(t, b, 10*time.Second) }()
		time.Sleep(5 * time.Second)
		if err := put(t, b, time.Second); err != nil {
			t.Fatal(err)
		}
		<-slow
		for range 3 {
			if err := put(t, b, time.Second); err != nil {
				t.Errorf("got %v, want the breaker closed", err)
			}
		}
	})
}

// A MinIO that stops reading a body opens the breaker like one that does not respond.
func TestBreakerOnStalledBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{next: &server{up: make(chan struct{})}}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(responseTimeout, func() { cancel(errStalled) })
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://minio/images", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.RoundTrip(request); err == nil {
			t.Fatal("got a response, want an error")
		}
		if err := put(t, b, time.Minute); !errors.Is(err, errOpen) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want errOpen or a timeout", err)
		}
		if !b.open {
			t.Error("the breaker is closed, want it open")
		}
	})
}

// An object that stalls fails with a timeout for the next bytes, and none for the whole.
func TestStalledObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		object := newObjectBody(ctx, cancel, &slow{ctx: ctx, left: 10})
		defer object.Close()
		began := time.Now()
		got, err := io.ReadAll(object)
		if len(got) != 10 || !errors.Is(err, errStalled) {
			t.Errorf("got %d bytes, %v; want 10, errStalled", len(got), err)
		}
		want := 10*(responseTimeout-time.Second) + responseTimeout
		if got := time.Since(began); got != want {
			t.Errorf("it took %v, want %v", got, want)
		}
	})
}

// A slow object returns bytes one by one, then stalls.
type slow struct {
	ctx  context.Context
	left int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	time.Sleep(responseTimeout - time.Second)
	s.left--
	return 1, nil
}

func (s *slow) Close() error { return nil }
