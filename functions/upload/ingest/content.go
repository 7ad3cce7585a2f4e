package ingest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// sniffLength is how many bytes of an event's data isImage looks at.
const sniffLength = 512

// isImage reports whether the data of an event, of which start has the first bytes, is an image; otherwise it is JSON.
//
// What ends up as the result of an image stays its result, so only data that its sender declared to be an image, or
// that begins like one, may get that far. For anything else the error is permanent: the event becomes a dead letter,
// and works once it is corrected. An absent content type means JSON (CloudEvents JSON format, section 3.1.1). Brokers
// drop it when they convert an event to binary mode, so there it means JSON, too, unless the data begins like an image.
func isImage(contentType string, start []byte) (bool, error) {
	declared := declaresImage(contentType)
	switch {
	case contentType == "" && looksLikeImage(start):
		return true, nil
	case contentType == "" && !looksLikeJSON(start):
		return false, fmt.Errorf("%w: the data is neither an image nor a JSON object, and the event has no datacontenttype",
			events.ErrInvalid)
	case events.IsJSON(contentType):
		return false, nil
	case declared && looksLikeJSON(start):
		return false, notBytes(contentType, "The data is JSON, not an image")
	case declared && isBase64(start):
		return false, notBytes(contentType, "The data is an image as text in base64; expected its bytes")
	case declared || looksLikeImage(start):
		return true, nil
	}
	return false, fmt.Errorf("%w: datacontenttype is %.90q, expected that of an image, or application/json",
		events.ErrInvalid, contentType)
}

// notBytes is the answer to data that was declared to be an image, and was not sent as its bytes.
func notBytes(contentType, message string) error {
	return &apierror.Error{
		Status:  http.StatusUnsupportedMediaType,
		Code:    apierror.CodeNotAnImage,
		Message: message,
		Found:   contentType,
	}
}

// declaresImage reports whether a content type is that of an image, or of bytes of any kind.
func declaresImage(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	switch mediaType {
	case "application/octet-stream", "binary/octet-stream": // the latter is S3's
		return true
	}
	return strings.HasPrefix(mediaType, "image/")
}

// looksLikeImage reports whether bytes are the beginning of an image of a format that is read.
func looksLikeImage(start []byte) bool {
	_, err := raster.Probe(context.Background(), bytes.NewReader(start))
	var refused *raster.Error
	if !errors.As(err, &refused) {
		return err == nil
	}
	return refused.Reason != raster.ReasonNotAnImage && refused.Reason != raster.ReasonUnsupported
}

// looksLikeJSON reports whether bytes are the beginning of a JSON object, or null.
func looksLikeJSON(start []byte) bool {
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	return bytes.HasPrefix(start, []byte("{")) || isNull(start)
}

// isNull reports whether data is the JSON text null, which some senders write for an event without data.
func isNull(data []byte) bool {
	return len(data) <= sniffLength && string(bytes.TrimSpace(data)) == "null"
}

// isBase64 reports whether bytes are the beginning of an image in base64.
func isBase64(start []byte) bool {
	text := bytes.TrimLeft(start, "\" \t\r\n")
	text = text[:min(len(text), 64)] // no line is shorter (RFC 2045, section 6.8)
	text = text[:len(text)/4*4]
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(decoded, text)
	return err == nil && looksLikeImage(decoded[:n])
}

// eventFilename is the name of the image in the data of an event: the extension filename, or the last segment of the
// subject.
func eventFilename(e event.Event) string {
	if name := extendedFilename(e); name != "" {
		return name
	}
	name := path.Base(e.Subject())
	if isLost(name) {
		return ""
	}
	return name
}

// extendedFilename is the name in the extension filename, which may be percent-encoded in any mode; "" if there is
// none.
func extendedFilename(e event.Event) string {
	name, _ := e.Extensions()[events.Filename].(string)
	return events.Canonical(name)
}

// isLost reports whether a name has been replaced by question marks: Knative's Broker for Kafka does that to letters
// beyond ISO-8859-1 in the subject of an event that it received in structured mode.
func isLost(name string) bool {
	stem := strings.TrimSuffix(name, path.Ext(name))
	return strings.Contains(stem, "?") && strings.Trim(stem, "?_-. ") == ""
}

// causeOf is the cause of the image of an event; zero if it is too long to be stored with the image.
func causeOf(e event.Event) events.Cause {
	cause := events.Cause{Source: e.Source(), ID: e.ID()}
	if !imagestore.FitsMetadata(cause) {
		return events.Cause{}
	}
	return cause
}
