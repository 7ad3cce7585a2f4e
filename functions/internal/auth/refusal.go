package auth

import (
	"fmt"
	"net/http"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// A refusal is the reason why a request was refused, for the metric, and its cause, for the log. The client gets only
// the public error, which is the same for most reasons, so that it does not help to guess credentials.
type refusal struct {
	reason, cause string
	public        *apierror.Error
}

func (r *refusal) Error() string { return r.cause }
func (r *refusal) Unwrap() error { return r.public }

// challenge returns the value of WWW-Authenticate: https://datatracker.ietf.org/doc/html/rfc6750#section-3
func (r *refusal) challenge() string {
	if r.reason == "missing" {
		return `Bearer realm="image-service"`
	}
	return `Bearer realm="image-service", error="invalid_token"`
}

func unauthorized(reason, cause string) *refusal { return &refusal{reason, cause, errUnauthorized} }

var errUnauthorized = &apierror.Error{
	Status:  http.StatusUnauthorized,
	Code:    apierror.CodeUnauthorized,
	Message: "A valid key or token is required, as Authorization: Bearer, or a key as X-Api-Key",
}

// issuerUnavailable refuses a token that cannot be verified, which is not the client's fault.
func issuerUnavailable(cause error) *refusal {
	return &refusal{"unavailable", fmt.Sprintf("%.300s", cause), &apierror.Error{
		Status:     http.StatusServiceUnavailable,
		Code:       apierror.CodeUnavailable,
		Message:    "Tokens cannot be verified at the moment; try again",
		RetryAfter: keysFetchInterval,
	}}
}
