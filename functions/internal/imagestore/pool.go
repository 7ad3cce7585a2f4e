package imagestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"sync"
	"time"
)

// ErrBusy means that no memory for uploads became free in time. It is temporary.
var ErrBusy = errors.New("the memory for uploads is in use")

const (
	// S3 accepts no smaller part, except for the last one:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
	partSize = 5 << 20
	// Memory is allocated in pieces of this size, so that a part takes as much as it has received.
	chunkSize     = 128 << 10
	chunksPerPart = partSize / chunkSize
	// The address space of so many pieces is allocated at once, and memory when they are used. The garbage collector runs
	// when the heap has grown by a part of itself, so it runs no more often while few are used.
	maxSlab = 64 << 20 / chunkSize
	// This many parts can always be completed, however many have been started.
	reserves = 4
	// An upload that gets no memory in this time fails, and does not wait for clients that stall.
	memoryTimeout = 5 * time.Second
)

// A pool is the memory in which all uploads together collect their parts. A slow client holds as much of it as it has
// sent.
//
// Once all memory is in unfinished parts, they would wait for each other forever. Therefore some is reserved: a part
// that finds the pool empty gets a whole reserve when one is free, can be completed with it, and then returns
// everything.
type pool struct {
	hashed   bool          // whether the store needs the hash of a part
	free     chan struct{} // a value for each of chunks
	reserves chan *reserve

	lock sync.Mutex
	// The last one is used next: it may still be in the processor's cache, and those that are never needed take no memory.
	// nil is a chunk that is not allocated yet.
	chunks [][]byte
}

type reserve struct{ chunks [][]byte }

// newPool returns a pool of size bytes, including the reserves, for parts that are hashed or not.
func newPool(size int64, hashed bool) *pool {
	shared := max(int(size/chunkSize)-reserves*chunksPerPart, 1)
	p := &pool{hashed: hashed, free: make(chan struct{}, shared), reserves: make(chan *reserve, reserves)}
	for range max(0, shared-maxSlab) {
		p.put(nil)
	}
	for chunk := range slices.Chunk(make([]byte, min(shared, maxSlab)*chunkSize), chunkSize) {
		p.put(chunk)
	}
	for range reserves {
		p.reserves <- &reserve{}
	}
	return p
}

// put returns a chunk, or adds one.
func (p *pool) put(chunk []byte) {
	p.lock.Lock()
	p.chunks = append(p.chunks, chunk)
	p.lock.Unlock()
	p.free <- struct{}{}
}

// take returns a chunk, for a value of free that the caller has received.
func (p *pool) take() []byte {
	p.lock.Lock()
	last := len(p.chunks) - 1
	chunk := p.chunks[last]
	p.chunks = p.chunks[:last]
	p.lock.Unlock()
	return allocated(chunk)
}

// A part has up to partSize bytes of a body, in memory of the pool.
type part struct {
	pool    *pool
	chunks  [][]byte
	length  int
	hash    hash.Hash // SHA-256 of its bytes, which S3 needs before them; nil if it does not
	reserve *reserve  // nil unless the pool was empty
	drawn   int       // number of chunks of the reserve that are in use
}

func newPart(pool *pool) part {
	p := part{pool: pool}
	if pool.hashed {
		p.hash = sha256.New()
	}
	return p
}

// extend adds to the part the first n bytes of the buffer that next returned. They are hashed while they are in the
// processor's cache.
func (p *part) extend(buffer []byte, n int) {
	p.length += n
	if p.hash != nil {
		p.hash.Write(buffer[:n])
	}
}

// sum returns the hash of the bytes in hexadecimal; "" if they are not hashed.
func (p *part) sum() string {
	if p.hash == nil {
		return ""
	}
	return hex.EncodeToString(p.hash.Sum(nil))
}

// next returns the buffer for the next bytes of the part; it waits for memory. It fails with ErrBusy or the error of
// ctx.
func (p *part) next(ctx context.Context) ([]byte, error) {
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
	select { // reserves are for an empty pool
	case <-p.pool.free:
		return p.pool.take(), nil
	default:
	}
	timeout := time.NewTimer(memoryTimeout)
	defer timeout.Stop()
	select {
	case <-p.pool.free:
		return p.pool.take(), nil
	case p.reserve = <-p.pool.reserves:
		return p.draw(), nil
	case <-timeout.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// draw returns the next chunk of the reserve, which has enough of them for a whole part.
func (p *part) draw() []byte {
	if p.drawn == len(p.reserve.chunks) {
		p.reserve.chunks = append(p.reserve.chunks, allocated(nil))
	}
	p.drawn++
	return p.reserve.chunks[p.drawn-1]
}

func allocated(chunk []byte) []byte {
	if chunk == nil {
		return make([]byte, chunkSize)
	}
	return chunk
}

// clear empties the part and returns its memory to the pool.
func (p *part) clear() {
	for _, chunk := range p.chunks[:len(p.chunks)-p.drawn] { // those of the reserve are last
		p.pool.put(chunk)
	}
	if p.reserve != nil {
		p.pool.reserves <- p.reserve
	}
	if p.hash != nil {
		p.hash.Reset()
	}
	*p = part{pool: p.pool, chunks: p.chunks[:0], hash: p.hash}
}

// content returns the bytes of the part, which can be read until the lease ends.
func (p *part) content(l *lease) content {
	return content{io.NewSectionReader(leasedPart{l, p}, 0, int64(p.length)), p.sum()}
}

// A lease limits the time in which a request to MinIO may read its body. If MinIO responds early, net/http goes on
// reading after the request has returned, and would read memory that another upload uses by then.
type lease struct {
	mutex sync.Mutex
	ended bool
}

// read calls read unless the lease has ended.
func (l *lease) read(read func() (int, error)) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.ended {
		return 0, io.ErrClosedPipe
	}
	return read()
}

// end waits for a read in progress, and makes later ones fail.
func (l *lease) end() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ended = true
}

// A leasedPart is a part that can be read until its lease ends.
type leasedPart struct {
	*lease
	part *part
}

func (l leasedPart) ReadAt(b []byte, offset int64) (int, error) {
	return l.read(func() (int, error) { return l.part.ReadAt(b, offset) })
}

// ReadAt implements io.ReaderAt.
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
