package httpserver

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// A connection that is closed while its client still sends is reset, and the answer may be lost on the way. So much time
// a client has to notice the answer and stop.
const lingerTime = 2 * time.Second

// linger closes the connection of a request whose body is not read to its end: net/http would wait for the rest of it
// before it answers, for as long as the client likes. When the process ends, it has all connections closed by those who
// use them: one that is idle when the server closes it may have the next request on its way.
func (p *Process) linger(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close") // until body.Body has read it to the end
		}
		answer := &lastWord{ResponseWriter: w, ending: &p.ending}
		next.ServeHTTP(answer, r)
		answer.decide()
		if !answer.unread {
			return
		}
		wait := lingerTime
		if r.Header.Get("Expect") != "" { // who asks first whether to send has sent nothing
			wait = 0
		}
		connection := http.NewResponseController(w)
		if connection.Flush() == nil && connection.SetReadDeadline(time.Now().Add(wait)) == nil {
			_, _ = io.Copy(io.Discard, r.Body) // how it ends makes no difference
		}
	})
}

// lastWord decides, when an answer begins, whether its connection is good for another request.
type lastWord struct {
	http.ResponseWriter
	ending  *atomic.Bool
	decided bool
	unread  bool // the body was not read to its end by then
}

func (l *lastWord) decide() {
	if l.decided {
		return
	}
	l.decided = true
	l.unread = l.Header().Get("Connection") != ""
	if l.ending.Load() {
		l.Header().Set("Connection", "close")
	}
}

func (l *lastWord) WriteHeader(status int) {
	l.decide()
	l.ResponseWriter.WriteHeader(status)
}

func (l *lastWord) Write(p []byte) (int, error) {
	l.decide()
	return l.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (l *lastWord) Unwrap() http.ResponseWriter { return l.ResponseWriter }
