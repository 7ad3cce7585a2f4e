package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"go.yaml.in/yaml/v3"
)

// Limits on a document.
const (
	maxEndpoints = 64 // each has series of metrics
	maxSecrets   = 4  // of an endpoint
	maxURL       = 2048
)

// A list is what a document says.
type list []endpoint

func (l list) find(name string) (endpoint, bool) {
	i := slices.IndexFunc(l, func(e endpoint) bool { return e.name == name })
	if i < 0 {
		return endpoint{}, false
	}
	return l[i], true
}

// An endpoint is where events are posted to. Its URL may have a token in it, and is not shown.
type endpoint struct {
	name    string
	url     string
	signers []signer
	types   []string
}

// namePattern is the form of a name, which is in paths, metrics and logs, and in the name of a Trigger.
var namePattern = lazyregexp.New(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)

const (
	expectedFields = "name, url, secrets or types"
	expectedName   = "1 to 32 of a-z, 0-9 and hyphen, beginning with a letter and not ending with a hyphen"
)

// rules are what settings say about the endpoints of a document.
type rules struct {
	guard guard
	http  bool // whether URLs may be http
}

// parse reads a document. The error has a line for each fault: where it is, what is wrong, and what was expected. It
// quotes nothing but types, because a secret may be anywhere by mistake.
func (r rules) parse(text []byte) (list, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, notYAML(err)
	}
	p := &parser{rules: r, names: map[string]string{}, secrets: map[string]string{}}
	if document.Kind == 0 {
		return nil, errors.New("the document is empty; expected endpoints: and a list")
	}
	found := p.document(document.Content[0])
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return found, nil
}

var lineNumber = lazyregexp.New(`\bline [0-9]+`)

// notYAML keeps the line of an error and nothing else, which may quote the document.
func notYAML(err error) error {
	return fmt.Errorf("it is not YAML: %s cannot be read", cmp.Or(lineNumber.FindString(err.Error()), "the document"))
}

// A parser collects what is wrong with a document. Its maps have the paths of what has to be different.
type parser struct {
	rules
	faults  []error
	names   map[string]string
	secrets map[string]string
}

// fault adds a fault at the line of a node. path is the place in the document, such as "endpoints[0].url".
func (p *parser) fault(node *yaml.Node, path, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("line %d: %s %s", node.Line, path, fmt.Sprintf(format, args...)))
}

func (p *parser) document(node *yaml.Node) (found list) {
	if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
		p.fault(node, "the document", "has no fields; expected endpoints: and a list")
	}
	for name, value := range p.fields(node, "the document") {
		if name != "endpoints" {
			p.fault(value, "the document", "has a field that is not known; expected endpoints")
			continue
		}
		for i, item := range p.items(value, "endpoints", 0, maxEndpoints) {
			found = append(found, p.endpoint(item, fmt.Sprintf("endpoints[%d]", i)))
		}
	}
	return found
}

func (p *parser) endpoint(node *yaml.Node, path string) endpoint {
	e := endpoint{types: types()}
	if node.Kind != yaml.MappingNode {
		p.fault(node, path, "is not a mapping; expected %s", expectedFields)
		return e
	}
	missing := []string{"name", "url", "secrets"}
	for name, value := range p.fields(node, path) {
		missing = slices.DeleteFunc(missing, func(field string) bool { return field == name })
		switch at := path + "." + name; name {
		case "name":
			e.name = p.name(value, at)
		case "url":
			e.url = p.url(value, at)
		case "secrets":
			e.signers = p.signers(value, at)
		case "types":
			e.types = p.types(value, at)
		default:
			p.fault(value, path, "has a field that is not known; expected %s", expectedFields)
		}
	}
	for _, field := range missing {
		p.fault(node, path+"."+field, "is missing; expected %s", map[string]string{
			"name": expectedName, "url": p.expectedURL(), "secrets": "a list of " + expectedForm,
		}[field])
	}
	return e
}

