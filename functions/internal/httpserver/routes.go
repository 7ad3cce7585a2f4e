package httpserver

import (
	"net/http"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// Route adds a path with its methods to mux. Any other method gets 405 and the list of the methods that are allowed, as
// JSON like every error.
func Route(mux *http.ServeMux, path string, methods map[string]http.Handler) {
	var allowed []string
	for method, handler := range methods {
		mux.Handle(method+" "+path, handler)
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	list := strings.Join(allowed, ", ")
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", list)
		notAllowed := apierror.Error{
			Status:  http.StatusMethodNotAllowed,
			Code:    apierror.CodeMethodNotAllowed,
			Message: "Method not allowed; this path allows " + list,
			Limit:   allowed,
			Found:   knownMethod(r.Method),
		}
		notAllowed.Write(w, r)
	})
}

// tidyPath removes empty segments from the path of a request. Clients that append a path to a base URL send //upload or
// /upload/; ServeMux would redirect the first, which ends a preflight request, and not know the second.
func tidyPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tidy := "/" + strings.Join(strings.FieldsFunc(r.URL.Path, isSlash), "/")
		if r.URL.RawPath != "" || !strings.HasPrefix(r.URL.Path, "/") || tidy == r.URL.Path {
			next.ServeHTTP(w, r) // an escaped slash is part of a segment
			return
		}
		changed := *r
		target := *r.URL
		target.Path = tidy
		changed.URL = &target
		defer func() { r.Pattern = changed.Pattern }() // by which the middleware measures
		next.ServeHTTP(w, &changed)
	})
}

func isSlash(r rune) bool { return r == '/' }

// NotFound responds to a path that has no route.
func NotFound(w http.ResponseWriter, r *http.Request) {
	missing := apierror.Error{
		Status:  http.StatusNotFound,
		Code:    apierror.CodeNotFound,
		Message: "There is nothing at this path",
	}
	missing.Write(w, r)
}
