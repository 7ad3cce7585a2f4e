package apierror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/events"
)

// How an error decides the delivery of an event: see docs/adr/0008-error-decides-delivery.md.
func TestFrom(t *testing.T) {
	const unavailable = "The service is temporarily unavailable; try again"
	busy := &Error{Status: http.StatusTooManyRequests, Code: CodeBusy, Message: "Busy", RetryAfter: 3 * time.Second}
	for name, test := range map[string]struct {
		err       error
		status    int
		permanent bool
		retry     string
		code      string
		message   string
	}{
		"invalid event": {
			fmt.Errorf("decode: %w", fmt.Errorf("%w: no id", events.ErrInvalid)),
			400, true, "", "invalid_event", "decode: invalid event: no id",
		},
		"wrapped":         {fmt.Errorf("wrapped: %w", busy), 429, false, "3", "busy", "Busy"},
		"not found":       {&Error{Status: 404, Code: "x", Message: "X"}, 404, false, "", "x", "X"},
		"wrong type":      {&Error{Status: 415, Code: "x", Message: "X"}, 415, true, "", "x", "X"},
		"request timeout": {&Error{Status: 408, Code: "x", Message: "X"}, 408, false, "", "x", "X"},
		"conflict":        {&Error{Status: 409, Code: "x", Message: "X"}, 409, false, "", "x", "X"},
		"server down":     {errors.New("dial tcp 10.1.2.3:6379: secret"), 503, false, "5", "unavailable", unavailable},
		"deadline":        {context.DeadlineExceeded, 503, false, "5", "unavailable", unavailable},
		"client gone":     {context.Canceled, 503, false, "5", "unavailable", unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			e := From(test.err)
			w := httptest.NewRecorder()
			e.Write(w, httptest.NewRequest(http.MethodPost, "/", nil))
			if w.Code != test.status || e.Permanent() != test.permanent {
				t.Errorf("got %d, permanent %t; want %d, permanent %t", w.Code, e.Permanent(), test.status, test.permanent)
			}
			if got := w.Header().Get("Retry-After"); got != test.retry {
				t.Errorf("got Retry-After %q, want %q", got, test.retry)
			}
			if e.Code != test.code || e.Message != test.message {
				t.Errorf("got %q %q, want %q %q", e.Code, e.Message, test.code, test.message)
			}
		})
	}
}

