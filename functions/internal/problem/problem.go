// Package problem is what a caller is told when something went wrong: an HTTP status, a code for machines and a
// sentence for people. The status also decides the delivery of an event: Knative gives up at once on 400 and the like
// (dead letter sink) and tries 404, 408, 409, 429 and 5xx again.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gitlab.com/yourorg/image-service/events"
)

// A Problem is an error whose text its caller may read.
type Problem struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Code    string `json:"code"`
	// Limit and Found are what was allowed and what came, where that helps.
	Limit any `json:"limit,omitempty"`
	Found any `json:"found,omitempty"`
	// RetryAfter tells the caller when to come again; 0 tells nothing. In whole seconds.
	RetryAfter time.Duration `json:"-"`
}

func (p *Problem) Error() string { return p.Message }

// Permanent tells whether the same request can never succeed, by the rule that Knative delivers by
// (https://knative.dev/docs/eventing/event-delivery/).
func (p *Problem) Permanent() bool {
	switch p.Status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	}
	return p.Status < 500
}

// Of decides what an error means to the caller: a Problem in it speaks for itself; a bad event is the caller's fault
// for good; everything else is a fault of ours that may pass. What the caller need not know stays out of the answer.
func Of(err error) *Problem {
	var known *Problem
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, events.ErrInvalid):
		return &Problem{Status: http.StatusBadRequest, Code: "invalid_event", Message: err.Error()}
	default:
		return &Problem{
			Status:     http.StatusServiceUnavailable,
			Code:       "unavailable",
			Message:    "The service can not do this at the moment; try again",
			RetryAfter: 5 * time.Second,
		}
	}
}

// Write answers with the problem as JSON.
func (p *Problem) Write(w http.ResponseWriter) {
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // limits and findings are numbers, strings, and lists of them
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) // a caller that has gone needs no answer
}
