// Package inflate is raster's room for zlib streams (RFC 1950) of DEFLATE data (RFC 1951), which is how PNG packs its
// pixels. It gives what compress/zlib gives, in less than half of the time, because it looks ahead: it may read more of
// its source than the stream has.
//
// It holds 32 KiB of input and some 100 KiB of output, whatever the stream is.
package inflate

import (
	"encoding/binary"
	"io"
)

// An Error is something that no valid stream has.
type Error string

// Error says what is wrong, as the end of a sentence.
func (e Error) Error() string { return string(e) }

const (
	errHeader   = Error("its pixels are packed in a way that nobody knows")
	errBlock    = Error("a block of its packed pixels is of no known kind")
	errStored   = Error("a block of its packed pixels contradicts itself about its length")
	errCode     = Error("the codes of its packed pixels make no sense")
	errSymbol   = Error("its packed pixels have a code without a meaning")
	errDistance = Error("its packed pixels refer to pixels before the first")
	errChecksum = Error("the check sum of its pixels is wrong")
)

// A Reader unpacks a stream. Reset comes before the first Read.
type Reader struct {
	data     decoder
	started  bool // the header was read
	checksum adler
	read     int   // of data.window, where the bytes begin that were not handed out
	err      error // of the end, once those are handed out
}

// Reset begins a new stream, or gives up the last one if the source is nil.
func (r *Reader) Reset(source io.Reader) {
	r.data.reset(source)
	r.started, r.checksum, r.read, r.err = false, newAdler, 0, nil
}

// Read reads what was packed. At the end of the stream, if its check sum is right, the error is io.EOF. It is an Error
// if the stream is broken, io.ErrUnexpectedEOF if the source ends too early, and otherwise the error of the source.
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
		if r.err == io.EOF {
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

// trailer checks the sum.
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
