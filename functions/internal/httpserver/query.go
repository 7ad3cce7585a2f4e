package httpserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// CheckQuery returns an error if a request has a query parameter that is not known. A parameter that is ignored looks
// to its sender as if it worked.
func CheckQuery(r *http.Request, known ...string) error {
	for name := range r.URL.Query() {
		if !slices.Contains(known, name) {
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
