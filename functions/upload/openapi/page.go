package openapi

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

//go:embed page.html
var pageSource string

// pagePolicy allows the page's own style, and nothing else.
var pagePolicy = sync.OnceValue(func() string {
	return fmt.Sprintf(
		"default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
		hash(regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(pageSource)[1]))
})

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Page is GET /api: the document for people. Its examples have the address that the client has used.
func Page(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	text := strings.Replace(pageSource, "{{body}}", described(baseOf(r)).html(), 1)
	w.Header().Set("Content-Security-Policy", pagePolicy())
	w.Header().Set("Vary", variesBy)
	return serve(w, r, "text/html; charset=utf-8", []byte(text))
}

// baseOf returns the URL that the routes are below, as the client sees it.
func baseOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + httpserver.Prefix(r)
}

// A description is the document as the page shows it.
type description struct {
	Info         struct{ Description, Version string }
	ExternalDocs struct{ Description, URL string }
	Groups       []group
}

// A group is the operations with one tag.
type group struct {
	Description string
	Operations  []operation
}

type operation struct {
	Method, Path string
	OperationID  string
	Tags         []string
	Summary      string
	Description  string
	Parameters   []parameter
	RequestBody  struct{ Content map[string]any }
	Samples      []string
	Types        []string
	Responses    []response
}

type parameter struct {
	Ref         string `json:"$ref"`
	Name, In    string
	Description string
	Required    bool
}

type response struct {
	Ref         string `json:"$ref"`
	Status      string
	Description string
}

// A declared operation is one as the document has it.
type declared struct {
	operation
	Responses map[string]response
	Samples   []struct{ Source string } `json:"x-codeSamples"`
}

// components are what operations refer to.
type components struct {
	Parameters map[string]parameter
	Responses  map[string]response
}

// described reads the document for the page. base takes the place of {base} in examples.
func described(base string) description {
	var tree struct {
		description
		Tags       []struct{ Name, Description string }
		Paths      map[string]map[string]declared
		Components components
	}
	if err := json.Unmarshal(document(), &tree); err != nil {
		panic(err) // it is of this package
	}
	byTag := map[string][]operation{}
	for path, methods := range tree.Paths {
		for method, one := range methods {
			o := one.resolve(tree.Components, base)
			o.Method, o.Path = strings.ToUpper(method), path
			byTag[o.Tags[0]] = append(byTag[o.Tags[0]], o)
		}
	}
	d := tree.description
	for _, tag := range tree.Tags {
		operations := byTag[tag.Name]
		slices.SortFunc(operations, func(a, b operation) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
		})
		d.Groups = append(d.Groups, group{tag.Description, operations})
	}
	return d
}

// resolve returns the operation with what it refers to.
func (d declared) resolve(shared components, base string) operation {
	o := d.operation
	for i, p := range o.Parameters {
		if name, found := strings.CutPrefix(p.Ref, "#/components/parameters/"); found {
			o.Parameters[i] = shared.Parameters[name]
		}
	}
	for status, answer := range d.Responses {
		if name, found := strings.CutPrefix(answer.Ref, "#/components/responses/"); found {
			answer = shared.Responses[name]
		}
		answer.Status = status
		o.Responses = append(o.Responses, answer)
	}
	slices.SortFunc(o.Responses, func(a, b response) int { return cmp.Compare(a.Status, b.Status) })
	o.Types = slices.Sorted(maps.Keys(o.RequestBody.Content))
	for _, sample := range d.Samples {
		o.Samples = append(o.Samples, strings.ReplaceAll(strings.TrimSpace(sample.Source), "{base}", base))
	}
	return o
}
