package serve

import (
	"io"
	"net/http"
	"time"
)

// A connection that is closed while its client still sends is reset, and the answer may be lost on the way. So much time
// a client has to notice the answer and stop.
const lingerTime = 2 * time.Second

// linger closes the connection of a request whose body is not read to its end. net/http would wait for the rest of it
// before it answers, for as long as the client likes.
func linger(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close") // until body.Body has read it to the end
		next.ServeHTTP(w, r)
		if w.Header().Get("Connection") == "" {
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
