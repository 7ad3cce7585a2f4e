package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/events"
)

// maxAttributes bounds the attributes that are looked at. The functions refuse an event with more.
const maxAttributes = 300

// An attribute is one as it was sent: the value of a header, or of a member of the JSON object.
type attribute struct {
	name  string // in lower case
	place string // for people: "header Ce-Id", or `member "id"`
	value string
	kind  byte // of a JSON value, its first byte; '"' for a header
}

// isPrint reports whether a character is safe to be printed.
func isPrint(r rune) bool { return unicode.IsPrint(r) || r == ' ' }

// headerAttributes returns the attributes of an event in binary mode.
func headerAttributes(header http.Header) (found []attribute) {
	for key, values := range header {
		if name, ok := strings.CutPrefix(key, "Ce-"); ok && len(values) > 0 && len(found) < maxAttributes {
			found = append(found, attribute{strings.ToLower(name), "header " + key, values[0], '"'})
		}
	}
	slices.SortFunc(found, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return found
}

// memberAttributes returns the attributes of an event in structured mode, with the members data and data_base64, whose
// values are left out. It returns what precedes a fault of the JSON.
func memberAttributes(object []byte) (found []attribute) {
	in := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(object, []byte("\xef\xbb\xbf"))))
	if token, err := in.Token(); err != nil || token != json.Delim('{') {
		return nil
	}
	for in.More() && len(found) < maxAttributes {
		name, err := in.Token()
		var value json.RawMessage
		if err != nil || in.Decode(&value) != nil {
			return found
		}
		a := attribute{name: fmt.Sprint(name), place: fmt.Sprintf("member %.90q", name), kind: value[0]}
		if a.name != "data" && a.name != "data_base64" {
			a.value = string(value)
			if a.kind == '"' {
				_ = json.Unmarshal(value, &a.value) // it is valid
			}
		}
		found = append(found, a)
	}
	return found
}

// find returns the attribute of a name.
func find(attributes []attribute, name string) (attribute, bool) {
	i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return attribute{}, false
	}
	return attributes[i], true
}

// required are the attributes that every event has: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
var required = []struct{ name, expected, example string }{
	{"specversion", "the version of the specification, 1.0", "1.0"},
	{"type", "the type of the event, " + events.TypeImageReceived, events.TypeImageReceived},
	{"source", "a URI reference to the sender", "/camera/1"},
	{"id", "a text that is unique within the source, the same whenever the event is sent again", "4711"},
}

// absent begins the finding about a required attribute that an event does not have.
const absent = "the event has no "

// checkAttributes looks for what the specification forbids. Whether a finding is a fault is for the functions to say.
func checkAttributes(attributes []attribute, structured bool) (found []Finding) {
	for _, r := range required {
		a, ok := find(attributes, r.name)
		if ok && strings.TrimSpace(a.value) != "" && a.kind != 'n' {
			continue
		}
		f := Finding{What: absent + r.name, Found: "nothing", Expected: r.expected,
			Mend: fmt.Sprintf("Send the header Ce-%s%s: %s.", strings.ToUpper(r.name[:1]), r.name[1:], r.example)}
		if structured {
			f.Mend = fmt.Sprintf("Add the member %q: %q.", r.name, r.example)
		}
		if ok {
			f.Found = fmt.Sprintf("%s with %.20q", a.place, a.value)
		}
		found = append(found, f)
	}
	for _, a := range attributes {
		if f := checkAttribute(a); f != nil {
			found = append(found, *f)
		}
	}
	return found
}

