package apierror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/events"
)

// How an error decides the delivery of an event: see docs/adr/0008-error-decides-delivery.md.
func TestOf(t *testing.T) {
	busy := &Error{Status: http.StatusTooManyRequests, Code: "busy", Message: "Busy", RetryAfter: 3 * time.Second}
	for name, test := range map[string]struct {
		err       error
		status    int
		permanent bool
		retry     string
		body      string
	}{
		"a bad event": {
			fmt.Errorf("decode: %w", fmt.Errorf("%w: no id", events.ErrInvalid)), 400, true, "",
			`{"error":"decode: invalid event: no id","code":"invalid_event"}`,
		},
		"a problem": {fmt.Errorf("wrapped: %w", busy), 429, false, "3", `{"error":"Busy","code":"busy"}`},
		"a limit": {
			&Error{Status: 413, Code: "too_many_bytes", Message: "Too large", Limit: 10, Found: 11}, 413, true, "",
			`{"error":"Too large","code":"too_many_bytes","limit":10,"found":11}`,
		},
		"not there":        {&Error{Status: 404, Code: "x", Message: "X"}, 404, false, "", `{"error":"X","code":"x"}`},
		"the wrong type":   {&Error{Status: 415, Code: "x", Message: "X"}, 415, true, "", `{"error":"X","code":"x"}`},
		"no time":          {&Error{Status: 408, Code: "x", Message: "X"}, 408, false, "", `{"error":"X","code":"x"}`},
		"a conflict":       {&Error{Status: 409, Code: "x", Message: "X"}, 409, false, "", `{"error":"X","code":"x"}`},
		"a backend away":   {errors.New("dial tcp 10.1.2.3:6379: secret"), 503, false, "5", unavailable},
		"a time that ends": {context.DeadlineExceeded, 503, false, "5", unavailable},
		"a caller gone":    {context.Canceled, 503, false, "5", unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			got := From(test.err)
			w := httptest.NewRecorder()
			got.Write(w)
			if w.Code != test.status || got.Permanent() != test.permanent || w.Body.String() != test.body+"\n" || w.Header().Get("Retry-After") != test.retry {
				t.Errorf("answered %d (permanent %v, retry after %q) %s", w.Code, got.Permanent(), w.Header().Get("Retry-After"), w.Body)
			}
		})
	}
}

const unavailable = `{"error":"The service can not do this at the moment; try again","code":"unavailable"}`
