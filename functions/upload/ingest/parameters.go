package ingest

import "strings"

// maxParameters bounds the parameters of a header that are read. Forms have three, events none.
const maxParameters = 64

// splitHeader returns the first word of a header such as Content-Type or Content-Disposition, in lower case, and the
// parameters after it, with their names in lower case; the first of a name counts. The word is "" if the header starts
// with a parameter.
//
// It follows RFC 2045, section 5.1, and also reads what clients send against it: values with spaces or separators that
// are not quoted (boundary====, filename=a b.png), quotes that are not escaped (filename="a"b.png"), and backslashes
// that are not escapes (filename="C:\a.png"). mime.ParseMediaType refuses such a header, and a file would be lost.
func splitHeader(text string) (word string, parameters map[string]string) {
	text = strings.TrimLeft(text, " \t")
	end := strings.IndexAny(text, ";, \t") // RFC 1867 has a comma in its example
	if end < 0 {
		end = len(text)
	}
	if !strings.Contains(text[:end], "=") {
		word, text = strings.ToLower(text[:end]), text[end:]
	}
	parameters = map[string]string{}
	for range maxParameters {
		text = strings.TrimLeft(text, ";, \t")
		end := strings.IndexAny(text, "=;")
		if end < 0 {
			break
		}
		name, isFlag := strings.ToLower(strings.TrimSpace(text[:end])), text[end] == ';'
		if text = text[end+1:]; isFlag {
			continue
		}
		var value string
		value, text = cutValue(strings.TrimLeft(text, " \t"))
		if _, known := parameters[name]; !known {
			parameters[name] = value
		}
	}
	return word, parameters
}

// cutValue returns the value that text starts with, without its quotes, and the text after it.
func cutValue(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ";")
		return strings.TrimSpace(value), rest
	}
	var unquoted strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && strings.IndexByte(`"\`, text[i+1]) >= 0:
			i++
		case text[i] == '"' && endsValue(text[i+1:]):
			return unquoted.String(), text[i+1:]
		}
		unquoted.WriteByte(text[i])
	}
	return unquoted.String(), ""
}

// endsValue reports whether a quote before rest ends a value: the header ends, or another parameter follows. After any
// other quote the value goes on.
func endsValue(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" {
		return true
	}
	if rest[0] != ';' {
		return false
	}
	rest = strings.TrimLeft(rest, "; \t")
	name := rest
	if end := strings.IndexFunc(rest, isNotToken); end >= 0 {
		name = rest[:end]
	}
	return rest == "" || name != "" && strings.HasPrefix(strings.TrimLeft(rest[len(name):], " \t"), "=")
}

// isNotToken reports whether a character may not be in a token (RFC 9110, section 5.6.2).
func isNotToken(r rune) bool {
	isAlphanumeric := '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !isAlphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