// checkAttribute returns what is wrong with the name or the value of an attribute, or nil.
func checkAttribute(a attribute) *Finding {
	if a.name == "data" || a.name == "data_base64" || strings.TrimSpace(a.value) == "" {
		return nil
	}
	f := &Finding{What: "the attribute " + a.name + " is malformed", Found: fmt.Sprintf("%s with %.90q", a.place, a.value)}
	isName := !strings.ContainsFunc(a.name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	switch {
	case !isName:
		f.What, f.Found, f.Expected = "the name of an attribute is malformed", a.place, "lower-case letters a to z and digits"
		f.Mend = "Rename the attribute: " + strings.Map(attributeRune, a.name) + "."
		return f
	case a.kind == '{' || a.kind == '[':
		f.Expected = "a string, number or boolean"
		f.Mend = "Move it into data."
		return f
	}
	switch a.name {
	case "specversion":
		f.Expected, f.Mend = "1.0", "The specification's fixes, such as 1.0.2, do not change the attribute."
		if a.value == "1.0" {
			return nil
		}
	case "type":
		f.Expected = events.TypeImageReceived
		f.Mend = "The service accepts one type of event from other systems; types are compared letter by letter."
		if isKnownType(a.value) {
			return nil
		}
	case "source", "dataschema", events.DataRef:
		f.Expected, f.Mend = "a URI, or for source a URI reference", "Percent-encode what a URI may not have."
		if _, err := url.Parse(a.value); err == nil {
			return nil
		}
	case "time":
		f.Expected = "a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z"
		f.Mend = "Add the time zone, or leave the attribute out."
		if _, err := time.Parse(time.RFC3339, strings.ToUpper(a.value)); err == nil {
			return nil
		}
	default:
		return nil
	}
	return f
}

// attributeRune maps the characters of a malformed name to those of a name.
func attributeRune(r rune) rune {
	r = unicode.ToLower(r)
	if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
		return -1
	}
	return r
}

func isKnownType(name string) bool {
	return name == events.TypePing || name == events.TypeImageSweep || name == events.TypeImageReceived ||
		name == events.TypeImageDelete
}

// checkTransport warns of values that do not arrive the same by every route.
func checkTransport(attributes []attribute, structured bool) (found []Finding) {
	percent := named(attributes, func(a attribute) bool {
		return strings.Contains(a.value, "%") && (a.name == "source" || a.name == "id")
	})
	if percent != "" {
		found = append(found, Finding{What: "source or id has a percent sign", Found: percent,
			Expected: "no percent sign: SDKs and Brokers encode and decode headers, or do neither",
			Mend: "Use letters, digits and -._~/: in source and id. The service takes values that differ by " +
				"percent-encoding alone for the same."})
	}
	letters := named(attributes, func(a attribute) bool { return structured && beyondLatin1(a.value) })
	if letters != "" {
		found = append(found, Finding{What: "an attribute does not pass Knative's Broker for Kafka in structured mode",
			Found:    letters,
			Expected: "letters of ISO-8859-1; the Broker replaces others by question marks",
			Mend: "Send the event in binary mode, or the name of the image percent-encoded in the extension attribute " +
				events.Filename + "."})
	}
	raw := named(attributes, func(a attribute) bool { return !structured && !isEncoded(a.value) })
	if raw != "" {
		found = append(found, Finding{What: "an attribute is not percent-encoded", Found: raw,
			Expected: "a header with space, \", % and all beyond printable ASCII encoded " +
				"(CloudEvents HTTP binding, 3.1.3.2)",
			Mend: "The SDKs for Go, Java and JavaScript do not encode: do it before the event is sent. " +
				"This service reads the value as it is; others may not."})
	}
	return found
}

// named lists the attributes for which is holds, with their values; "" if there is none.
func named(attributes []attribute, is func(attribute) bool) string {
	var list []string
	for _, a := range attributes {
		if a.kind == '"' && is(a) {
			list = append(list, fmt.Sprintf("%s with %.90q", a.place, a.value))
		}
	}
	return strings.Join(list, ", ")
}

func beyondLatin1(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxLatin1 })
}

// isEncoded reports whether a header value has no characters that the HTTP binding has encoded. A percent sign may be
// the result of encoding.
func isEncoded(value string) bool {
	needsEncoding := func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }
	return utf8.ValidString(value) && !strings.ContainsFunc(value, needsEncoding)
}
