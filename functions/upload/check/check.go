// Package check says what the upload function makes of an event: what it reads in it, the image ID and the name that
// the image will have, and each fault with what was found, what was expected and how to mend it. It is behind the
// command events/check.
//
// The verdict is that of the functions' own code: of packages ingest, which reads the event, and accept, which reads
// the header of an image. What this package adds is advice. It stores and sends nothing, so it cannot know whether an
// object exists, whether the service may read its bucket, or whether the pixels of an image are intact.
package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ingest"
)

// brokerBytes is about the largest data of an event that Knative's Broker for Kafka accepts: records have at most 1 MiB
// with their headers.
const brokerBytes = 1_048_000

// A Checker checks events against the limits of a service.
type Checker struct{ limits accept.Limits }

// New returns a Checker with the limits that the environment sets, and otherwise the defaults.
func New(getenv func(string) string) (*Checker, error) {
	r := config.NewReader(getenv)
	c := &Checker{limits: accept.Limits{Bytes: limits.UploadBytes.Read(r), Limits: limits.ReadImage(r)}}
	return c, r.Err()
}

// Check checks an event in a message.
func (c *Checker) Check(m *Message) Report {
	report := Report{Findings: m.findings}
	if !report.Valid() {
		return report
	}
	request := m.request()
	structured := cloudevent.IsStructured(request)
	attributes := headerAttributes(m.Header)
	if structured {
		attributes = memberAttributes(m.body)
	}
	if data, ok := m.plainNotification(attributes); ok && report.describeNotification("", data) {
		return report
	}
	if !cloudevent.IsEvent(request) || m.isBatch() {
		report.Findings = append(report.Findings, notAnEvent(m))
		return report
	}
	report.describeMode(structured)
	if m.bodiless && structured {
		report.Findings = append(report.Findings, noBody)
		return report
	}
	if err := body.CheckCoding(discard{}, request); err != nil {
		report.judge(err, checkAttributes(attributes, structured), m)
		return report
	}
	advice := checkAttributes(attributes, structured)
	if m.hasBrokenJSON() {
		advice = withoutAbsent(advice)
	}
	if len(advice) >= len(required) && structured && !m.hasBrokenJSON() {
		advice = []Finding{notEnveloped(attributes)}
	}
	e, candidate, err := ingest.Read(discard{}, request, c.limits.Bytes)
	report.describeEvent(e)
	if data, ok := m.notificationOf(e); err != nil && ok && report.describeNotification(e.Type(), data) {
		report.Findings = append(report.Findings, checkTransport(attributes, structured)...)
		return report
	}
	isRequest := e.Type() == events.TypeImageSweep || e.Type() == events.TypePing || e.Type() == events.TypeImageDelete
	switch {
	case err != nil && isRequest:
		report.fact("accepted", "by POST / of upload and from the Broker, not by POST /upload")
		report.judge(nil, advice, m)
	case err != nil:
		report.judge(err, advice, m)
		report.fact("by Broker", "a dead letter, unless the Broker refuses the event itself")
	default:
		err = c.describeImage(&report, m, e, candidate)
		report.judge(err, advice, m)
		if err != nil {
			report.fact("by Broker", "POST / answers 200: the status of the image becomes failed, and "+
				"image.failed gives the reason")
		}
	}
	if m.bodiless && !m.declaresImage() {
		report.Findings = append(report.Findings, m.undecided())
	}
	report.Findings = append(report.Findings, checkTransport(attributes, structured)...)
	if !structured {
		report.Findings = append(report.Findings, repeated(m.Header)...)
	}
	report.checkSize(m, e)
	return report
}

// request returns the message as the HTTP server of a function would. It has some image in place of a body that the
// input does not have.
func (m *Message) request() *http.Request {
	content, size, header := m.body, m.size, m.Header
	if m.bodiless {
		content = []byte(pixel)
		size = max(size, int64(len(pixel)))
	}
	if m.bodiless && !m.declaresImage() && !m.isCloudEvents() {
		header = header.Clone()
		header.Set("Content-Type", "image/gif") // so that the attributes are judged, and not the data
	}
	return &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: header,
		Body: io.NopCloser(bytes.NewReader(content)), ContentLength: size,
	}
}

