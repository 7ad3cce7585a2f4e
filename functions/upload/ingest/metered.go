package ingest

import (
	"context"
	"io"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"golang.org/x/sync/semaphore"
)

// maxInline bounds an event with an image inside its JSON, in bytes: it has to be held whole. Larger images come in
// binary mode, which streams, or by reference.
const maxInline = 8 << 20

// How long such an event waits for memory.
const inlineTimeout = 5 * time.Second

// meter has the body of a large event take from the memory for such events. The caller gives it back with release.
func (in *Ingest) meter(r *http.Request) (release func()) {
	if !isLarge(r) {
		return func() {}
	}
	metered := &metered{ReadCloser: r.Body, ctx: r.Context(), memory: in.inline}
	r.Body = metered
	return metered.release
}

// metered is a body that is held whole. It takes from a shared amount of memory as it is read; if none is left for a
// while, the request is refused, so that it does not wait for clients that stall.
type metered struct {
	io.ReadCloser
	ctx    context.Context // of the request
	memory *semaphore.Weighted
	held   int64
}

func (m *metered) Read(p []byte) (int, error) {
	ctx, cancel := context.WithTimeout(m.ctx, inlineTimeout)
	defer cancel()
	if err := m.memory.Acquire(ctx, int64(len(p))); err != nil {
		return 0, accept.ErrBusy
	}
	n, err := m.ReadCloser.Read(p)
	m.held += int64(n)
	m.memory.Release(int64(len(p) - n))
	return n, err
}

func (m *metered) release() { m.memory.Release(m.held) }
