package httpserver

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// headerListener bounds the lines of a header while it arrives. net/http bounds only their bytes, and needs some
// hundred bytes for each line, however short, before the middleware can count them: 64 KiB of tiny lines take 1.3 MB.
type headerListener struct {
	net.Listener
	limits HeaderLimits
}

// Accept returns a *headerConn.
func (l headerListener) Accept() (net.Conn, error) {
	connection, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	boundWriteBuffer(connection)
	c := &headerConn{Conn: connection, limits: l.limits}
	c.inHeader.Store(true)
	return c, nil
}

// A headerConn refuses to read more of a header that has too many lines: if the server asks for more, then all that it
// has read since the end of the last request is header, except for what it has read ahead, which is at most a buffer.
type headerConn struct {
	net.Conn
	limits   HeaderLimits
	lines    int // read of the header; used by the reading goroutine only
	inHeader atomic.Bool
}

// follow is for http.Server.ConnState: a connection is active once a header was read, and idle when its request is
// over.
func follow(connection net.Conn, state http.ConnState) {
	c, ok := connection.(*headerConn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.inHeader.Store(false)
	case http.StateIdle:
		c.lines = 0
		c.inHeader.Store(true)
	}
}

func (c *headerConn) Read(p []byte) (int, error) {
	if !c.inHeader.Load() {
		return c.Conn.Read(p)
	}
	if c.lines > c.limits.Lines {
		c.refuse()
		return 0, io.EOF // net/http adds no answer of its own
	}
	n, err := c.Conn.Read(p)
	c.lines += bytes.Count(p[:n], []byte{'\n'})
	return n, err
}

// refuseTimeout is how long a refused client may take to read the answer, as in net/http.
const refuseTimeout = 500 * time.Millisecond

// refuse answers, and reads on for a moment: a connection that is closed while its client still sends is reset, and the
// answer may be lost.
func (c *headerConn) refuse() {
	answer := &answerBuffer{header: http.Header{"Connection": {"close"}}}
	c.limits.exceeded().Write(answer, &http.Request{})
	if c.SetDeadline(time.Now().Add(refuseTimeout)) != nil || answer.send(c.Conn) != nil {
		return
	}
	if c.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.Conn) // it ends at the deadline at the latest
	}
}

// CloseWrite is for net/http, which uses it as refuse does.
func (c *headerConn) CloseWrite() error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return net.ErrClosed
	}
	return tcp.CloseWrite()
}

// An answerBuffer is an answer to a request that never became one.
type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerBuffer) Header() http.Header         { return a.header }
func (a *answerBuffer) WriteHeader(status int)      { a.status = status }
func (a *answerBuffer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *answerBuffer) send(w io.Writer) error {
	var text bytes.Buffer
	text.WriteString("HTTP/1.1 " + strconv.Itoa(a.status) + " " + http.StatusText(a.status) + "\r\n")
	_ = a.header.Write(&text) // a buffer takes everything
	text.WriteString("\r\n")
	text.Write(a.body.Bytes())
	_, err := w.Write(text.Bytes())
	return err
}
