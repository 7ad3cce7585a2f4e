// Package apierror has the errors that callers see: an HTTP status, a code for programs and a sentence for people,
// written as problem details (RFC 9457). The status also decides the delivery of an event, see eventing.Retryable.
//
// An error that is not an Error never reaches the caller: From replaces it by a generic one. The package does not log.
package apierror

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/eventing"
)

// An Error is an error whose text the caller may read.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Code    string `json:"code"`
	// Limit and Found are what was allowed and what was found, where that helps.
	Limit any `json:"limit,omitempty"`
	Found any `json:"found,omitempty"`
	// RetryAfter is sent as the header Retry-After, in whole seconds, unless it is 0.
	RetryAfter time.Duration `json:"-"`
}

func (e *Error) Error() string { return e.Message }

// Permanent reports whether the same request fails again, by the rule that Knative delivers by.
func (e *Error) Permanent() bool { return !eventing.Retryable(e.Status) }

// From returns what the caller learns about err: the Error that it wraps, 400 for an invalid event, and otherwise a 503
// without the cause.
func From(err error) *Error {
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, events.ErrInvalid):
		return &Error{Status: http.StatusBadRequest, Code: CodeInvalidEvent, Message: err.Error()}
	default:
		return &Error{
			Status:     http.StatusServiceUnavailable,
			Code:       CodeUnavailable,
			Message:    "The service is temporarily unavailable; try again",
			RetryAfter: 5 * time.Second,
		}
	}
}

// Write answers r with e as JSON that is never cached. Its content type is application/json, as in the original
// system, unless the Accept header of r asks for application/problem+json.
func (e *Error) Write(w http.ResponseWriter, r *http.Request) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	text, err := json.Marshal(detailsOf(e))
	if err != nil {
		panic(err) // Limit and Found are numbers, strings, and lists of them
	}
	w.Header().Set("Content-Type", contentTypeFor(r.Header))
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(text, '\n')) // the client may have gone
}
