package httpserver

import (
	"net/http"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

var pathPrefix = lazyregexp.New(`^(/[A-Za-z0-9._~-]+)+/?$`)

// Prefix returns the path that a proxy has removed from the path of a request, as Traefik, Spring and others report it;
// "" without one. Only the answer to the same request may depend on it, because any client can send it.
func Prefix(r *http.Request) string {
	prefix := r.Header.Get("X-Forwarded-Prefix")
	if !pathPrefix.MatchString(prefix) {
		return ""
	}
	return strings.TrimSuffix(prefix, "/")
}
