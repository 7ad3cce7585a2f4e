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
)

// connection is a caller's, as far as a body needs one.
type connection struct {
	http.ResponseWriter
	deadline time.Time
}

func (c *connection) SetReadDeadline(deadline time.Time) error {
	c.deadline = deadline
	return nil
}

// slow sends a byte each time that pause has passed, and fails like a connection at its deadline.
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

func newBody(t *testing.T, from io.ReadCloser, size, limit int64) (*Body, *connection) {
	t.Helper()
	c := &connection{ResponseWriter: httptest.NewRecorder()}
	c.Header().Set("Connection", "close") // as the server has it
	if s, ok := from.(*slow); ok {
		s.connection = c
	}
	b, err := New(c, &http.Request{Body: from, ContentLength: size}, limit)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func statusOf(err error) int {
	var p *apierror.Error
	if !errors.As(err, &p) {
		return 0
	}
	return p.Status
}

func TestWhole(t *testing.T) {
	b, c := newBody(t, io.NopCloser(strings.NewReader("image")), 5, 5)
	got, err := io.ReadAll(b)
	if string(got) != "image" || err != nil || c.Header().Get("Connection") != "" || !c.deadline.IsZero() {
		t.Errorf("read %q, %v, then %v, deadline %v", got, err, c.Header(), c.deadline)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := New(httptest.NewRecorder(), &http.Request{Body: http.NoBody, ContentLength: 11}, 10)
	if p, ok := err.(*apierror.Error); !ok || p.Status != http.StatusRequestEntityTooLarge || p.Limit != int64(10) || p.Found != int64(11) {
		t.Errorf("length known: %+v", err)
	}
	b, c := newBody(t, io.NopCloser(bytes.NewReader(make([]byte, 11))), -1, 10)
	_, err = io.ReadAll(b)
	if statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("length not known: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("read on: %v", err)
	}
	if c.Header().Get("Connection") != "close" {
		t.Error("the connection stays open")
	}
}

func TestCutOff(t *testing.T) {
	b, _ := newBody(t, io.NopCloser(io.MultiReader(strings.NewReader("im"), errReader{io.ErrUnexpectedEOF})), 5, 10)
	if _, err := io.ReadAll(b); statusOf(err) != http.StatusBadRequest {
		t.Errorf("%v, want 400", err)
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
		if statusOf(err) != http.StatusRequestTimeout || time.Since(began) > grace+time.Second {
			t.Errorf("%v after %v; want 408 after %v", err, time.Since(began), grace)
		}
	})
}

// Who was quick first, and saved time, can not stall for longer than anybody else.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		from := &slow{left: size}
		b, _ := newBody(t, from, size, size)
		for read := 0; read < size/2; {
			n, err := b.Read(make([]byte, 64<<10))
			if err != nil {
				t.Fatal(err)
			}
			read += n
		}
		from.pause = 19 * time.Second
		began := time.Now()
		var err error
		for one := make([]byte, 1); err == nil; {
			_, err = b.Read(one)
		}
		if statusOf(err) != http.StatusRequestTimeout || time.Since(began) > grace+time.Second {
			t.Errorf("%v after %v; want 408 after %v", err, time.Since(began), grace)
		}
	})
}

// A poor connection is not cut, and neither is a good one for what takes us long.
func TestNotTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		b, _ := newBody(t, &slow{pause: time.Second, left: size}, size, size)
		piece := make([]byte, leastRate+1)
		for read := 0; ; {
			n, err := b.Read(piece)
			if read += n; err == io.EOF {
				if read != size {
					t.Errorf("read %d bytes, want %d", read, size)
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
