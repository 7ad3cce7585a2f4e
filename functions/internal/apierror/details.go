package apierror

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Media types of an error.
const (
	jsonType    = "application/json"
	problemType = "application/problem+json" // https://www.rfc-editor.org/rfc/rfc9457#section-3
)

// typeBase and a code make the type of a problem.
const typeBase = "https://gitlab.com/yourorg/image-service/-/blob/main/docs/reference/errors.md#"

// TypeURI returns the type of the problems with a code, which identifies them as the code does and never changes. It is
// an absolute URI, and the address of their documentation, as RFC 9457, section 3.1.1, recommends: a relative one would
// mean something else at each address of the service.
func TypeURI(code string) string { return typeBase + code }

// details are the members of problem details (https://www.rfc-editor.org/rfc/rfc9457#section-3.1), and those of an
// Error as extension members. Detail repeats the member error, which clients of the original system read.
type details struct {
	*Error
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func detailsOf(e *Error) details {
	d := details{Error: e, Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status, Detail: e.Message}
	if code, declared := Lookup(e.Code); declared {
		d.Type, d.Title = TypeURI(e.Code), code.Title
	}
	return d
}

// contentTypeFor returns application/problem+json for a client that names it in Accept and does not prefer
// application/json. A wildcard does not ask for it: most clients that send one do not know it.
func contentTypeFor(header http.Header) string {
	accept := strings.Join(header.Values("Accept"), ",")
	if problem := quality(accept, problemType); problem > 0 && problem >= quality(accept, jsonType) {
		return problemType
	}
	return jsonType
}

// quality returns the weight that Accept gives to a media type by its full name, 0 if it does not:
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
func quality(accept, mediaType string) float64 {
	for mediaRange := range strings.SplitSeq(accept, ",") {
		named, parameters, err := mime.ParseMediaType(mediaRange)
		if err != nil || named != mediaType {
			continue
		}
		text, weighted := parameters["q"]
		if !weighted {
			return 1
		}
		weight, err := strconv.ParseFloat(text, 64)
		if err != nil || !(weight >= 0 && weight <= 1) { // NaN, too
			return 0
		}
		return weight
	}
	return 0
}
