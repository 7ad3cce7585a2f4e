package httpserver

import (
	"net/http"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// CheckPreconditions returns an error if a request has an If-Match, or without one an If-Unmodified-Since, that an
// object does not meet (RFC 9110, section 13.2.2). An empty If-Match matches nothing: its sender has lost the ETag.
func CheckPreconditions(r *http.Request, etag string, modified time.Time) error {
	if tags, given := r.Header["If-Match"]; given {
		return checkMatch(strings.Join(tags, ","), `"`+etag+`"`)
	}
	since := r.Header.Get("If-Unmodified-Since")
	latest, err := http.ParseTime(since)
	isDate := err == nil // anything else is ignored (section 13.1.4)
	if !isDate || !modified.Truncate(time.Second).After(latest) {
		return nil
	}
	return notMatched("The resource was modified after If-Unmodified-Since; get it again, and decide again",
		modified.UTC().Format(http.TimeFormat), since)
}

// checkMatch compares as RFC 9110, section 13.1.1, has it: a weak ETag never matches.
func checkMatch(tags, own string) error {
	for tag := range strings.SplitSeq(tags, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == own {
			return nil
		}
	}
	return notMatched("The ETag does not match If-Match; get it again, and decide again", own, tags)
}

func notMatched(message, own, wanted string) error {
	return &apierror.Error{
		Status:  http.StatusPreconditionFailed,
		Code:    apierror.CodeNotMatched,
		Message: message,
		Limit:   own,
		Found:   wanted,
	}
}
