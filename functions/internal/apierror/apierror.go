// Package apierror has the errors that callers see: an HTTP status, a code for programs and a sentence for people,
// written as problem details (RFC 9457). The status also decides the delivery of an event, see eventing.Retryable.
//
// An error that is not an Error never reaches the caller: From replaces it by a generic one. The package does not log.
package apierror

import (
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/eventing"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
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

// A Flaw is what keeps a backend from being used until somebody mends it. GET /ready has its text.
type Flaw string

func (f Flaw) Error() string { return string(f) }

// Write answers r with e as JSON that is never cached. Its content type is application/json, as in the original
// system, unless the Accept header of r asks for application/problem+json.
func (e *Error) Write(w http.ResponseWriter, r *http.Request) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	jsonhttp.Send(w, e.Status, contentTypeFor(r.Header), e.body())
}

// MaxBody is the length in bytes to which an error's body is cut. Knative keeps 1024 bytes of base64 of the body with a
// dead letter, and its dispatcher of in-memory channels ends with a panic at a longer one (eventing 0.50,
// kncloudevents.dispatchExecutionInfoTransformers): any sender of an invalid event could stop all Brokers.
const MaxBody = 768

// body returns the error as a line of JSON. Of one that is too long, Message and Found are cut, or else left out.
func (e *Error) body() []byte {
	text := e.line()
	short := *e
	for limit := MaxBody / 2; len(text) > MaxBody; limit /= 2 {
		short.Message = cut(e.Message, limit)
		if found, ok := e.Found.(string); ok && limit > 0 {
			short.Found = cut(found, limit)
		} else {
			short.Found = nil
		}
		text = short.line()
		if limit == 0 {
			break
		}
	}
	return text
}

func (e *Error) line() []byte { return jsonhttp.Encode(detailsOf(e)) }

// cut returns at most the first limit bytes of a text, in whole characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "..."
}
