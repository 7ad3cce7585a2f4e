package imagestore

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// A body of less is put once it has been received: it takes no time to be received.
	minArrival = 256 << 10
	// A body may take this long to be received while it is put, and is not put before it has been received if its first
	// chunk says that it will take longer: a slow client must not occupy the store.
	arrivalTimeout = 2 * time.Second
	// The request waits for pieces of this size: it wakes up for each.
	arrivalPiece = 256 << 10
)

// putArriving stores a body of known size while it is received, and keeps what it has received. stored is false if the
// rest of the body has to be received, and all of it to be put then: if it arrives slowly, or the store has failed. An
// error is that of the body, or of a store that stopped responding.
func (u *Upload) putArriving(ctx context.Context, key string, attributes Attributes) (stored bool, err error) {
	if u.size < minArrival || u.size >= partSize || u.store.memory.hashed {
		return false, nil // the hash of a body is sent before it
	}
	for u.part.length < chunkSize {
		if err := u.more(ctx); err != nil {
			return false, unlessEnd(err)
		}
	}
	if expected := time.Since(u.began) * time.Duration(u.size) / time.Duration(u.part.length); expected > arrivalTimeout {
		return false, nil
	}
	if err := u.admit(u.size); err != nil {
		return false, err
	}
	putting, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	a := newArrival(&u.part, u.size)
	defer a.end()
	var putErr error
	var put sync.WaitGroup
	put.Go(func() { putErr = u.store.putArriving(putting, key, a, attributes) })
	whole, err := u.receive(ctx, a, cancel)
	if !whole || err != nil {
		cancel()
		a.end()
		put.Wait()
		return false, err
	}
	put.Wait()
	if putErr != nil && (ctx.Err() != nil || timedOut(putting, putErr)) {
		return false, u.store.wrapPut(putErr, key)
	}
	return putErr == nil, nil
}

// receive receives the rest of a body. It calls late if that takes too long. whole is whether the body had its size,
// and arrived in time.
func (u *Upload) receive(ctx context.Context, a *arrival, late func()) (whole bool, err error) {
	timer := time.AfterFunc(arrivalTimeout, late)
	for err == nil && int64(u.part.length) <= u.size {
		err = u.more(ctx)
		a.extend(&u.part, errors.Is(err, io.EOF))
	}
	inTime := timer.Stop()
	return inTime && int64(u.part.length) == u.size, unlessEnd(err)
}

func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// putArriving makes one attempt to store a body. It sends no hash.
func (s *Store) putArriving(ctx context.Context, key string, a *arrival, attributes Attributes) error {
	if err := s.ensureBucket(ctx); err != nil {
		return err
	}
	options := attributes.putOptions()
	options.DisableContentSha256 = true // of chunks
	_, err := s.client.PutObject(ctx, s.bucket, key, a, a.size, "", "", options)
	return err
}

// An arrival reads a part while it is filled. The last byte follows the end of the body, so that no object is stored
// of one that turns out to be longer or shorter.
type arrival struct {
	size   int64
	offset int // of the next Read

	lock   sync.Mutex
	grown  sync.Cond
	chunks [][]byte
	length int // that can be read
	ended  bool
}

func newArrival(p *part, size int64) *arrival {
	a := &arrival{size: size}
	a.grown.L = &a.lock
	a.extend(p, false)
	return a
}

// extend lets what has been added to the part be read.
func (a *arrival) extend(p *part, whole bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.chunks, a.length = p.chunks, p.length
	if !whole {
		a.length = min(a.length/arrivalPiece*arrivalPiece, int(a.size)-1)
	}
	if a.length > a.offset || whole {
		a.grown.Signal()
	}
}

// end makes every Read fail: see lease.
func (a *arrival) end() {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.ended = true
	a.grown.Signal()
}

// Read waits for bytes that were not received.
func (a *arrival) Read(b []byte) (int, error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for a.length == a.offset && a.offset < int(a.size) && !a.ended {
		a.grown.Wait()
	}
	switch {
	case a.ended:
		return 0, io.ErrClosedPipe
	case a.offset == int(a.size):
		return 0, io.EOF
	}
	n := 0
	for n < len(b) && a.offset < a.length {
		chunk := a.chunks[a.offset/chunkSize]
		copied := copy(b[n:], chunk[a.offset%chunkSize:min(chunkSize, a.length-a.offset/chunkSize*chunkSize)])
		n += copied
		a.offset += copied
	}
	return n, nil
}
