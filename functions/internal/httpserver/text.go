package httpserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// ServeText answers with a text that may change, with an ETag for conditional requests. It ignores ranges, although
// net/http writes Accept-Ranges: the answer to some of them would be an error that is not JSON.
func ServeText(w http.ResponseWriter, r *http.Request, contentType string, text []byte) error {
	sum := sha256.Sum256(text)
	etag := hex.EncodeToString(sum[:8])
	if err := CheckPreconditions(r, etag, time.Time{}); err != nil {
		return err
	}
	r.Header.Del("Range")
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	return nil
}
