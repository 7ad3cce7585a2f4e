package httpserver

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// lingerTimeout bounds a lingering close. A connection that is closed while its client still sends is reset, and the
// response may be lost. In this time the client can read the response and stop.
const lingerTimeout = 2 * time.Second

// lingeringClose closes the connection of a request whose body is not read to its end: net/http would read the rest
// before it responds, for as long as the client likes. While the process drains, it has clients close their
// connections: an idle one that the server closes may have the next request under way.
func (p *Process) lingeringClose(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // until body.Body has read it to the end
		}
		response := &connectionWriter{ResponseWriter: w, draining: &p.draining}
		next.ServeHTTP(response, r)
		response.decide()
		if !response.unread {
			return
		}
		timeout := lingerTimeout
		if r.Header.Get("Expect") != "" { // the client waits for 100 Continue and has sent nothing
			timeout = 0
		}
		r.Header, r.URL, r.RequestURI = nil, nil, "" // so that only the connection is held
		connection := http.NewResponseController(w)
		if connection.Flush() == nil && connection.SetReadDeadline(time.Now().Add(timeout)) == nil {
			_, _ = io.Copy(io.Discard, r.Body) // it ends at the deadline at the latest
		}
	})
}

// A connectionWriter decides when the response begins whether its connection is kept for another request.
type connectionWriter struct {
	http.ResponseWriter
	draining *atomic.Bool
	decided  bool
	unread   bool // the body was not read to its end by then
}

func (c *connectionWriter) decide() {
	if c.decided {
		return
	}
	c.decided = true
	c.unread = c.Header().Get("Connection") != ""
	if c.draining.Load() {
		c.Header().Set("Connection", "close")
	}
}

func (c *connectionWriter) WriteHeader(status int) {
	c.decide()
	c.ResponseWriter.WriteHeader(status)
}

func (c *connectionWriter) Write(p []byte) (int, error) {
	c.decide()
	return c.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (c *connectionWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
