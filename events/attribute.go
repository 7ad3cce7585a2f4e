package events

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
)

// uriAttributes are the attributes of type URI or URI-reference: those of the specification, and dataref.
var uriAttributes = []string{"source", "dataschema", DataRef}

// DecodeAttribute returns the value of the attribute name from its header in an HTTP message in binary mode: quotes
// around it are removed, and it is percent-decoded once (section 3.1.3.2 of
// https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md).
//
// Not all senders encode, and some Brokers neither encode nor decode, so what cannot have been encoded stays as it is:
//   - A percent sign that does not begin the encoding of a character that an attribute may have: "100%.png", "%zz",
//     "%0A", "%FC".
//   - Any escape in a URI (source, dataschema, dataref) that has others than %25: no other character of a URI is
//     encoded, so that "/my%20scanner" is the URI itself and "/my%2520scanner" its encoding. Nor is a URI decoded that
//     is not one afterwards.
//
// A value that is not UTF-8 is read as ISO-8859-1 (RFC 9110, section 5.5), as Knative's Broker for Kafka sends it.
func DecodeAttribute(name, value string) string {
	value = unquote(toUTF8(value))
	if !slices.Contains(uriAttributes, name) {
		return unescape(value)
	}
	decoded := strings.ReplaceAll(value, "%25", "%")
	_, err := url.Parse(decoded)
	if err != nil || strings.Count(value, "%") != strings.Count(value, "%25") {
		return value
	}
	return decoded
}

// canonicalRounds bounds the time that a value like %252525... takes.
const canonicalRounds = 8

// Canonical returns what all encodings of the value of an attribute have in common, however often it was encoded or
// decoded between its sender and its receiver: the value, decoded until nothing changes, but eight times at most.
// Values that differ by such encodings alone, such as "a b" and "a%20b", cannot be told apart.
func Canonical(value string) string {
	for range canonicalRounds {
		decoded := unescape(unquote(value))
		if decoded == value {
			break
		}
		value = decoded
	}
	return value
}

// EncodeHTTP returns an event whose attributes are encoded for the headers of an HTTP message in binary mode, as
// DecodeAttribute decodes them. The CloudEvents SDK for Go does not encode. In Kafka and in structured mode attributes
// are not encoded.
func EncodeHTTP(e event.Event) event.Event {
	return mapAttributes(e, func(_, value string) string { return escape(value) })
}

// DecodeHTTP decodes the attributes of an event that was received over HTTP in binary mode by the CloudEvents SDK for
// Go, which does not decode them: see DecodeAttribute.
func DecodeHTTP(e event.Event) event.Event { return mapAttributes(e, DecodeAttribute) }

// mapAttributes replaces all attributes that are strings.
func mapAttributes(e event.Event, replace func(name, value string) string) event.Event {
	e = e.Clone()
	e.SetType(replace("type", e.Type()))
	e.SetSource(replace("source", e.Source()))
	e.SetID(replace("id", e.ID()))
	if subject := e.Subject(); subject != "" {
		e.SetSubject(replace("subject", subject))
	}
	if schema := e.DataSchema(); schema != "" {
		e.SetDataSchema(replace("dataschema", schema))
	}
	for name, value := range e.Extensions() {
		if text, ok := value.(string); ok {
			e.SetExtension(name, replace(name, text))
		}
	}
	return e
}

// toUTF8 converts ISO-8859-1; UTF-8 stays.
func toUTF8(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	var text strings.Builder
	for i := range len(value) {
		text.WriteRune(rune(value[i]))
	}
	return text.String()
}

// unquote returns the value of a quoted string (RFC 9110, section 5.6.4). Other values stay.
func unquote(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var text strings.Builder
	for i := 1; i < len(value)-1; i++ {
		switch value[i] {
		case '"':
			return value
		case '\\':
			if i++; i == len(value)-1 {
				return value
			}
		}
		text.WriteByte(value[i])
	}
	return text.String()
}

// unescape percent-decodes the characters that an attribute may have.
func unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	var text strings.Builder
	for value != "" {
		decoded := leadingEscapes(value)
		if len(decoded) == 0 {
			text.WriteByte(value[0])
			value = value[1:]
			continue
		}
		for len(decoded) > 0 {
			r, size := utf8.DecodeRune(decoded)
			if isAllowed(r, size) {
				text.WriteRune(r)
			} else {
				text.WriteString(value[:3*size])
			}
			decoded, value = decoded[size:], value[3*size:]
		}
	}
	return text.String()
}

// leadingEscapes returns the bytes of the escapes that a value begins with.
func leadingEscapes(value string) (decoded []byte) {
	for len(value) >= 3 && value[0] == '%' {
		high, low := hexDigit(value[1]), hexDigit(value[2])
		if high < 0 || low < 0 {
			break
		}
		decoded = append(decoded, byte(high<<4|low))
		value = value[3:]
	}
	return decoded
}

// hexDigit returns the value of a digit; -1 if it is not one.
func hexDigit(c byte) int { return strings.IndexByte("0123456789abcdef", lower(c)) }

func lower(c byte) byte {
	if 'A' <= c && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

// isAllowed reports whether an attribute may have a character that was decoded from size bytes:
// https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md#type-system
func isAllowed(r rune, size int) bool {
	isError := r == utf8.RuneError && size == 1
	return !isError && !unicode.IsControl(r) && !unicode.Is(unicode.Noncharacter_Code_Point, r)
}

// escape percent-encodes what the HTTP binding does: space, the double quote, the percent sign, and all that is not
// printable ASCII.
func escape(value string) string {
	var text strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&text, "%%%02X", c)
		} else {
			text.WriteByte(c)
		}
	}
	return text.String()
}
