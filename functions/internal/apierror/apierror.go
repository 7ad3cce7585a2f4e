// Package apierror is what a caller is told when something went wrong: an HTTP status, a code for machines and a
// sentence for people. The status also decides the delivery of an event: Knative gives up at once on 400 and the like
// (dead letter sink) and tries 404, 408, 409, 429 and 5xx again.
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

// A Error is an error whose text its caller may read.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Code    string `json:"code"`
	// Limit and Found are what was allowed and what came, where that helps.
	Limit any `json:"limit,omitempty"`
	Found any `json:"found,omitempty"`
	// RetryAfter tells the caller when to come again; 0 tells nothing. In whole seconds.
	RetryAfter time.Duration `json:"-"`
}

func (e *Error) Error() string { return e.Message }

// Permanent reports whether the same request can never succeed, by the rule that Knative delivers by.
func (e *Error) Permanent() bool { return !eventing.Retryable(e.Status) }

// From decides what an error means to the caller: a Error in it speaks for itself; a bad event is the caller's fault
// for good; everything else is a fault of ours that may pass. What the caller need not know stays out of the answer.
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
			Message:    "The service can not do this at the moment; try again",
			RetryAfter: 5 * time.Second,
		}
	}
}

// Write answers with the problem as JSON.
func (e *Error) Write(w http.ResponseWriter) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())))
	}
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // limits and findings are numbers, strings, and lists of them
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(text, '\n')) // a caller that has gone needs no answer
}
