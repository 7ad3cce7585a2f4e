package heif

import (
	"io"
	"math"
)

// A window is the part of the file that is held: from the first byte that is still needed to the last one that was
// read. Items may be anywhere in the file; those that come in its order cost no more than the largest of them.
type window struct {
	r      io.Reader
	chunks [][]byte // of chunkSize bytes, but for the last one
	first  int64    // the position in the file of the first chunk
	end    int64    // how many bytes of the file were read
	fault  error    // that of r
	spare  []byte   // a chunk that was given up

	served int64 // bytes that were read from the window
}

const chunkSize = 64 << 10

// Items may share their bytes, but a file must not be made much larger than it is by that.
const (
	maxShares = 2
	freeShare = 1 << 20
)

// fill reads on, n bytes at most, and holds what it reads.
func (w *window) fill(n int64) error {
	if w.fault != nil {
		return w.fault
	}
	last := len(w.chunks) - 1
	if last < 0 || len(w.chunks[last]) == chunkSize {
		if last < 0 {
			w.first = w.end
		}
		w.chunks = append(w.chunks, w.take())
		last++
	}
	chunk := w.chunks[last]
	free := chunk[len(chunk):chunkSize]
	read, err := w.r.Read(free[:min(n, int64(len(free)))])
	w.chunks[last] = chunk[:len(chunk)+read]
	w.end += int64(read)
	w.fault = err
	if read > 0 {
		return nil
	}
	return err
}

// take returns an empty chunk.
func (w *window) take() []byte {
	chunk := w.spare
	if w.spare = nil; chunk == nil {
		chunk = make([]byte, 0, chunkSize)
	}
	return chunk
}

// readAt reads some bytes at a position. The error is io.EOF at the end of the file.
func (w *window) readAt(p []byte, at int64) (int, error) {
	for w.end <= at {
		if err := w.fill(at - w.end + int64(len(p))); err != nil {
			return 0, err
		}
	}
	if at < w.first || len(w.chunks) == 0 {
		return 0, damaged("an item's data at byte %d is no longer held", at)
	}
	offset := at - w.first
	n := copy(p, w.chunks[offset/chunkSize][offset%chunkSize:])
	w.served += int64(n)
	if w.served > maxShares*w.end+freeShare {
		return n, damaged("its items share their data, so that they are more than %d times as large as the file", maxShares)
	}
	return n, nil
}

// pass reads on to a position, holding what it reads.
func (w *window) pass(to int64) error {
	for w.end < to {
		if err := w.fill(to - w.end); err != nil {
			return err
		}
	}
	return nil
}

// forget gives up what is in front of a position, which may not have been read yet.
func (w *window) forget(before int64) {
	for len(w.chunks) > 0 && w.first+int64(len(w.chunks[0])) <= before {
		w.first += int64(len(w.chunks[0]))
		w.spare = w.chunks[0][:0]
		w.chunks = w.chunks[1:]
	}
}

// skip reads on to a position, holding nothing of it.
func (w *window) skip(to int64) error {
	for w.end < to {
		w.forget(w.end)
		if err := w.fill(to - w.end); err != nil {
			return err
		}
	}
	w.forget(to)
	return nil
}

// toEnd is the length of an extent that goes to the end of the file.
const toEnd = math.MaxInt64

// An extent is a part of an item's data.
type extent struct{ at, length int64 }

// extents reads the data of an item.
type extents struct {
	from interface {
		readAt(p []byte, at int64) (int, error)
	}
	left  []extent
	later int64 // the position from which on other data is needed afterwards
	short error // if from ends before the data
	fault error // why reading ended, if it was not the end of the data
}

func (e *extents) Read(p []byte) (int, error) {
	if e.fault != nil {
		return 0, e.fault
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
		w.forget(min(next.at, e.later))
	}
	if next.length != toEnd {
		next.length -= int64(n)
	}
	switch {
	case err == io.EOF && next.length == toEnd:
		next.length = 0
		return e.Read(p)
	case err == io.EOF:
		err = e.short
	}
	e.fault = err
	return n, err
}

// held is data that is in memory as a whole: that of an idat box.
type held []byte

func (h held) readAt(p []byte, at int64) (int, error) {
	if at >= int64(len(h)) {
		return 0, io.EOF
	}
	return copy(p, h[at:]), nil
}