// isCloudEvents reports whether the content type is that of structured mode, or of a batch.
func (m *Message) isCloudEvents() bool {
	mediaType, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	return strings.HasPrefix(mediaType, "application/cloudevents")
}

// declaresImage reports whether the content type is that of an image, or of bytes of any kind. Of any other type, the
// body decides.
func (m *Message) declaresImage() bool {
	mediaType, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	return strings.HasPrefix(mediaType, "image/") || strings.HasSuffix(mediaType, "/octet-stream")
}

// pixel is a GIF of one pixel.
const pixel = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" +
	",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// discard is the answer to a request that nobody has sent.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func (r *Report) describeMode(structured bool) {
	mode := "binary: attributes in headers, the data is the body"
	if structured {
		mode = "structured: attributes and data in one JSON object"
	}
	r.fact("mode", "%s", mode)
}

func (r *Report) describeEvent(e event.Event) {
	if e.Context == nil { // could not be read
		return
	}
	r.fact("type", "%s", e.Type())
	r.fact("source", "%s", e.Source())
	r.fact("id", "%s", e.ID())
	if e.Subject() != "" {
		r.fact("subject", "%s", e.Subject())
	}
}

// describeImage describes the image of an event, and returns the error with which it would be refused.
func (c *Checker) describeImage(r *Report, m *Message, e event.Event, candidate accept.Candidate) error {
	candidate.ImageID = idempotency.EventImageID("", e.Source(), e.ID())
	defer r.fact("image ID", "%s, if clients do not authenticate; otherwise it depends on the client, too",
		candidate.ImageID)
	if candidate.Object != nil {
		r.fact("image", "the object %q in the bucket %q; the service must be allowed to read the bucket (SOURCE_BUCKETS)",
			candidate.Object.Key, candidate.Object.Bucket)
		r.fact("name", "%s", imagestore.SafeName(candidate.Filename, "image, with the extension of its format"))
		return nil
	}
	if m.bodiless {
		if !m.declaresImage() { // undecided says so
			return nil
		}
		r.Findings = append(r.Findings, Finding{What: "the image was not checked",
			Found: "only the header of the request", Expected: "the body, too", Mend: noBody.Mend})
		return nil
	}
	image, err := c.limits.Describe(candidate)
	if err != nil {
		return err
	}
	r.fact("image", "in the event: %s, %d x %d pixels, %d bytes",
		image.ContentType, image.Width, image.Height, candidate.Size)
	r.fact("name", "%s", image.Filename)
	return nil
}

var noBody = Finding{Fault: true, What: "the input has no body",
	Found:    "only the header of a request, as curl -v shows it",
	Expected: "the header and the body",
	Mend:     "Use curl --trace FILE instead of -v, or name the file with the body: --body FILE."}

// undecided is the finding about a header whose content type leaves open what the body is.
func (m *Message) undecided() Finding {
	contentType := m.Header.Get("Content-Type")
	if events.IsJSON(contentType) && contentType != "" {
		return noBody
	}
	f := Finding{Fault: true, What: "the event cannot be judged without its body",
		Found: fmt.Sprintf("Content-Type %.90q, which is neither that of an image nor JSON, and no body", contentType),
		Expected: "Content-Type application/json for a reference, that of an image such as image/jpeg, or " +
			"application/octet-stream",
		Mend: "Send the content type. " + noBody.Mend}
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		f.Mend = "curl sends this type with -d and --data-binary: add -H 'Content-Type: application/json' for a " +
			"reference, or that of the image. " + noBody.Mend
	}
	return f
}

// judge makes findings of the functions' verdict and the advice. Without an error from the functions, advice is a
// warning.
func (r *Report) judge(err error, advice []Finding, m *Message) {
	isInvalid := errors.Is(err, events.ErrInvalid)
	for _, f := range advice {
		f.Fault = isInvalid
		r.Findings = append(r.Findings, f)
	}
	if err == nil {
		return
	}
	refused := apierror.From(err)
	r.fact("answer", "of POST /upload: %d %s: %s", refused.Status, refused.Code, refused.Message)
	if isInvalid && len(advice) > 0 && !m.hasBrokenJSON() { // which says the same in more words
		return
	}
	f := Finding{Fault: true, What: withoutPrefix(refused.Message)}
	if refused.Found != nil {
		f.Found = fmt.Sprint(refused.Found)
	}
	if refused.Limit != nil {
		f.Expected = expectation(refused.Limit)
	}
	f.Mend = m.mend(refused)
	r.Findings = append(r.Findings, f)
}

