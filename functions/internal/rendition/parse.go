package rendition

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"go.yaml.in/yaml/v3"
)

// namePattern is the form of a rendition's name, which is part of keys and URLs.
var namePattern = lazyregexp.New(`^[a-z][a-z0-9-]{0,31}$`)

const expectedName = "1 to 32 of a-z, 0-9 and hyphen, beginning with a letter"

// thumbHash is the only kind of placeholder.
const thumbHash = "thumbhash"

// Parse reads a document. The error has a line for each fault: where it is, what was found, and what was expected.
func Parse(text []byte) (*Set, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	p := &parser{}
	set := p.set(&document)
	if len(p.faults) > 0 {
		return nil, errors.Join(p.faults...)
	}
	return set, nil
}

// A parser collects what is wrong with a document.
type parser struct{ faults []error }

// fault adds a fault at the line of a node. path is the place in the document, such as "renditions.card.width".
func (p *parser) fault(node *yaml.Node, path, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("line %d: %s %s", node.Line, path, fmt.Sprintf(format, args...)))
}

func (p *parser) set(document *yaml.Node) *Set {
	set := Default()
	if document.Kind == 0 { // it is empty
		return set
	}
	for key, value := range p.entries(document.Content[0], "the document") {
		switch key.Value {
		case "renditions":
			p.renditions(set, value)
		case "placeholder":
			set.Placeholder = value.Value == thumbHash
			if value.Value != thumbHash && value.Value != "none" {
				p.fault(value, "placeholder", "is %s; expected %s or none", quote(value), thumbHash)
			}
		case "color":
			on, ok := boolean{}.read(value)
			set.Color = on.(bool)
			if !ok {
				p.fault(value, "color", "is %s; expected %s", quote(value), boolean{}.expected())
			}
		default:
			p.fault(key, quote(key), "is not known; expected renditions, placeholder or color")
		}
	}
	return set
}

func (p *parser) renditions(set *Set, node *yaml.Node) {
	all := p.entries(node, "renditions")
	for key, value := range all {
		path := "renditions." + key.Value
		if !namePattern.MatchString(key.Value) {
			p.fault(key, "renditions", "has the name %s; expected %s", quote(key), expectedName)
			continue
		}
		spec := p.spec(key, value, path)
		if known := set.Find(spec.Name); known != nil {
			*known = spec
		} else {
			set.Renditions = append(set.Renditions, spec)
		}
	}
	if n := len(set.Renditions); n > maxRenditions {
		p.fault(node, "renditions", "has %d with the thumbnail; expected at most %d", n, maxRenditions)
	}
}

// spec reads one rendition. Faults between fields are looked for only if there are none in them.
func (p *parser) spec(key, node *yaml.Node, path string) Spec {
	before := len(p.faults)
	values, lines := map[string]any{}, map[string]*yaml.Node{}
	for name, value := range p.entries(node, path) {
		f := findField(name.Value)
		if f == nil {
			p.fault(name, path+"."+name.Value, "is not known; expected %s", enumerate(fieldNames()))
			continue
		}
		read, ok := f.kind.read(value)
		if !ok {
			p.fault(value, path+"."+f.name, "is %s; expected %s", quote(value), f.kind.expected())
			continue
		}
		values[f.name], lines[f.name] = read, name
	}
	spec := newSpec(key.Value, values)
	if len(p.faults) == before {
		p.checkFields(spec, key, lines, path)
	}
	return spec
}

// checkFields checks what fields need of each other.
func (p *parser) checkFields(s Spec, key *yaml.Node, lines map[string]*yaml.Node, path string) {
	needs := func(name string, ok bool, expected string) {
		if at := lines[name]; at != nil && !ok {
			p.fault(at, path+"."+name, "has no effect; expected %s", expected)
		}
	}
	isBox := s.width > 0 && s.height > 0
	switch {
	case s.width == 0 && s.height == 0:
		p.fault(key, path, "has no size; expected width, height or both")
	case s.fit != raster.FitInside && !isBox:
		p.fault(lines["fit"], path+".fit", "is %q with one side only; expected width and height", s.fit)
	case s.enlarge && !isBox:
		p.fault(lines["enlarge"], path+".enlarge", "is true with one side only; expected width and height")
	}
	isCropped, isPadded := s.fit == raster.FitCover, s.fit == raster.FitContain
	needs("gravity", isCropped || isPadded, "fit: cover or fit: contain beside it")
	if s.gravity == raster.GravitySmart && isPadded {
		needs("gravity", false, "another gravity than smart with fit: contain")
	}
	needs("background", isPadded, "fit: contain beside it")
	needs("quality", slices.ContainsFunc(s.Formats, hasQuality), "a format of original, jpeg or webp beside it")
	needs("animated", slices.ContainsFunc(s.Formats, isAnimated), "a format of original, gif or webp beside it")
	needs("max_frames", s.animated, "animated: true beside it")
	for _, name := range []string{"watermark_gravity", "watermark_opacity", "watermark_width"} {
		needs(name, s.Watermark.Object != "", "watermark beside it")
	}
	if s.Name == Thumbnail && len(s.Formats) > 1 {
		p.fault(lines["format"], path+".format", "is a list; expected one format, because the thumbnail has one key")
	}
}

// entries returns the pairs of a mapping. Names that occur twice are faults.
func (p *parser) entries(node *yaml.Node, path string) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if node.Tag == "!!null" {
			return
		}
		if node.Kind != yaml.MappingNode {
			p.fault(node, path, "is %s; expected a mapping", quote(node))
			return
		}
		seen := map[string]bool{}
		for i := 0; i < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			if value.Kind == yaml.AliasNode {
				value = value.Alias
			}
			if seen[key.Value] {
				p.fault(key, path, "has %s twice; expected it once", quote(key))
				continue
			}
			seen[key.Value] = true
			if !yield(key, value) {
				return
			}
		}
	}
}

// quote shows a node as it may be in a message.
func quote(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%.40q", node.Value)
}

func fieldNames() []string {
	known := map[string]bool{}
	for _, f := range fields {
		known[f.name] = true
	}
	return slices.Sorted(maps.Keys(known))
}
