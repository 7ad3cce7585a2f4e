package imagestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"
	"time"
)

// ErrBusy says that the memory for bodies is taken, and that it was waited for in vain. It may pass.
var ErrBusy = errors.New("the memory for uploads is taken")

const (
	// S3 takes no smaller part than this, unless it is the last:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
	partSize = 5 << 20
	// Memory is lent in pieces of this size, so that a part costs what has arrived of it.
	chunkSize     = 64 << 10
	chunksPerPart = partSize / chunkSize
	// This many parts can always be filled to the end, however many have been begun.
	reserves = 4
	// Whoever finds no memory is sent away after this time, and not left to wait for clients that stall.
	memoryTimeout = 5 * time.Second
)

// A pool is the memory in which the bodies of all uploads together wait until a part is full. A slow client holds only
// as much of it as it has sent.
//
// Parts that wait for each other's memory would wait for ever once all of it lies in unfinished parts. Therefore some
// is set aside: whoever finds the pool empty takes a whole reserve when one is free, and can then finish its part and
// give everything back.
type pool struct {
	chunks   chan []byte // nil stands for memory that nobody has needed yet
	reserves chan *reserve
}

type reserve struct{ chunks [][]byte }

// newPool makes a pool of size bytes, the reserves included.
func newPool(size int64) *pool {
	shared := max(int(size/chunkSize)-reserves*chunksPerPart, 1)
	p := &pool{chunks: make(chan []byte, shared), reserves: make(chan *reserve, reserves)}
	for range shared {
		p.chunks <- nil
	}
	for range reserves {
		p.reserves <- &reserve{}
	}
	return p
}

// A part is up to partSize bytes of a body, in memory of the pool.
type part struct {
	pool    *pool
	chunks  [][]byte
	length  int
	hash    hash.Hash // SHA-256 of what it holds, which S3 wants before the bytes
	reserve *reserve  // nil unless the pool was empty
	drawn   int       // chunks of the reserve that are in use
}

func newPart(pool *pool) part { return part{pool: pool, hash: sha256.New()} }

// add says that the first n bytes of what room returned belong to the part now. They are hashed while the processor
// still has them at hand.
func (p *part) add(room []byte, n int) {
	p.length += n
	p.hash.Write(room[:n])
}

// room is where the next bytes of the part go; it waits for memory.
func (p *part) room(ctx context.Context) ([]byte, error) {
	if p.length == len(p.chunks)*chunkSize {
		chunk, err := p.chunk(ctx)
		if err != nil {
			return nil, err
		}
		p.chunks = append(p.chunks, chunk)
	}
	return p.chunks[len(p.chunks)-1][p.length%chunkSize:], nil
}

func (p *part) chunk(ctx context.Context) ([]byte, error) {
	if p.reserve != nil {
		return p.draw(), nil
	}
	select { // the reserves are for when there is nothing else
	case chunk := <-p.pool.chunks:
		return made(chunk), nil
	default:
	}
	timeout := time.NewTimer(memoryTimeout)
	defer timeout.Stop()
	select {
	case chunk := <-p.pool.chunks:
		return made(chunk), nil
	case p.reserve = <-p.pool.reserves:
		return p.draw(), nil
	case <-timeout.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// draw takes the next chunk of the reserve, which has one for every chunk that the part can need.
func (p *part) draw() []byte {
	if p.drawn == len(p.reserve.chunks) {
		p.reserve.chunks = append(p.reserve.chunks, made(nil))
	}
	p.drawn++
	return p.reserve.chunks[p.drawn-1]
}

func made(chunk []byte) []byte {
	if chunk == nil {
		return make([]byte, chunkSize)
	}
	return chunk
}

// clear empties the part and gives its memory back.
func (p *part) clear() {
	for _, chunk := range p.chunks[:len(p.chunks)-p.drawn] { // the reserve's come last
		p.pool.chunks <- chunk
	}
	if p.reserve != nil {
		p.pool.reserves <- p.reserve
	}
	p.hash.Reset()
	*p = part{pool: p.pool, chunks: p.chunks[:0], hash: p.hash}
}

// content is what the part holds, for as long as the lease lasts.
func (p *part) content(l *lease) content {
	return content{io.NewSectionReader(leased{l, p}, 0, int64(p.length)), hex.EncodeToString(p.hash.Sum(nil))}
}

// A lease is how long a request to MinIO may read what it sends. When MinIO answers early, net/http goes on reading
// after the request has returned: without an end to that it would read memory that is another upload's by then.
type lease struct {
	mutex sync.Mutex
	ended bool
}

// read calls a reader unless the lease has ended.
func (l *lease) read(read func() (int, error)) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.ended {
		return 0, io.ErrClosedPipe
	}
	return read()
}

// end waits for a read that is going on, and has all later ones fail.
func (l *lease) end() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ended = true
}

// leased is a part that can be read while its lease lasts.
type leased struct {
	*lease
	part *part
}

func (l leased) ReadAt(b []byte, offset int64) (int, error) {
	return l.read(func() (int, error) { return l.part.ReadAt(b, offset) })
}

// ReadAt reads from the part, as io.ReaderAt says.
func (p *part) ReadAt(b []byte, offset int64) (int, error) {
	n := 0
	for n < len(b) {
		at := int(offset) + n
		if at >= p.length {
			return n, io.EOF
		}
		chunk := p.chunks[at/chunkSize]
		n += copy(b[n:], chunk[at%chunkSize:min(chunkSize, p.length-at/chunkSize*chunkSize)])
	}
	return n, nil
}
