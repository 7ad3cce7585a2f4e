package httpserver

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// CheckQuery returns an error if a request has a query parameter that is not known, or that url.Values leaves out
// because it is malformed. A parameter that is ignored looks to its sender as if it worked.
func CheckQuery(r *http.Request, known ...string) error {
	if err := CheckParameters(r, known...); err != nil {
		return err
	}
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeBadQuery,
			Message: "The query is malformed; write % as %25, and ; as %3B",
			Found:   fmt.Sprintf("%.90s", r.URL.RawQuery),
		}
	}
	return nil
}

// CheckParameters is CheckQuery for a path that reads the values of its parameters itself.
func CheckParameters(r *http.Request, known ...string) error {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		escaped, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(escaped)
		if err != nil {
			name = escaped
		}
		if pair != "" && !slices.Contains(known, name) {
			return unknownParameter(name, known)
		}
	}
	return nil
}

func unknownParameter(name string, known []string) error {
	unknown := &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeBadQuery,
		Message: fmt.Sprintf("There is no query parameter %.40q; this path has none", name),
		Found:   fmt.Sprintf("%.90s", name),
	}
	if len(known) > 0 {
		unknown.Message = fmt.Sprintf("There is no query parameter %.40q; this path has %s", name, strings.Join(known, ", "))
		unknown.Limit = known
	}
	return unknown
}
