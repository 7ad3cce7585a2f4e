package auth

import (
	"net/http"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// What scripts of other sites may send and read. Credentials mode is not allowed: the service has no cookies, and a key
// that browsers send by themselves could be used by any site.
var (
	corsMethods = "GET, HEAD, POST, DELETE"
	corsHeaders = []string{
		"Authorization", "X-Api-Key", "Content-Type", "Content-Disposition", "Idempotency-Key",
		"If-None-Match", "If-Modified-Since", "If-Range", "Range", "Traceparent", "Tracestate", "Baggage",
		"Cache-Control", "X-Requested-With",
	}
	corsExposed = strings.Join([]string{
		"Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag", "Location",
		"RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate",
	}, ", ")
)

// corsMaxAge is the time in seconds for which a browser may cache a preflight response.
const corsMaxAge = "600"

// CORS answers preflight requests, allows scripts of the configured origins to read the responses of next, and sends
// Strict-Transport-Security if a trusted proxy received the request over HTTPS.
func (g *Guard) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.settings.proxies > 0 && r.Header.Get("X-Forwarded-Proto") == "https" {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		if g.allowOrigin(w.Header(), r) && isPreflight(r) {
			w.Header().Set("Access-Control-Allow-Methods", corsMethods)
			w.Header().Set("Access-Control-Allow-Headers", allowedHeaders(r))
			w.Header().Set("Access-Control-Max-Age", corsMaxAge)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// headerName is the name of a header (RFC 9110, section 5.1).
var headerName = lazyregexp.New("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

const maxHeaderName = 64

// allowedHeaders returns the headers that a script may send: those of the service, and every other one that it asks
// for, because upload and tracing libraries add headers of their own, and the service ignores what it does not know. A
// script gains nothing by them that other clients do not have.
func allowedHeaders(preflight *http.Request) string {
	allowed := slices.Clone(corsHeaders)
	for _, list := range preflight.Header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			isKnown := slices.ContainsFunc(corsHeaders, func(h string) bool { return strings.EqualFold(h, name) })
			if !isKnown && len(name) <= maxHeaderName && headerName.MatchString(name) {
				allowed = append(allowed, name)
			}
		}
	}
	return strings.Join(allowed, ", ")
}

// allowOrigin sets the headers for the origin of r, and reports whether its scripts may read the response.
func (g *Guard) allowOrigin(response http.Header, r *http.Request) bool {
	if len(g.settings.origins) == 0 {
		return false
	}
	all := slices.Contains(g.settings.origins, "*")
	if !all {
		response.Add("Vary", "Origin") // without an Origin, too, or a cache would serve that response to a site
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case all:
		origin = "*"
	case !slices.Contains(g.settings.origins, origin):
		return false
	}
	response.Set("Access-Control-Allow-Origin", origin)
	response.Set("Access-Control-Expose-Headers", corsExposed)
	return true
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}
