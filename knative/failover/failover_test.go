//go:build redis

package failover

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// While clients upload images, the primary is killed: uploads are refused until another one has taken over, and none
// that was accepted is lost.
func TestFailover(t *testing.T) {
	s := startService(t)
	l := s.startLoad(t)
	l.await(t, 30)
	s.killPrimary(t)
	l.await(t, 30)
	l.stop()
	s.checkCompleted(t, l)
}

// Connections that Redis, or a proxy before it, has closed while they were idle are not used: no upload is refused.
func TestClosedConnections(t *testing.T) {
	s := startService(t)
	l := s.startLoad(t)
	l.await(t, 30)
	l.stop()
	s.checkCompleted(t, l)
	s.closeConnections(t)
	for range 2 * clients {
		if _, status, err := s.upload(pngOf(), uuid.NewString()); status != http.StatusOK {
			t.Errorf("an upload is answered %d, %v; want 200", status, err)
		}
	}
}

// While clients upload images, the slot that has most keys moves from node to node, and none is lost.
func TestReshard(t *testing.T) {
	s := startService(t)
	if !s.redis.Cluster {
		return // only a cluster has slots
	}
	l := s.startLoad(t)
	l.await(t, 30)
	for range 6 {
		s.moveSlot(t)
		l.await(t, 10)
	}
	l.stop()
	s.checkCompleted(t, l)
}

// A load is clients that upload images until they are stopped.
type load struct {
	service *service
	clients sync.WaitGroup
	stopped chan struct{}

	lock     sync.Mutex
	accepted []string // IDs of images that were answered with 200
	refused  int      // answers with 503
	faults   []error
}

const clients = 4

// patience is for a machine that is busy: a failover takes seconds.
const patience = 10 * time.Minute

func (s *service) startLoad(t *testing.T) *load {
	t.Helper()
	l := &load{service: s, stopped: make(chan struct{})}
	for range clients {
		l.clients.Go(l.run)
	}
	t.Cleanup(l.stop)
	return l
}

func (l *load) stop() {
	l.lock.Lock()
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.lock.Unlock()
	l.clients.Wait()
}

func (l *load) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

func (l *load) run() {
	for !l.isStopped() {
		l.upload(pngOf(), uuid.NewString())
	}
}

// upload repeats an upload with its key while it is refused, as a client does.
func (l *load) upload(content []byte, key string) {
	for !l.isStopped() {
		id, status, err := l.service.upload(content, key)
		l.lock.Lock()
		switch {
		case status == http.StatusOK:
			l.accepted = append(l.accepted, id)
		case status == http.StatusServiceUnavailable:
			l.refused++
		default:
			l.faults = append(l.faults, fmt.Errorf("an upload is answered %d, %w; expected 200 or 503", status, err))
		}
		l.lock.Unlock()
		if status == http.StatusOK {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// await waits until a number of images more is accepted.
func (l *load) await(t *testing.T, more int) {
	t.Helper()
	before, _ := l.count()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		accepted, refused := l.count()
		if accepted >= before+more {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d images were accepted and %d refused in %v, want %d accepted", accepted-before, refused, patience, more)
		}
	}
}

func (l *load) count() (accepted, refused int) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return len(l.accepted), l.refused
}

// checkCompleted checks that the thumbnails of all images that were accepted are made.
func (s *service) checkCompleted(t *testing.T, l *load) {
	t.Helper()
	for _, err := range l.faults {
		t.Error(err)
	}
	end := time.Now().Add(patience)
	for _, id := range l.accepted {
		for {
			status, err := s.status(id)
			if status == "completed" {
				break
			}
			if time.Now().After(end) {
				t.Errorf("image %s is %q, %v; want completed", id, status, err)
				break
			}
		}
	}
	t.Logf("%d images were accepted, and all are completed; 503 was answered %d times", len(l.accepted), l.refused)
}

var (
	shade     uint32
	shadeLock sync.Mutex
)

// pngOf returns an image that no other call returns.
func pngOf() []byte {
	shadeLock.Lock()
	shade++
	n := shade
	shadeLock.Unlock()
	picture := image.NewRGBA(image.Rect(0, 0, 40, 30))
	picture.Set(1, 1, color.RGBA{uint8(n), uint8(n >> 8), uint8(n >> 16), 255})
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		panic(err) // only a writer's
	}
	return out.Bytes()
}