func (p *parser) name(node *yaml.Node, path string) string {
	if node.Tag != "!!str" || !namePattern.MatchString(node.Value) {
		p.fault(node, path, "is not a name; expected %s", expectedName)
		return ""
	}
	p.checkNew(p.names, node, path)
	return node.Value
}

// checkNew reports a value that is elsewhere in the document.
func (p *parser) checkNew(known map[string]string, node *yaml.Node, path string) {
	if before := known[node.Value]; before != "" {
		p.fault(node, path, "is that of %s; expected another one", before)
		return
	}
	known[node.Value] = path
}

func (p *parser) expectedURL() string {
	if p.http {
		return "an https or http URL without user and fragment, of at most 2048 characters"
	}
	return "an https URL without user and fragment, of at most 2048 characters"
}

func (p *parser) url(node *yaml.Node, path string) string {
	u, err := url.Parse(node.Value)
	switch {
	case node.Tag != "!!str", err != nil, len(node.Value) > maxURL, u.User != nil, strings.Contains(node.Value, "#"),
		u.Scheme != "https" && u.Scheme != "http", !config.IsAddress(u.Host):
		p.fault(node, path, "is not an address to post to; expected %s", p.expectedURL())
		return ""
	case u.Scheme == "http" && !p.http:
		p.fault(node, path, "is http, which %s does not allow; expected https", allowHTTP)
		return ""
	}
	// An address in the document is a mistake that can be told now. One that a name resolves to is judged when it is
	// connected to, as are the many ways to write an address that are taken for names here.
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := p.guard.check(address); err != nil {
			p.fault(node, path, "has a %v; expected a public address, or one in %s", err, allowNetworks)
		}
	}
	return node.Value
}

func (p *parser) signers(node *yaml.Node, path string) (signers []signer) {
	for i, item := range p.items(node, path, 1, maxSecrets) {
		at := fmt.Sprintf("%s[%d]", path, i)
		sign, ok := parseSecret(item.Value)
		if !ok || item.Tag != "!!str" {
			p.fault(item, at, "is not a secret; expected %s", expectedForm)
			continue
		}
		// Whoever verifies by a secret can sign by it, also for another endpoint that has it.
		p.checkNew(p.secrets, item, at)
		signers = append(signers, sign)
	}
	return signers
}

func (p *parser) types(node *yaml.Node, path string) (chosen []string) {
	for i, item := range p.items(node, path, 1, len(checks)) {
		switch at := fmt.Sprintf("%s[%d]", path, i); {
		case checks[item.Value] == nil:
			p.fault(item, at, "is not a type that is posted; expected %s", strings.Join(types(), ", "))
		case slices.Contains(chosen, item.Value):
			p.fault(item, at, "is %q again; expected each type once", item.Value)
		default:
			chosen = append(chosen, item.Value)
		}
	}
	return chosen
}

// items returns those of a list.
func (p *parser) items(node *yaml.Node, path string, least, most int) []*yaml.Node {
	if node.Kind != yaml.SequenceNode {
		p.fault(node, path, "is not a list; expected one of %d to %d items", least, most)
		return nil
	}
	if n := len(node.Content); n < least || n > most {
		p.fault(node, path, "has %d items; expected %d to %d", n, least, most)
		return nil
	}
	items := slices.Clone(node.Content)
	for i, item := range items {
		items[i] = resolve(item)
	}
	return items
}

// fields yields those of a mapping, and nothing of another node. Names that occur twice are faults.
func (p *parser) fields(node *yaml.Node, path string) func(yield func(name string, value *yaml.Node) bool) {
	return func(yield func(name string, value *yaml.Node) bool) {
		if node.Kind != yaml.MappingNode {
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			if seen[name] {
				p.fault(node.Content[i], path, "has a field twice; expected it once")
				continue
			}
			seen[name] = true
			if !yield(name, resolve(node.Content[i+1])) {
				return
			}
		}
	}
}

// resolve returns what an alias stands for.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}
