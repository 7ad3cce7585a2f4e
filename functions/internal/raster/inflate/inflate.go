// Package inflate decompresses zlib streams (RFC 1950) of DEFLATE data (RFC 1951), in which PNG stores its pixels. It
// returns what compress/zlib returns in less than half of the time, because it looks ahead: it may read more of its
// source than the stream has. It does not support preset dictionaries.
//
// It holds 32 KiB of input and some 100 KiB of output, whatever the stream is.
package inflate

import (
	"encoding/binary"
	"errors"
	"io"
)

// An Error describes what is invalid in a stream.
type Error string

// Error completes the sentence "The PNG is damaged: ...".
func (e Error) Error() string { return string(e) }

const (
	errHeader   = Error("its compressed pixels have an invalid zlib header")
	errBlock    = Error("a block of its compressed pixels is of an unknown type")
	errStored   = Error("a stored block of its compressed pixels has an inconsistent length")
	errCode     = Error("its compressed pixels have an invalid set of code lengths")
	errSymbol   = Error("its compressed pixels have an invalid code")
	errDistance = Error("its compressed pixels have a distance beyond their start")
	errChecksum = Error("the checksum of its pixels is wrong")
)

// A Reader decompresses a stream. Reset has to be called before the first Read.
type Reader struct {
	data     decoder
	started  bool // the header was read
	checksum adler
	read     int   // start in data.window of the bytes that were not returned yet
	err      error // returned after those
}

// Reset begins a new stream, or releases the last one if the source is nil.
func (r *Reader) Reset(source io.Reader) {
	r.data.reset(source)
	r.started, r.checksum, r.read, r.err = false, newAdler, 0, nil
}

// Read implements io.Reader. The error is io.EOF at the end of a stream whose checksum is right, an Error if the stream
// is broken, io.ErrUnexpectedEOF if the source ends too early, and otherwise that of the source.
func (r *Reader) Read(p []byte) (int, error) {
	if !r.started {
		r.started, r.err = true, r.readHeader()
	}
	for r.read == r.data.written {
		if r.err != nil {
			return 0, r.err
		}
		r.read = r.data.slide()
		r.err = r.data.decode()
		r.checksum.add(r.data.window[r.read:r.data.written])
		if errors.Is(r.err, io.EOF) {
			r.err = r.readTrailer()
		}
	}
	n := copy(p, r.data.window[r.read:r.data.written])
	r.read += n
	return n, nil
}

func (r *Reader) readHeader() error {
	var b [2]byte
	if err := r.data.in.readBytes(b[:]); err != nil {
		return err
	}
	const deflate, maxWindow, dictionary = 8, 7, 0x20
	method, window := b[0]&15, b[0]>>4
	if method != deflate || window > maxWindow || binary.BigEndian.Uint16(b[:])%31 != 0 || b[1]&dictionary != 0 {
		return errHeader
	}
	return nil
}

// readTrailer verifies the checksum.
func (r *Reader) readTrailer() error {
	var b [4]byte
	if err := r.data.in.readBytes(b[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(b[:]) != r.checksum.value() {
		return errChecksum
	}
	return io.EOF
}
