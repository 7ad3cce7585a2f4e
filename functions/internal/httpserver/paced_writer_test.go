package httpserver

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/pace"
)

// A slowReader is the connection of a client that reads rate bytes per second, the first of them after a pause; 0 for
// one that never reads. Writes fail at the deadline, as those of a connection do.
type slowReader struct {
	*httptest.ResponseRecorder
	rate     int
	deadline time.Time
}

func (s *slowReader) SetWriteDeadline(deadline time.Time) error {
	s.deadline = deadline
	return nil
}

func (s *slowReader) Write(b []byte) (int, error) {
	if s.deadline.IsZero() {
		return 0, errors.New("the write has no deadline")
	}
	left := time.Until(s.deadline)
	possible := int(left.Seconds() * float64(s.rate))
	if possible < len(b) {
		time.Sleep(left)
		return possible, os.ErrDeadlineExceeded
	}
	time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(s.rate))
	return s.ResponseRecorder.Write(b)
}

func (s *slowReader) FlushError() error {
	_, err := s.Write(nil)
	return err
}

func TestPacedWrites(t *testing.T) {
	const size = 10 << 20
	for name, test := range map[string]struct {
		rate int
		want error
	}{
		"never reads":           {0, os.ErrDeadlineExceeded},
		"reads one byte":        {1, os.ErrDeadlineExceeded},
		"half the least rate":   {pace.MinRate / 2, os.ErrDeadlineExceeded},
		"twice the least rate":  {2 * pace.MinRate, nil},
		"as fast as it is sent": {1 << 30, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connection := &slowReader{ResponseRecorder: httptest.NewRecorder(), rate: test.rate}
				began := time.Now()
				paceWrites(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					n, err := w.Write(make([]byte, size))
					if !errors.Is(err, test.want) || (err == nil) != (n == size) {
						t.Errorf("got %d bytes, %v; want %v", n, err, test.want)
					}
				})).ServeHTTP(connection, httptest.NewRequest(http.MethodGet, "/", nil))
				if took := time.Since(began); test.want != nil && took > time.Minute {
					t.Errorf("held for %v, want at most a minute", took)
				}
				if connection.deadline.Before(time.Now()) {
					t.Error("got a deadline that has passed, want one for the buffers of net/http")
				}
			})
		})
	}
}

func TestPacedFlush(t *testing.T) {
	connection := &slowReader{ResponseRecorder: httptest.NewRecorder(), rate: 1}
	paceWrites(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
	})).ServeHTTP(connection, httptest.NewRequest(http.MethodGet, "/", nil))
}
