// Package jsonhttp answers HTTP requests in JSON.
package jsonhttp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// Write responds with body as JSON that is never cached. It panics if body cannot be encoded.
func Write(w http.ResponseWriter, status int, body any) {
	Send(w, status, "application/json", Encode(body))
}

// Send responds with JSON that is encoded, and never cached.
func Send(w http.ResponseWriter, status int, contentType string, text []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have gone
}

// Encode returns body as a line of JSON. Unlike json.Marshal it leaves <, > and & as they are: the answers are not part
// of an HTML page, and people read them and copy signed URLs from them, which work only to the letter. It panics if
// body cannot be encoded: callers pass types of this program.
func Encode(body any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		panic(err)
	}
	return text.Bytes()
}
