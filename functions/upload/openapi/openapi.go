// Package openapi describes the routes of upload in OpenAPI 3.1, for programs and, as a page, for people. Every answer
// in the tests of package service is checked against it.
package openapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var source []byte

// document is the JSON of openapi.yaml with what is declared elsewhere. It is made when it is first asked for, so that
// a function starts without it.
var document = sync.OnceValue(func() []byte {
	text, err := load()
	if err != nil {
		panic(err) // the source is part of the program, and a test loads it
	}
	return text
})

func load() ([]byte, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(source, &tree); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	var received map[string]any
	text, err := events.Schema(events.TypeImageReceived)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if err := json.Unmarshal(text, &received); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	delete(received, "$schema") // a schema inside of another document has no name of its own
	delete(received, "$id")
	schemas := tree["components"].(map[string]any)["schemas"].(map[string]any)
	schemas["ImageReceived"] = received
	schemas["Code"].(map[string]any)["enum"] = codes()
	tree["info"].(map[string]any)["version"] = httpserver.Version
	return json.MarshalIndent(tree, "", " ")
}

func codes() (codes []string) {
	for _, code := range apierror.Codes() {
		codes = append(codes, code.Code)
	}
	return codes
}

// JSON returns the document. Its examples have {base} where the address of the service belongs.
func JSON() []byte { return document() }

// Document is GET /openapi.json. Its examples have the address that the client has used.
func Document(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	base, err := json.Marshal(baseOf(r))
	if err != nil {
		return fmt.Errorf("write %q: %w", r.Host, err)
	}
	w.Header().Set("Vary", variesBy)
	return serve(w, r, "application/json", bytes.ReplaceAll(document(), []byte("{base}"), base[1:len(base)-1]))
}

// variesBy are the headers that baseOf reads.
const variesBy = "Host, X-Forwarded-Proto, X-Forwarded-Prefix"

// serve answers with a text that changes only with the program. Programs of other origins may read it.
func serve(w http.ResponseWriter, r *http.Request, contentType string, text []byte) error {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return httpserver.ServeText(w, r, contentType, text)
}
