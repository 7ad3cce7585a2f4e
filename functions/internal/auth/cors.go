package auth

import (
	"net/http"
	"slices"
	"strings"
)

// What scripts of other sites may send and read. They never send cookies: there are none, and a key that a browser sends
// along by itself would be anybody's.
var (
	corsMethods = "GET, HEAD, POST"
	corsHeaders = "Authorization, X-Api-Key, Content-Type, Content-Disposition, Idempotency-Key, If-None-Match, If-Modified-Since, If-Range, Range, Traceparent, Tracestate"
	corsExposed = strings.Join([]string{
		"Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag", "Location",
		"RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate",
	}, ", ")
)

// For how long, in seconds, a browser need not ask again whether it may.
const corsMaxAge = "600"

// Open tells browsers what next is for: scripts of which sites may read its answers, and that it is to be asked by HTTPS
// from now on if that is how it was asked.
func (g *Guard) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.settings.proxies > 0 && r.Header.Get("X-Forwarded-Proto") == "https" {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		if g.allowOrigin(w.Header(), r) && isPreflight(r) {
			w.Header().Set("Access-Control-Allow-Methods", corsMethods)
			w.Header().Set("Access-Control-Allow-Headers", corsHeaders)
			w.Header().Set("Access-Control-Max-Age", corsMaxAge)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowOrigin tells whether scripts of the site that asks may read the answer.
func (g *Guard) allowOrigin(answer http.Header, r *http.Request) bool {
	if len(g.settings.origins) == 0 {
		return false
	}
	anybody := slices.Contains(g.settings.origins, "*")
	if !anybody {
		answer.Add("Vary", "Origin") // also where there is none, or a cache would give that answer to a site
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case anybody:
		origin = "*"
	case !slices.Contains(g.settings.origins, origin):
		return false
	}
	answer.Set("Access-Control-Allow-Origin", origin)
	answer.Set("Access-Control-Expose-Headers", corsExposed)
	return true
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}
