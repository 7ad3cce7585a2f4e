package cloudevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// dataBase64 is the member of a structured event that has binary data.
const dataBase64 = "data_base64"

// maxAttributes bounds the attributes of a structured event, as httpserver bounds the headers of one in binary mode.
// The SDK allocates some hundred bytes for each, however short it is.
const maxAttributes = 256

// unpack checks a structured event before the SDK reads it, and separates its binary data. The SDK would quote an
// invalid event in its error, many times larger than it came, and it decodes base64 one byte at a time: for an image
// that is a second of processor time, which any caller could ask for. Until an event has passed, it costs no memory
// beside its own bytes.
func unpack(structured []byte) (rest, data []byte, err error) {
	var encoded, sent []byte
	var sum attributes
	err = eachMember(structured, func(name string, value []byte) error {
		switch name {
		case dataBase64:
			encoded = value
			return nil
		case "data":
			return nil
		case "time":
			sent = value
		}
		return sum.add(name, value)
	})
	if err != nil || encoded == nil && bytes.Equal(sent, capitals(sent)) {
		return structured, nil, err
	}
	if encoded != nil {
		if err := json.Unmarshal(encoded, &data); err != nil {
			return nil, nil, fmt.Errorf("%s is not base64 (RFC 4648, section 4)", dataBase64)
		}
	}
	rest, err = rewrite(structured)
	return rest, data, err
}

// attributes counts those of an event.
type attributes struct{ count, length int }

// add refuses an attribute that is not a string, integer or boolean, and too many or too long ones together.
func (a *attributes) add(name string, value []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := checkText(name, value); err != nil {
		return err
	}
	if value[0] == '{' || value[0] == '[' {
		return fmt.Errorf("attribute %.90q is an object or an array", name)
	}
	if value[0] == '-' || '0' <= value[0] && value[0] <= '9' {
		if _, err := strconv.ParseInt(string(value[:min(len(value), 20)]), 10, 32); err != nil {
			return fmt.Errorf("attribute %.90q is %.40s, expected an integer of 32 bits, or a string", name, value)
		}
	}
	if a.count++; a.count > maxAttributes {
		return fmt.Errorf("it has more than %d attributes", maxAttributes)
	}
	if a.length += len(name) + len(value); a.length > MaxEvent {
		return fmt.Errorf("its attributes are longer than %d bytes", MaxEvent)
	}
	return nil
}

// texts are the attributes that the specification defines, all of which are strings in JSON.
var texts = []string{"specversion", "type", "source", "id", "subject", "time", "datacontenttype", "dataschema"}

// checkText refuses an attribute that must be a string, unless it is one or null.
func checkText(name string, value []byte) error {
	if value[0] == '"' || value[0] == 'n' || !slices.Contains(texts, name) {
		return nil
	}
	kind := "a number"
	switch value[0] {
	case '{':
		kind = "an object"
	case '[':
		kind = "an array"
	case 't', 'f':
		kind = "a boolean"
	}
	return fmt.Errorf("%s is %s, expected a string", name, kind)
}

// checkName refuses a name that an attribute must not have
// (https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md#attribute-naming-convention). Capitals are
// accepted, and become small letters.
func checkName(name string) error {
	isLetter := func(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' }
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isLetter(r) }) {
		return fmt.Errorf("attribute %.90q has a name with other characters than a-z and 0-9", name)
	}
	return nil
}

// rewrite returns a structured event, which is valid JSON, without binary data. Its time is in capitals: RFC 3339
// allows a small t and z, which the SDK does not accept.
func rewrite(object []byte) ([]byte, error) {
	rest := []byte{'{'}
	err := eachMember(object, func(name string, value []byte) error {
		switch {
		case name == dataBase64:
			return nil
		case name == "time":
			value = capitals(value)
		}
		key, err := json.Marshal(name)
		if err != nil {
			return err
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, key...), ':'), value...)
		return nil
	})
	return append(rest, '}'), err
}

// capitals returns a time, as JSON, with a capital T and Z.
func capitals(sent []byte) []byte {
	if len(sent) < 2 || sent[0] != '"' || bytes.ContainsRune(sent, '\\') {
		return sent
	}
	return []byte(`"` + upperTime(string(sent[1:len(sent)-1])) + `"`)
}

// upperTime returns a time with a capital T and Z. Other text stays as it is, so that an error quotes what was sent.
func upperTime(sent string) string {
	upper := strings.ToUpper(sent)
	if _, err := time.Parse(time.RFC3339Nano, upper); err != nil {
		return sent
	}
	return upper
}

var errNotObject = errors.New("the body is not a JSON object")

// space is JSON's, RFC 8259 section 2.
const space = " \t\r\n"

// checkSyntax returns an error that has the position of a fault of the JSON in bytes. Text in another encoding than
// UTF-8 is one (RFC 8259, section 8.1): encoding/json reads it, and the SDK passes its bytes on, so that attributes
// would be garbled, or differ for each reader.
func checkSyntax(object []byte) error {
	if !utf8.Valid(object) {
		return fmt.Errorf("%w: byte %d is not UTF-8", errNotObject, validLength(object)+1)
	}
	if json.Valid(object) {
		return nil
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(object, new(json.RawMessage)); errors.As(err, &syntax) {
		return fmt.Errorf("%w: %.100s, at byte %d", errNotObject, syntax.Error(), syntax.Offset)
	}
	return errNotObject
}

// validLength returns the length of the UTF-8 that a text begins with, in bytes.
func validLength(text []byte) (length int) {
	for length < len(text) {
		r, size := utf8.DecodeRune(text[length:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		length += size
	}
	return length
}

// eachMember calls visit for every member of a JSON object, with its value as it is in the object, until visit returns
// an error. It allocates nothing but names. encoding/json would build a map, which for many short members is thirty
// times larger than the object.
func eachMember(object []byte, visit func(name string, value []byte) error) error {
	rest := bytes.TrimLeft(object, space)
	if len(rest) == 0 || rest[0] != '{' {
		return errNotObject
	}
	if err := checkSyntax(object); err != nil {
		return err
	}
	for rest = rest[1:]; ; {
		rest = bytes.TrimLeft(rest, space+",")
		if rest[0] == '}' {
			return nil
		}
		end := stringEnd(rest)
		var name string
		if err := json.Unmarshal(rest[:end], &name); err != nil {
			return errNotObject
		}
		rest = bytes.TrimLeft(rest[end:], space+":")
		end = valueEnd(rest)
		if err := visit(name, rest[:end]); err != nil {
			return err
		}
		rest = rest[end:]
	}
}

// valueEnd returns the length of the value that valid JSON begins with.
func valueEnd(text []byte) int {
	switch text[0] {
	case '"':
		return stringEnd(text)
	case '{', '[':
		return nestedEnd(text)
	}
	return bytes.IndexAny(text, space+",}") // of a member, which the object's } follows
}

// stringEnd returns the length of the string that valid JSON begins with.
func stringEnd(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// nestedEnd returns the length of the object or array that valid JSON begins with.
func nestedEnd(text []byte) int {
	depth := 0
	for i := 0; ; {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:])
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if i++; depth == 0 {
			return i
		}
	}
}
