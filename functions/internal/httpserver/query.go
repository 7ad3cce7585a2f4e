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
		if slices.Contains(known, name) {
			continue
		}
		expected := "this path has none"
		if len(known) > 0 {
			expected = "this path has " + strings.Join(known, ", ")
		}
		return &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeBadQuery,
			Message: fmt.Sprintf("There is no query parameter %.40q; %s", name, expected),
			Limit:   known,
			Found:   fmt.Sprintf("%.90s", name),
		}
	}
	return nil
}