// The original system's error and the code come first, and what RFC 9457 adds after them.
func TestWrite(t *testing.T) {
	for name, test := range map[string]struct {
		err  *Error
		want string
	}{
		"declared code": {
			&Error{Status: 404, Code: CodeStatusNotFound, Message: "Status not found"},
			`{"error":"Status not found","code":"status_not_found",` +
				`"type":"` + TypeURI(CodeStatusNotFound) + `","title":"Status not found","status":404,"detail":"Status not found"}`,
		},
		"limit": {
			&Error{Status: 413, Code: CodeTooManyBytes, Message: "Too large: 11 bytes", Limit: 10, Found: 11},
			`{"error":"Too large: 11 bytes","code":"too_many_bytes","limit":10,"found":11,` +
				`"type":"` + TypeURI(CodeTooManyBytes) + `","title":"Image or request too large",` +
				`"status":413,"detail":"Too large: 11 bytes"}`,
		},
		"HTML": {
			&Error{Status: 409, Code: "x", Message: "GET /images/<id>?a&b"},
			`{"error":"GET /images/<id>?a&b","code":"x","type":"about:blank","title":"Conflict","status":409,` +
				`"detail":"GET /images/<id>?a&b"}`,
		},
		"undeclared code": {
			&Error{Status: 409, Code: "x", Message: "X"},
			`{"error":"X","code":"x","type":"about:blank","title":"Conflict","status":409,"detail":"X"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			test.err.Write(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if got := w.Body.String(); got != test.want+"\n" {
				t.Errorf("got  %swant %s", got, test.want)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("got Cache-Control %q, want no-store", got)
			}
		})
	}
}

// Whatever a caller sent, a body is short enough for Knative, and still JSON with its code.
func TestLongErrors(t *testing.T) {
	for name, e := range map[string]Error{
		"message":            {Message: strings.Repeat("a name ", 200)},
		"found":              {Message: "short", Found: strings.Repeat("ä", 1024)},
		"both, escaped":      {Message: strings.Repeat("<", 1000), Found: strings.Repeat("<", 1000)},
		"invalid UTF-8":      {Message: strings.Repeat("\xff", 1000)},
		"one that just fits": {Message: strings.Repeat("x", 200)},
		"a long list":        {Message: "short", Found: slices.Repeat([]string{"a value"}, 200)},
	} {
		t.Run(name, func(t *testing.T) {
			e.Status, e.Code = http.StatusBadRequest, CodeInvalidEvent
			answer := httptest.NewRecorder()
			e.Write(answer, httptest.NewRequest(http.MethodPost, "/", nil))
			if got := answer.Body.Len(); got > MaxBody {
				t.Errorf("the body has %d bytes, want at most %d", got, MaxBody)
			}
			var read struct{ Code, Error, Detail string }
			if err := json.Unmarshal(answer.Body.Bytes(), &read); err != nil || read.Code != e.Code || read.Error == "" {
				t.Errorf("got %s, %v, want JSON with code and error", answer.Body, err)
			}
		})
	}
}

// In the answer for several images an Error has only the members of the original contract.
func TestErrorInList(t *testing.T) {
	text, err := json.Marshal(&Error{Status: 413, Code: CodeTooManyBytes, Message: "Too large", Limit: 10, Found: 11})
	if want := `{"error":"Too large","code":"too_many_bytes","limit":10,"found":11}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
}

func TestContentType(t *testing.T) {
	for name, test := range map[string]struct {
		accept []string
		want   string
	}{
		"none":                  {nil, jsonType},
		"anything":              {[]string{"*/*"}, jsonType},
		"any application":       {[]string{"application/*"}, jsonType},
		"JSON":                  {[]string{"application/json"}, jsonType},
		"browser":               {[]string{"text/html,application/xhtml+xml,*/*;q=0.8"}, jsonType},
		"problem":               {[]string{"application/problem+json"}, problemType},
		"problem in capitals":   {[]string{"Application/Problem+JSON"}, problemType},
		"both":                  {[]string{"application/json, application/problem+json"}, problemType},
		"both in two headers":   {[]string{"application/json", "application/problem+json"}, problemType},
		"JSON preferred":        {[]string{"application/problem+json;q=0.5, application/json"}, jsonType},
		"problem preferred":     {[]string{"application/json; q=0.5, application/problem+json; q=0.9"}, problemType},
		"problem excluded":      {[]string{"*/*, application/problem+json;q=0"}, jsonType},
		"problem with charset":  {[]string{"application/problem+json; charset=utf-8"}, problemType},
		"weight not a number":   {[]string{"application/problem+json;q=NaN"}, jsonType},
		"weight out of range":   {[]string{"application/problem+json;q=7"}, jsonType},
		"malformed":             {[]string{";;;,application/problem+json;q"}, jsonType},
		"malformed beside good": {[]string{"text/;, application/problem+json"}, problemType},
		"XML":                   {[]string{"application/problem+xml"}, jsonType},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Accept"] = test.accept
			w := httptest.NewRecorder()
			(&Error{Status: 404, Code: CodeNotFound, Message: "Not found"}).Write(w, r)
			if got := w.Header().Get("Content-Type"); got != test.want {
				t.Errorf("Accept: %q: got %s, want %s", test.accept, got, test.want)
			}
			var body map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || !reflect.DeepEqual(body["status"], 404.0) {
				t.Errorf("got %s, %v; want the same members for every type", w.Body, err)
			}
		})
	}
}

// The type of a problem leads to its row in the reference.
func TestTypeURI(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range Codes() {
		t.Run(code.Code, func(t *testing.T) {
			uri := TypeURI(code.Code)
			_, anchor, _ := strings.Cut(uri, "docs/reference/errors.md#")
			if got := strings.Count(string(page), `<a id="`+anchor+`"></a>`); anchor != code.Code || got != 1 {
				t.Errorf("the page has %d anchors for %s, want 1", got, uri)
			}
		})
	}
}
