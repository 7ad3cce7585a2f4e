package heif

import (
	"errors"
	"io"
	"math"
)

// A window holds the part of the file from the first byte that is still needed to the last byte read. Items may be
// anywhere in the file; if they are decoded in file order, it holds no more than the largest of them.
type window struct {
	r      io.Reader
	chunks [][]byte // all but the last have chunkSize bytes
	first  int64    // position of the first chunk in the file
	end    int64    // number of bytes read
	err    error    // of r
	spare  []byte   // a discarded chunk, for reuse

	bytesServed int64
}

const chunkSize = 64 << 10

// Items may share their bytes, because some writers store equal tiles once. All items together may be maxSharing times
// as large as the file, and freeSharing bytes more.
const (
	maxSharing  = 2
	freeSharing = 1 << 20
)

// fill reads and holds at most n more bytes.
func (w *window) fill(n int64) error {
	if w.err != nil {
		return w.err
	}
	last := len(w.chunks) - 1
	if last < 0 || len(w.chunks[last]) == chunkSize {
		if last < 0 {
			w.first = w.end
		}
		w.chunks = append(w.chunks, w.newChunk())
		last++
	}
	chunk := w.chunks[last]
	free := chunk[len(chunk):chunkSize]
	read, err := w.r.Read(free[:min(n, int64(len(free)))])
	w.chunks[last] = chunk[:len(chunk)+read]
	w.end += int64(read)
	w.err = err
	if read > 0 {
		return nil
	}
	return err
}

// newChunk returns an empty chunk.
func (w *window) newChunk() []byte {
	chunk := w.spare
	if w.spare = nil; chunk == nil {
		chunk = make([]byte, 0, chunkSize)
	}
	return chunk
}

// readAt reads at least one byte at a position, if p has room for it. The error is io.EOF at the end of the file.
func (w *window) readAt(p []byte, at int64) (int, error) {
	for w.end <= at {
		if err := w.fill(at - w.end + int64(len(p))); err != nil {
			return 0, err
		}
	}
	if at < w.first || len(w.chunks) == 0 {
		return 0, damaged("its items are so out of order that the data at byte %d is no longer buffered", at)
	}
	offset := at - w.first
	n := copy(p, w.chunks[offset/chunkSize][offset%chunkSize:])
	w.bytesServed += int64(n)
	if w.bytesServed > maxSharing*w.end+freeSharing {
		return n, damaged("its items share their data, so that they are more than %d times as large as the file", maxSharing)
	}
	return n, nil
}

// readTo reads up to a position and holds what it reads.
func (w *window) readTo(to int64) error {
	for w.end < to {
		if err := w.fill(to - w.end); err != nil {
			return err
		}
	}
	return nil
}

// discard drops the chunks before a position, which may be beyond what was read.
func (w *window) discard(before int64) {
	for len(w.chunks) > 0 && w.first+int64(len(w.chunks[0])) <= before {
		w.first += int64(len(w.chunks[0]))
		w.spare = w.chunks[0][:0]
		w.chunks = w.chunks[1:]
	}
}

// skipTo reads up to a position without holding anything before it.
func (w *window) skipTo(to int64) error {
	for w.end < to {
		w.discard(w.end)
		if err := w.fill(to - w.end); err != nil {
			return err
		}
	}
	w.discard(to)
	return nil
}

// toEnd is the length of an extent that extends to the end of the file or of the idat box.
const toEnd = math.MaxInt64

// An extent is a part of an item's data.
type extent struct{ at, length int64 }

// extents is an io.Reader of the data of an item.
type extents struct {
	from interface {
		readAt(p []byte, at int64) (int, error)
	}
	left   []extent
	later  int64 // the lowest position that is needed after this item
	endErr error // for a source that ends before the data
	err    error // that ended reading, unless it is the end of the data
}

func (e *extents) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	for len(e.left) > 0 && e.left[0].length == 0 {
		e.left = e.left[1:]
	}
	if len(e.left) == 0 {
		return 0, io.EOF
	}
	next := &e.left[0]
	n, err := e.from.readAt(p[:min(int64(len(p)), next.length)], next.at)
	next.at += int64(n)
	if w, ok := e.from.(*window); ok && len(e.left) == 1 {
		w.discard(min(next.at, e.later))
	}
	if next.length != toEnd {
		next.length -= int64(n)
	}
	switch {
	case errors.Is(err, io.EOF) && next.length == toEnd:
		next.length = 0
		return e.Read(p)
	case errors.Is(err, io.EOF):
		err = e.endErr
	}
	e.err = err
	return n, err
}

// idat is the content of an idat box.
type idat []byte

func (h idat) readAt(p []byte, at int64) (int, error) {
	if at >= int64(len(h)) {
		return 0, io.EOF
	}
	return copy(p, h[at:]), nil
}
