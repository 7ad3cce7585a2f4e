package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/pace"
)

// A connection records the read deadline that a body sets.
type connection struct {
	http.ResponseWriter
	deadline time.Time
}

func (c *connection) SetReadDeadline(deadline time.Time) error {
	c.deadline = deadline
	return nil
}

// A slow client sends after each pause, and fails like a connection at its deadline.
type slow struct {
	*connection
	pause time.Duration
	left  int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if until := time.Until(s.deadline); until < s.pause {
		time.Sleep(until)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(s.pause)
	n := min(len(p), s.left)
	s.left -= n
	return n, nil
}

func (s *slow) Close() error { return nil }

func newBody(t *testing.T, source io.ReadCloser, size, limit int64) (*Body, *connection) {
	t.Helper()
	c := &connection{ResponseWriter: httptest.NewRecorder()}
	c.Header().Set("Connection", "close") // as httpserver sets it
	if s, ok := source.(*slow); ok {
		s.connection = c
	}
	b, err := New(c, &http.Request{Body: source, ContentLength: size}, limit)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func statusOf(err error) int {
	var e *apierror.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Status
}

func TestWhole(t *testing.T) {
	b, c := newBody(t, io.NopCloser(strings.NewReader("image")), 5, 5)
	if got, err := io.ReadAll(b); string(got) != "image" || err != nil {
		t.Errorf("got %q, %v; want image", got, err)
	}
	if c.Header().Get("Connection") != "" || !c.deadline.IsZero() {
		t.Errorf("got headers %v, deadline %v; want the connection kept, without a deadline", c.Header(), c.deadline)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := New(httptest.NewRecorder(), &http.Request{Body: http.NoBody, ContentLength: 11}, 10)
	var tooLarge *apierror.Error
	if !errors.As(err, &tooLarge) || tooLarge.Status != http.StatusRequestEntityTooLarge ||
		tooLarge.Limit != int64(10) || tooLarge.Found != int64(11) {
		t.Errorf("length known: got %+v, want 413 with limit 10, found 11", err)
	}
	b, c := newBody(t, io.NopCloser(bytes.NewReader(make([]byte, 11))), -1, 10)
	_, err = io.ReadAll(b)
	if statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("length not known: got %v, want 413", err)
	}
	if _, err := b.Read(make([]byte, 1)); statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("next Read: got %v, want the same 413", err)
	}
	if c.Header().Get("Connection") != "close" {
		t.Error("the connection is kept, want it closed")
	}
}

func TestTruncated(t *testing.T) {
	b, _ := newBody(t, io.NopCloser(io.MultiReader(strings.NewReader("im"), errReader{io.ErrUnexpectedEOF})), 5, 10)
	if _, err := io.ReadAll(b); statusOf(err) != http.StatusBadRequest {
		t.Errorf("got %v, want 400", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		b, _ := newBody(t, &slow{pause: time.Second, left: 1 << 20}, 1<<20, 1<<20)
		one := make([]byte, 1) // a byte a second
		var err error
		for err == nil {
			_, err = b.Read(one)
		}
		if statusOf(err) != http.StatusRequestTimeout || time.Since(began) > pace.Grace+time.Second {
			t.Errorf("got %v after %v, want 408 after %v", err, time.Since(began), pace.Grace)
		}
		if !strings.Contains(err.Error(), "too slow") {
			t.Errorf("got %v, want that it is too slow", err)
		}
	})
}

// A client that was fast at first may not stall for longer than others.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		client := &slow{left: size}
		b, _ := newBody(t, client, size, size)
		for read := 0; read < size/2; {
			n, err := b.Read(make([]byte, 64<<10))
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		client.pause = 19 * time.Second
		began := time.Now()
		var err error
		for one := make([]byte, 1); err == nil; {
			_, err = b.Read(one)
		}
		if statusOf(err) != http.StatusRequestTimeout || time.Since(began) > pace.Grace+time.Second {
			t.Errorf("got %v after %v, want 408 after %v", err, time.Since(began), pace.Grace)
		}
		if !strings.Contains(err.Error(), "stalled") {
			t.Errorf("got %v, want that it stalled", err)
		}
	})
}

// A poor connection is not closed, and neither is a good one when the service itself takes long.
func TestNotTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		b, _ := newBody(t, &slow{pause: time.Second, left: size}, size, size)
		piece := make([]byte, pace.MinRate+1)
		for read := 0; ; {
			n, err := b.Read(piece)
			if read += n; errors.Is(err, io.EOF) {
				if read != size {
					t.Errorf("got %d bytes, want %d", read, size)
				}
				return
			}
			if err != nil {
				t.Fatalf("after %d bytes: %v", read, err)
			}
			if read%(64*len(piece)) == 0 {
				time.Sleep(time.Hour)
			}
		}
	})
}
