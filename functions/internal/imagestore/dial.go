package imagestore

import (
	"context"
	"io"
	"net"
	"sync"
)

// sendSize is how much of a body is read and sent at a time. net/http would take new memory for each body, and 32 KiB,
// so that a body that is streamed took four times as many system calls to read.
const sendSize = 128 << 10

var sendBuffers = sync.Pool{New: func() any { return new([sendSize]byte) }}

// dial is the DialContext of a connection to the store.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// sending is dial for a sendConn.
func (d dial) sending(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return sendConn{conn}, nil
}

// A sendConn sends bodies in pieces of sendSize.
type sendConn struct{ net.Conn }

// ReadFrom sends a body. net/http calls it if a connection has it.
func (c sendConn) ReadFrom(body io.Reader) (int64, error) {
	buffer := sendBuffers.Get().(*[sendSize]byte)
	defer sendBuffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, body, buffer[:]) // a TCPConn has a ReadFrom, too
}