// checkSize warns of data that is too large for a Broker.
func (r *Report) checkSize(m *Message, e event.Event) {
	size := m.size
	if data := e.Data(); len(data) > 0 {
		size = int64(len(data))
	}
	if size <= brokerBytes && r.Valid() && !(m.bodiless && size == 0) {
		r.fact("by Broker", "accepted: %d bytes of data, about %d at most", size, brokerBytes)
	}
	if size <= brokerBytes {
		return
	}
	r.Findings = append(r.Findings, Finding{What: "the event is too large for Knative's Broker for Kafka",
		Found: fmt.Sprintf("%d bytes of data", size), Expected: fmt.Sprintf("about %d at most", brokerBytes),
		Mend: "The Broker answers 503 however often it is sent. Store the image in a bucket and send a reference to it, " +
			"or send the event to POST /upload of the service in binary mode."})
}

// isBatch reports whether a message has several events, which the functions do not read.
func (m *Message) isBatch() bool {
	mediaType, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	return mediaType == mediaTypeBatch
}

const mediaTypeBatch = "application/cloudevents-batch+json"

// notEnveloped is the finding about a JSON object without any attribute of an event.
func notEnveloped(members []attribute) Finding {
	var names []string
	for _, a := range members[:min(len(members), 8)] {
		names = append(names, fmt.Sprintf("%.40q", a.name))
	}
	return Finding{What: "the JSON object is not an event", Found: "the members " + strings.Join(names, ", "),
		Expected: `"specversion", "type", "source", "id" and "data"`,
		Mend: `If this is the data of an event, make it the member "data" of one: {"specversion": "1.0", ` +
			`"type": "image.received", "source": "/camera/1", "id": "4711", "data": {...}}.`}
}

// notAnEvent is the finding about an HTTP message that is not meant to be an event.
func notAnEvent(m *Message) Finding {
	contentType := m.Header.Get("Content-Type")
	if m.isPlainJSON() {
		return plainJSON(contentType)
	}
	f := Finding{Fault: true, What: "the message is not an event",
		Found: fmt.Sprintf("Content-Type %.90q and no header Ce-Specversion", contentType),
		Expected: "headers Ce-Specversion, Ce-Type, Ce-Source and Ce-Id (binary mode), or " +
			"application/cloudevents+json (structured mode)",
		Mend: "Add the headers, or use an SDK: events/examples has an example for each.",
	}
	mediaType, _, _ := mime.ParseMediaType(contentType)
	switch mediaType {
	case mediaTypeBatch:
		f.What, f.Found, f.Expected = "the message is a batch of events", "a JSON array", "one event in a request"
		f.Mend = "Send each event in a request of its own."
	case "multipart/form-data":
		f.Mend = "A form is an upload: POST /upload accepts it as it is. " + f.Mend
	}
	return f
}

// notEvent is the finding about input that is in none of the forms that ReadMessage reads.
func notEvent(start []byte) Finding {
	f := Finding{Fault: true, What: "the input is not an event", Found: fmt.Sprintf("it begins with %.40q", start),
		Expected: "a JSON object, an HTTP request, or what curl --trace writes",
		Mend:     "Capture the request as it is sent, for example with curl --trace FILE, or with nc -l PORT > FILE."}
	header, err := raster.Probe(context.Background(), bytes.NewReader(start))
	switch {
	case err == nil:
		f.Found = "an image, " + header.Format.ContentType()
		f.Mend = "The image alone is an upload: POST /upload accepts it as it is. To check an event with it, " +
			"write its headers into a file, and name the image as its --body."
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		f.Found, f.Expected = "text in UTF-16", "UTF-8"
		f.Mend = "PowerShell's > writes UTF-16: use | Out-File -Encoding utf8NoBOM."
	case len(start) == 0:
		f.Found = "nothing"
	}
	return f
}
