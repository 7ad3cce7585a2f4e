package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// mend returns advice for an error of the functions.
func (m *Message) mend(refused *apierror.Error) string {
	mediaType, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	_, err := raster.Probe(context.Background(), bytes.NewReader(m.body))
	switch {
	case refused.Code == apierror.CodeUnsupportedCoding:
		return "Send the body without Content-Encoding: the service does not decode it."
	case bytes.HasPrefix(m.body, []byte("\xef\xbb\xbf")):
		return "Remove the byte order mark (EF BB BF) before the JSON: it is not a part of it (RFC 8259, section 8.1)."
	case err == nil && m.isPlainJSON():
		return "The body is an image. Send its content type, such as image/jpeg, or application/octet-stream."
	case refused.Code == apierror.CodeTooManyBytes && m.isCloudEvents():
		return "Send the image in binary mode, or store it in a bucket and send a reference to it."
	case refused.Code == apierror.CodeNotAnImage && strings.Contains(refused.Message, "base64") && m.isCloudEvents():
		return "Put the base64 into the member data_base64 instead of data."
	case refused.Code == apierror.CodeNotAnImage && strings.Contains(refused.Message, "base64"):
		return "Decode the base64 and send the bytes of the image as the body."
	case m.hasBrokenJSON():
		return "Correct the JSON: a tool such as jq shows the line."
	case refused.Code == apierror.CodeInvalidEvent:
		return mendEvent(refused.Message, mediaType)
	}
	code, _ := apierror.Lookup(refused.Code)
	return code.Action
}

// mendEvent returns advice for an invalid event, of which message has the fields that are at fault.
func mendEvent(message, mediaType string) string {
	switch {
	case wrongType.MatchString(message):
		return "Put quotation marks around the value, or leave the attribute out if it is optional."
	case strings.Contains(message, "object_name is ") || strings.Contains(message, "bucket is "):
		return `Correct data: the member bucket is the name of a bucket, and object_name the key of an object in it, ` +
			`such as {"bucket": "scans", "object_name": "2026/photo.jpg"}.`
	case strings.HasPrefix(mediaType, "application/x-www-form-urlencoded"):
		return "curl sends this content type unless another is given: add -H 'Content-Type: application/json' for a " +
			"reference, or that of the image."
	}
	return `Send the image itself, with its content type, or a reference: ` +
		`datacontenttype application/json and data {"bucket": "scans", "object_name": "2026/photo.jpg"}.`
}

var (
	// wrongType is in the message about an attribute that is not a string in JSON.
	wrongType = regexp.MustCompile(`\b[a-z]+ is (?:a number|a boolean), expected a string`)
)

// hasBrokenJSON reports whether the message is in structured mode, and not JSON.
func (m *Message) hasBrokenJSON() bool {
	return m.isCloudEvents() && !m.isBatch() && !json.Valid(bytes.TrimPrefix(m.body, []byte("\xef\xbb\xbf")))
}

// withoutAbsent leaves out the findings about attributes that are absent: broken JSON may have them after its fault.
func withoutAbsent(advice []Finding) (rest []Finding) {
	for _, f := range advice {
		if !strings.HasPrefix(f.What, absent) {
			rest = append(rest, f)
		}
	}
	return rest
}

// repeated warns of attributes that have several headers.
func repeated(header http.Header) (found []Finding) {
	for _, a := range headerAttributes(header) {
		values := header.Values("Ce-" + a.name)
		if len(values) < 2 {
			continue
		}
		found = append(found, Finding{What: "the attribute " + a.name + " is sent more than once",
			Found: fmt.Sprintf("%d times %s, the first with %.90q", len(values), a.place, values[0]), Expected: "one header",
			Mend: "Send it once: the service reads the first, and what is between it and the sender may choose another."})
	}
	return found
}

// expectation is what an error says of its limit.
func expectation(limit any) string {
	if text, ok := limit.(string); ok {
		return text
	}
	return fmt.Sprintf("at most %v", limit)
}

// withoutPrefix returns the message of an error without the one that all errors about events begin with.
func withoutPrefix(message string) string {
	return strings.TrimPrefix(message, events.ErrInvalid.Error()+": ")
}
