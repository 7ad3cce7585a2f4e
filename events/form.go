package events

import "strings"

// The forms below are checked for each event, and by loops, which take a tenth of the time of regular expressions and
// none when a program starts.

// consistsOf reports whether all bytes of text are allowed.
func consistsOf(text string, allowed func(byte) bool) bool {
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

func isLower(b byte) bool        { return 'a' <= b && b <= 'z' }
func isDigit(b byte) bool        { return '0' <= b && b <= '9' }
func isAlphanumeric(b byte) bool { return isLower(b) || isDigit(b) }
func isHex(b byte) bool          { return isDigit(b) || 'a' <= b && b <= 'f' }
func isVisible(b byte) bool      { return '!' <= b && b <= '~' }
func isPrintable(b byte) bool    { return ' ' <= b && b <= '~' }

// isHexWithHyphens reports whether text is hexadecimal digits in lower case in groups of the given lengths.
func isHexWithHyphens(text string, groups ...int) bool {
	for i, length := range groups {
		if i > 0 {
			rest, found := strings.CutPrefix(text, "-")
			if !found {
				return false
			}
			text = rest
		}
		if len(text) < length || !consistsOf(text[:length], isHex) {
			return false
		}
		text = text[length:]
	}
	return text == ""
}

// IsImageID reports whether text has the form of an image ID: a UUID in lower case.
func IsImageID(text string) bool { return isHexWithHyphens(text, 8, 4, 4, 4, 12) }

// isTraceParent reports whether text is a traceparent: https://www.w3.org/TR/trace-context/
func isTraceParent(text string) bool { return isHexWithHyphens(text, 2, 32, 16, 2) }

// isTraceState reports whether text could be a tracestate, of the same specification.
func isTraceState(text string) bool {
	return 1 <= len(text) && len(text) <= 512 && consistsOf(text, isPrintable) &&
		text[0] != ' ' && text[len(text)-1] != ' '
}

// isBucketName reports whether text could be the name of a bucket:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func isBucketName(text string) bool {
	return 3 <= len(text) && len(text) <= 63 && isAlphanumeric(text[0]) && isAlphanumeric(text[len(text)-1]) &&
		consistsOf(text, func(b byte) bool { return isAlphanumeric(b) || b == '.' || b == '-' })
}

// isMediaType reports whether text is a media type without parameters, in lower case:
// https://datatracker.ietf.org/doc/html/rfc6838#section-4.2
func isMediaType(text string) bool {
	kind, subtype, _ := strings.Cut(text, "/")
	return isMediaName(kind) && isMediaName(subtype)
}

func isMediaName(text string) bool {
	return text != "" && isAlphanumeric(text[0]) &&
		consistsOf(text, func(b byte) bool { return isAlphanumeric(b) || strings.IndexByte("!#$&^_.+-", b) >= 0 })
}

// isReason reports whether text has the form of a Reason.
func isReason(text string) bool {
	return text != "" && len(text) <= 64 && isLower(text[0]) &&
		consistsOf(text, func(b byte) bool { return isAlphanumeric(b) || b == '_' })
}

// isRenditionName reports whether text has the form of the name of a rendition.
func isRenditionName(text string) bool {
	return text != "" && len(text) <= 32 && isLower(text[0]) &&
		consistsOf(text, func(b byte) bool { return isAlphanumeric(b) || b == '-' })
}

// isThumbHash reports whether text could be a ThumbHash in base64.
func isThumbHash(text string) bool {
	digits := strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	return 8 <= len(digits) && len(digits) <= 60 && consistsOf(digits, func(b byte) bool {
		return isAlphanumeric(b) || 'A' <= b && b <= 'Z' || b == '+' || b == '/'
	})
}

// isColor reports whether text is #rrggbb in lower case.
func isColor(text string) bool {
	digits, found := strings.CutPrefix(text, "#")
	return found && len(digits) == 6 && consistsOf(digits, isHex)
}
