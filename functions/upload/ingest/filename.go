package ingest

import (
	"fmt"
	"io"
	"mime"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// filenameIn returns the filename in the parameters of a Content-Disposition, path and all, and whether there is one.
// It reads every form that clients use: filename* (RFC 5987), filename*0 and so on (RFC 2231), and filename, which may
// have encoded words (RFC 2047). The first that can be decoded counts, in this order.
func filenameIn(parameters map[string]string) (name string, found bool) {
	extended, isExtended := parameters["filename*"]
	if !isExtended {
		extended, isExtended = joinContinuations(parameters)
	}
	decoded, isDecoded := decodeExtended(extended)
	if isExtended && isDecoded {
		return validUTF8(decoded), true
	}
	if plain, isPlain := parameters["filename"]; isPlain {
		return validUTF8(decodeWords(plain)), true
	}
	return validUTF8(decoded), isExtended
}

func validUTF8(name string) string { return strings.ToValidUTF8(name, "_") }

// joinContinuations returns the value that is spread over filename*0, filename*1 and so on. It is in the form of
// filename*, all of it percent-encoded (RFC 2231, section 4.1).
func joinContinuations(parameters map[string]string) (value string, found bool) {
	var joined strings.Builder
	for i := range maxParameters {
		name := fmt.Sprintf("filename*%d", i)
		literal, isLiteral := parameters[name]
		encoded, isEncoded := parameters[name+"*"]
		switch {
		case isEncoded:
			joined.WriteString(encoded)
		case isLiteral && i == 0:
			joined.WriteString("''" + strings.ReplaceAll(literal, "%", "%25"))
		case isLiteral:
			joined.WriteString(strings.ReplaceAll(literal, "%", "%25"))
		default:
			return joined.String(), i > 0
		}
	}
	return joined.String(), true
}

// decodeExtended decodes charset'language'percent-encoded text (RFC 8187, section 3.2). Without a charset the text is
// UTF-8. If the charset is unknown, known is false, and the text is only percent-decoded.
func decodeExtended(value string) (text string, known bool) {
	charset, rest, _ := strings.Cut(value, "'")
	_, encoded, isExtended := strings.Cut(rest, "'")
	if !isExtended {
		return percentDecode(value), true
	}
	text = percentDecode(encoded)
	if charset == "" || isUTF8(charset) {
		return text, true
	}
	decoded, err := decodeCharset(charset, strings.NewReader(text))
	if err != nil {
		return text, false
	}
	whole, err := io.ReadAll(decoded)
	return string(whole), err == nil
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// decodeCharset decodes text in a charset of the WHATWG Encoding Standard, which has all that mail clients and
// browsers use.
func decodeCharset(charset string, text io.Reader) (io.Reader, error) {
	encoding, err := htmlindex.Get(charset)
	if err != nil {
		return nil, fmt.Errorf("charset %.40q: %w", charset, err)
	}
	return encoding.NewDecoder().Reader(text), nil
}

// decodeWords decodes the encoded words in a name. A name that cannot be decoded stays as it is.
func decodeWords(name string) string {
	decoder := mime.WordDecoder{CharsetReader: decodeCharset}
	decoded, err := decoder.DecodeHeader(name)
	if err != nil {
		return name
	}
	return decoded
}

// percentDecode decodes %XX, and leaves a % that two hexadecimal digits do not follow as it is.
func percentDecode(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var decoded strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, low := hexDigit(text[i+1]), hexDigit(text[i+2])
			if high >= 0 && low >= 0 {
				decoded.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		decoded.WriteByte(text[i])
	}
	return decoded.String()
}

// hexDigit returns the value of a hexadecimal digit, and -1 for any other byte.
func hexDigit(digit byte) int {
	switch {
	case '0' <= digit && digit <= '9':
		return int(digit - '0')
	case 'a' <= digit && digit <= 'f':
		return int(digit-'a') + 10
	case 'A' <= digit && digit <= 'F':
		return int(digit-'A') + 10
	}
	return -1
}

// filenameInQuery returns the value of filename in a query. url.Values would drop one with a semicolon, or with a %
// that is not an escape, and the image would silently get another name.
func filenameInQuery(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); percentDecode(name) == "filename" {
			return validUTF8(percentDecode(strings.ReplaceAll(value, "+", " ")))
		}
	}
	return ""
}
