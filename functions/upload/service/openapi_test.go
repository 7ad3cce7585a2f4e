package service

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/upload/openapi"
)

// documented finds the operation of a request in /openapi.json, which it validates.
var documented = sync.OnceValues(func() (routers.Router, error) {
	document, err := openapi3.NewLoader().LoadFromData(openapi.JSON())
	if err != nil {
		return nil, err
	}
	document.Servers = nil // so that every host is one
	return legacy.NewRouter(document)
})

// Bodies of these types are not JSON; that they are text is all that can be checked.
func init() {
	for _, contentType := range []string{
		"image/png", "image/jpeg", "image/gif", "image/webp", "text/html", "text/event-stream",
	} {
		openapi3filter.RegisterBodyDecoder(contentType, openapi3filter.FileBodyDecoder)
	}
}

// checkDocumented fails the test unless /openapi.json describes the answer to a request: every answer in the tests of
// this package.
func checkDocumented(tb testing.TB, request *http.Request, answer response) {
	tb.Helper()
	if unrouted(request, answer) {
		return
	}
	router, err := documented()
	if err != nil {
		tb.Fatal(err)
	}
	asked := request.Clone(context.Background())
	asked.URL.Path = "/" + strings.Join(strings.FieldsFunc(asked.URL.Path, func(r rune) bool { return r == '/' }), "/")
	route, parameters, err := router.FindRoute(asked)
	if err != nil && answer.status == http.StatusNotFound {
		return // an ID with slashes
	}
	if err != nil {
		tb.Fatalf("%s %s is not in /openapi.json: %v", request.Method, request.URL, err)
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: parameters, Route: route},
		Status:                 answer.status,
		Header:                 answer.header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes([]byte(answer.body))
	if err := openapi3filter.ValidateResponse(tb.Context(), input); err != nil {
		tb.Errorf("%s %s: %d %.400s is not what /openapi.json says: %v",
			request.Method, request.URL.Path, answer.status, answer.body, err)
	}
}

// unrouted reports whether an answer is not one of a documented route, but of all: to a wrong path or method, a
// preflight, or a HEAD, which has no body to check.
func unrouted(request *http.Request, answer response) bool {
	wrong := answer.status == http.StatusMethodNotAllowed ||
		answer.status == http.StatusNotFound && strings.Contains(answer.body, `"code":"not_found"`)
	return wrong || request.Method == http.MethodOptions || request.Method == http.MethodHead
}

func TestDocument(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.get("/openapi.json")
	if got.status != http.StatusOK || !strings.Contains(got.body, s.url+"/upload") {
		t.Errorf("answer is %d %.200s, want examples with the address of the server", got.status, got.body)
	}
	again := s.get("/openapi.json", "If-None-Match: "+got.header.Get("ETag"))
	if again.status != http.StatusNotModified {
		t.Errorf("with the ETag the answer is %d, want 304", again.status)
	}
}

// The page for people has every route of the document.
func TestDocumentPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	page := s.get("/api", "X-Forwarded-Prefix: /pictures", "X-Forwarded-Proto: https").body
	for path := range s.get("/openapi.json").json(t)["paths"].(map[string]any) {
		if !strings.Contains(page, "<code>"+path+"</code>") {
			t.Errorf("the page does not have %s", path)
		}
	}
	if strings.Contains(page, "`") {
		t.Error("the page has backquotes, want code")
	}
	for _, want := range []string{
		strings.Replace(s.url, "http://", "https://", 1) + "/pictures/upload",
		`<a href="https://gitlab.com/yourorg/image-service#readme">Documents</a>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}

// The document has the conditions of requests that change something.
func TestConditionsOfDelete(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest(http.MethodDelete, "/images/"+uuid.NewString(), nil)
	router, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	route, _, err := router.FindRoute(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"If-Match", "If-Unmodified-Since"} {
		if route.Operation.Parameters.GetByInAndName("header", header) == nil {
			t.Errorf("it does not have %s", header)
		}
	}
}
