package openapi

import (
	"fmt"
	"html"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// The page is written by hand: html/template calls methods by their names, so the linker keeps all methods of all
// types, and the function is half as large again.

var codeSpan = lazyregexp.New("`([^`]+)`")

// prose is a text of the document as HTML: what is between backquotes is code.
func prose(text string) string {
	return codeSpan.ReplaceAllString(html.EscapeString(text), "<code>$1</code>")
}

// A page is HTML that is being written. Its values are escaped.
type page struct{ strings.Builder }

func (p *page) add(format string, values ...string) {
	escaped := make([]any, len(values))
	for i, value := range values {
		escaped[i] = prose(value)
	}
	fmt.Fprintf(p, format, escaped...)
}

func (d description) html() string {
	var p page
	p.add("<h1>API of image-service</h1>\n<p>%s</p>\n", d.Info.Description)
	p.add(`<p class="soft">Version %s. Programs read <a href="openapi.json">openapi.json</a>; `+
		`the <a href="./">page</a> uploads images without any. <a href="%s">%s</a></p>`,
		d.Info.Version, d.ExternalDocs.URL, d.ExternalDocs.Description)
	for _, group := range d.Groups {
		p.add("\n<h2>%s</h2>\n", group.Description)
		for _, o := range group.Operations {
			p.addOperation(o)
		}
	}
	return p.String()
}

func (p *page) addOperation(o operation) {
	p.add(`<details id="%s">`+"\n"+`<summary><b>%s</b> <code>%s</code> <span class="soft">%s</span></summary>`+"\n<div>\n",
		o.OperationID, o.Method, o.Path, o.Summary)
	if o.Description != "" {
		p.add("<p>%s</p>\n", o.Description)
	}
	for _, sample := range o.Samples {
		p.add(`<pre tabindex="0">%s</pre>`+"\n", sample)
	}
	if len(o.Parameters) > 0 {
		p.add(`<table><tr><th scope="col">Parameter<th scope="col">In<th scope="col">Meaning` + "\n")
		for _, parameter := range o.Parameters {
			meaning := parameter.Description
			if parameter.Required {
				meaning += " Required."
			}
			p.add("<tr><td><code>%s</code><td>%s<td>%s\n", parameter.Name, parameter.In, meaning)
		}
		p.add("</table>\n")
	}
	if len(o.Types) > 0 {
		p.add("<p>The body is one of %s.</p>\n", "`"+strings.Join(o.Types, "`, `")+"`")
	}
	p.add(`<table><tr><th scope="col">Answer<th scope="col">Meaning` + "\n")
	for _, answer := range o.Responses {
		p.add("<tr><td><code>%s</code><td>%s\n", answer.Status, answer.Description)
	}
	p.add("</table>\n</div>\n</details>\n")
}
