package check_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/upload/check"
)

const sample = "../../../docs/images/sample.jpg"

func readSample(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// checkText checks a message, and returns the report as text.
func checkText(t *testing.T, message io.Reader) (report check.Report, text string) {
	t.Helper()
	m, err := check.ReadMessage(message)
	if err != nil {
		t.Fatalf("ReadMessage: got %v, want no error", err)
	}
	return write(t, m)
}

func write(t *testing.T, m *check.Message) (report check.Report, text string) {
	t.Helper()
	checker, err := check.New(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	report = checker.Check(m)
	var out strings.Builder
	if err := report.Write(&out); err != nil {
		t.Fatal(err)
	}
	return report, out.String()
}

const attributes = "Ce-Specversion: 1.0\r\nCe-Type: image.received\r\nCe-Source: /camera/1\r\nCe-Id: 4711\r\n"

// request returns an HTTP request with header lines and a body.
func request(lines string, body []byte) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", lines, len(body), body)
}

// structured returns an event with some members after the usual ones.
func structured(members string) string {
	return `{"specversion": "1.0", "type": "image.received", "source": "/camera/1", "id": "4711", ` + members + `}`
}

// notification is what S3 reports about a new object.
const notification = `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"inbox"},` +
	`"object":{"key":"2026%2Fa+b.png","eTag":"e"}}}]}`

// The image ID of /camera/1 and 4711, as the README's example has it.
const imageID = "055c7d00-61a7-5eb1-ba14-d4e5cabf04d9"

// Valid events in all forms of input say what the service makes of them.
func TestValid(t *testing.T) {
	image := readSample(t)
	lines := attributes + "Content-Type: image/jpeg\r\nCe-Subject: photo.jpg\r\n"
	described := []string{imageID, "image/jpeg, 1600 x 1067 pixels, 56320 bytes", "photo.jpg", "valid\n"}
	inline := `"subject": "photo.jpg", "datacontenttype": "image/jpeg", "data_base64": "` +
		base64.StdEncoding.EncodeToString(image) + `"`
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(image), image)
	for _, row := range []struct {
		name, message string
		want          []string
	}{
		{"request", request(lines, image), described},
		{"request of HTTP/2", strings.Replace(request(strings.ToLower(lines), image), "HTTP/1.1", "HTTP/2", 1), described},
		{"request in chunks", "POST / HTTP/1.1\r\n" + lines + "Transfer-Encoding: chunked\r\n\r\n" + chunked, described},
		{"header lines and body", strings.ReplaceAll(lines, "\r\n", "\n") + "\n" + string(image), described},
		{"curl --trace", trace(request(lines, nil)[:len(request(lines, nil))-len("Content-Length: 0\r\n\r\n")]+
			fmt.Sprintf("Content-Length: %d\r\n\r\n", len(image)), string(image)), described},
		{"structured", structured(inline), described},
		{"structured, as a request", request("Content-Type: application/cloudevents+json\r\n", []byte(structured(inline))),
			described},
		{"reference", structured(`"data": {"bucket": "scans", "object_name": "2026/Zürich.jpg"}`),
			[]string{imageID, `the object "2026/Zürich.jpg" in the bucket "scans"`, "SOURCE_BUCKETS", "valid\n"}},
		{"dataref", structured(`"dataref": "s3://scans/2026/Z%C3%BCrich.jpg"`),
			[]string{imageID, `the object "2026/Zürich.jpg" in the bucket "scans"`, "valid\n"}},
		{"sweep", strings.Replace(structured(`"data": {}`), "image.received", "image.sweep", 1),
			[]string{"POST / of upload", "valid\n"}},
		{"notification in binary mode", request(strings.Replace(attributes, "image.received",
			"com.amazon.s3.objectcreated", 1)+"Content-Type: application/json\r\n", []byte(notification)),
			[]string{"a notification of a bucket: POST / accepts it", "1 new",
				`"2026/a b.png" in the bucket "inbox"`, "valid\n"}},
		{"notification without a content type", request(strings.Replace(attributes, "image.received",
			"dev.knative.kafka.event", 1), []byte(notification)), []string{"a notification of a bucket", "valid\n"}},
		{"notification in structured mode", strings.Replace(structured(`"data": `+notification), "image.received",
			"com.amazon.s3.objectcreated", 1), []string{"a notification of a bucket", "valid\n"}},
		{"plain notification", request("Content-Type: application/json\r\n", []byte(notification)),
			[]string{"a notification of a bucket", "SOURCE_BUCKETS", "valid\n"}},
		{"plain notification, JSON alone", notification, []string{"a notification of a bucket", "valid\n"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			report, text := checkText(t, strings.NewReader(row.message))
			if !report.Valid() || len(report.Findings) != 0 {
				t.Errorf("got %d findings, want none", len(report.Findings))
			}
			wantAll(t, text, row.want)
		})
	}
}

func wantAll(t *testing.T, text string, wanted []string) {
	t.Helper()
	unwrapped := strings.Join(strings.Fields(text), " ")
	for _, want := range wanted {
		if !strings.Contains(unwrapped, strings.TrimSpace(want)) {
			t.Errorf("%q is not in the report:\n%s", want, text)
		}
	}
}

// trace returns what curl --trace writes for a request.
func trace(header, body string) string {
	var text strings.Builder
	text.WriteString("== Info:   Trying 127.0.0.1:8080...\n")
	section := func(title, content string) {
		fmt.Fprintf(&text, "%s, %d bytes (0x%x)\n", title, len(content), len(content))
		for at := 0; at < len(content); at += 16 {
			row := []byte(content[at:min(at+16, len(content))])
			printable := bytes.Map(func(r rune) rune {
				if r < ' ' || r > '~' {
					return '.'
				}
				return r
			}, row)
			fmt.Fprintf(&text, "%04x: %-48s%s\n", at, fmt.Sprintf("% x", row), printable)
		}
	}
	section("=> Send header", header)
	section("=> Send data", body)
	section("<= Recv header", "HTTP/1.1 200 OK\r\n")
	section("<= Recv data", `{"image_id": "x"}`)
	return text.String()
}

// verbose returns what curl -v writes of a request with a content type and more lines.
func verbose(contentType, more string) string {
	return "*   Trying 127.0.0.1:8080...\n> POST / HTTP/1.1\n> Host: x\n> " +
		strings.ReplaceAll(attributes, "\r\n", "\n> ") + "Content-Type: " + contentType + "\n> Content-Length: 40\n" +
		more + "> \n* upload completely sent off: 40 bytes\n< HTTP/1.1 400 Bad Request\n"
}

// meter is what curl writes before the output of -v if that is not a terminal.
const meter = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n" +
	"                                 Dload  Upload   Total   Spent    Left  Speed\n" +
	"\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"

// Each fault is found, with what was found and how to mend it.
func TestFaults(t *testing.T) {
	image := readSample(t)
	encoded := base64.StdEncoding.EncodeToString(image)
	reference := `"data": {"bucket": "scans", "object_name": "a.jpg"}`
	for _, row := range []struct {
		name, message string
		want          []string
	}{
		{"nothing", "", []string{"the input is not an event", "found nothing"}},
		{"image alone", string(image), []string{"an image, image/jpeg", "--body"}},
		{"UTF-16", "\xff\xfe{\x00}\x00", []string{"UTF-16", "utf8NoBOM"}},
		{"text", "hello", []string{`it begins with "hello"`, "curl --trace"}},
		{"plain upload", request("Content-Type: image/jpeg\r\n", image),
			[]string{"the message is not an event", `Content-Type "image/jpeg"`, "Ce-Specversion"}},
		{"form", request("Content-Type: multipart/form-data; boundary=x\r\n", []byte("--x--")),
			[]string{"the message is not an event", "A form is an upload"}},
		{"batch", "[" + structured(reference) + "]", []string{"a batch of events", "a request of its own"}},
		{"data alone", `{"bucket": "scans", "object_name": "a.jpg"}`,
			[]string{"the JSON object is not an event", `"bucket", "object_name"`, `the member "data"`, "1 fault"}},
		{"no id, wrong type, and a wrong name",
			`{"specversion": "1.0", "type": "image.recieved", "source": "/x", "trace_id": "1", ` + reference + `}`,
			[]string{"the event has no id", `"image.recieved"`, "Rename the attribute: traceid.", "3 faults"}},
		{"no source in binary mode", request(strings.Replace(attributes, "Ce-Source: /camera/1\r\n", "", 1)+
			"Content-Type: image/jpeg\r\n", image), []string{"the event has no source", "Ce-Source: /camera/1", "1 fault"}},
		{"specversion", strings.Replace(structured(reference), `"1.0"`, `"2.0"`, 1),
			[]string{`member "specversion" with "2.0"`}},
		{"time", structured(`"time": "2026-01-31 12:00", ` + reference),
			[]string{"attribute time is malformed", "RFC 3339"}},
		{"object as an attribute", structured(`"trace": {"a": 1}, ` + reference),
			[]string{"attribute trace", "Move it into data"}},
		{"no data", structured(`"subject": "a.jpg"`), []string{"neither data nor a dataref", `"object_name"`}},
		{"bucket", structured(`"data": {"bucket": "My Scans", "object_name": "a.jpg"}`),
			[]string{`bucket is "My Scans"`, "3 to 63"}},
		{"dataref of another scheme", structured(`"dataref": "https://example.com/a.jpg"`), []string{"s3://bucket/key"}},
		{"base64 in data", structured(`"datacontenttype": "image/jpeg", "data": "` + encoded + `"`),
			[]string{"not_an_image", "Put the base64 into the member data_base64"}},
		{"JSON syntax", strings.Replace(structured(`"time": "now", `+reference), `"data"`, `data`, 1),
			[]string{"at byte 102", "attribute time is malformed", "jq", "2 faults"}},
		{"number as id", strings.Replace(structured(reference), `"4711"`, "7", 1),
			[]string{"id is a number, expected a string", "quotation marks", "1 fault"}},
		{"no object_name", structured(`"data": {"bucket": "scans"}`),
			[]string{"object_name is missing or empty, expected 1 to", "the member bucket", "1 fault"}},
		{"empty object_name", structured(`"data": {"bucket": "scans", "object_name": ""}`),
			[]string{"object_name is missing or empty, expected 1 to", "1 fault"}},
		{"coding", request(attributes+"Content-Type: image/jpeg\r\nContent-Encoding: gzip\r\n", image),
			[]string{"of POST /upload: 415 unsupported_coding", "expected identity", "without Content-Encoding", "1 fault"}},
		{"broken base64", structured(`"datacontenttype": "image/jpeg", "data_base64": "%"`),
			[]string{"data_base64 is not base64"}},
		{"image declared as JSON", request(attributes+"Content-Type: application/json\r\n", image[:1000]),
			[]string{"The body is an image", "image/jpeg"}},
		{"not an image", request(attributes+"Content-Type: image/jpeg\r\n", []byte("%PDF-1.7 ............")),
			[]string{"415 unsupported", "Convert the image", "image.failed gives the reason"}},
		{"byte order mark", "\xef\xbb\xbf" + structured(reference), []string{"Remove the byte order mark"}},
		{"incomplete body", request(attributes+"Content-Type: image/jpeg\r\n", image)[:1000],
			[]string{"the body is incomplete", "Content-Length 56320"}},
		{"incomplete chunks", "POST / HTTP/1.1\r\n" + attributes + "Transfer-Encoding: chunked\r\n\r\n10\r\nabc",
			[]string{"the body is incomplete"}},
		{"curl --trace-ascii", "=> Send header, 20 bytes (0x14)\n0000: POST / HTTP/1.1\n",
			[]string{"--trace-ascii does not"}},
		{"curl -v without the data", "* Connected\n> POST / HTTP/1.1\n> Content-Type: application/cloudevents+json\n> \n",
			[]string{"the input has no body", "--body FILE"}},
		{"curl -sv -d", verbose("application/x-www-form-urlencoded", ""),
			[]string{"cannot be judged without its body", "-H 'Content-Type: application/json'", "1 fault"}},
		{"curl -v without a content type", strings.Replace(verbose("x", ""), "> Content-Type: x\n", "", 1),
			[]string{"cannot be judged without its body"}},
		{"curl -v of JSON, and a faulty attribute", verbose("application/json", "> Ce-My-Ext: 1\n"),
			[]string{"the input has no body", "Rename the attribute: myext.", "2 faults"}},
		{"curl -v of a form, and a faulty attribute", verbose("application/x-www-form-urlencoded", "> Ce-My-Ext: 1\n"),
			[]string{"cannot be judged", "Rename the attribute: myext.", "2 faults"}},
		{"curl -v, redirected", meter + verbose("application/json", ""), []string{"/camera/1", "the input has no body"}},
		{"notification of a malformed key", strings.Replace(notification, "2026%2F", "%2F%2F", 1),
			[]string{"the notification is malformed", "object_name"}},
		{"plain JSON", request("Content-Type: application/json\r\n", []byte(`{"a": 1}`)),
			[]string{"neither an event nor a notification", "Ce-Specversion"}},
		{"notification with image.received", structured(`"data": ` + notification), []string{"400 invalid_event", "bucket"}},
		{"no header", "POST / HTTP/1.1\r\nno colon\r\n\r\n", []string{"not that of an HTTP message"}},
		{"long header", "Ce-Id: " + strings.Repeat("x", 70000), []string{"the header is too long"}},
		{"large structured event", structured(`"datacontenttype": "image/jpeg", "data_base64": "` +
			strings.Repeat("A", 9<<20) + `"`), []string{"413 too_many_bytes", "binary mode", "too large for Knative's Broker"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			report, text := checkText(t, strings.NewReader(row.message))
			if report.Valid() {
				t.Errorf("got a valid event, want faults:\n%s", text)
			}
			wantAll(t, text, append(row.want, "not valid: "))
		})
	}
}

// What may go wrong on the way is a warning: the function accepts the event.
func TestWarnings(t *testing.T) {
	image := readSample(t)
	lines := attributes + "Content-Type: image/jpeg\r\n"
	reference := `"data": {"bucket": "scans", "object_name": "a.jpg"}`
	for _, row := range []struct{ name, message, want string }{
		{"percent sign", strings.Replace(structured(reference), "4711", "a%20b", 1), "source or id has a percent sign"},
		{"letters in structured mode", structured(`"subject": "фото.jpg", ` + reference), "in structured mode"},
		{"letters in a header", request(lines+"Ce-Subject: фото.jpg\r\n", image), "is not percent-encoded"},
		{"space in a header", request(lines+"Ce-Subject: my photo.jpg\r\n", image), "is not percent-encoded"},
		{"Ce-Id twice", request(lines+"Ce-Id: 4712\r\n", image), "the attribute id is sent more than once"},
		{"no body", lines, "the image was not checked"},
		{"curl -v", "* Connected\n> POST / HTTP/1.1\n> " +
			strings.ReplaceAll(lines, "\r\n", "\n> ") + "\n", "was not checked"},
		{"curl -v, redirected", meter + verbose("image/jpeg", ""), "was not checked"},
		{"curl -v -X", "Note: Unnecessary use of -X or --request, POST is already inferred.\n" + verbose("image/jpeg", ""),
			"was not checked"},
		{"no length", "POST / HTTP/1.1\r\n" + lines + "\r\n" + string(image), "the length of the body is not given"},
		{"large for a Broker", request(lines, append(bytes.Clone(image), make([]byte, 1<<20)...)), "send a reference"},
	} {
		t.Run(row.name, func(t *testing.T) {
			report, text := checkText(t, strings.NewReader(row.message))
			if !report.Valid() || len(report.Findings) != 1 {
				t.Errorf("got %d findings, valid %v; want one warning", len(report.Findings), report.Valid())
			}
			wantAll(t, text, []string{row.want, "valid, 1 warning"})
		})
	}
}

// The body may come from elsewhere than the header, or the message from a response.
func TestBody(t *testing.T) {
	image := readSample(t)
	m, err := check.ReadMessage(strings.NewReader(attributes + "Content-Type: image/jpeg\r\n"))
	if err == nil {
		err = m.ReplaceBody(bytes.NewReader(image))
	}
	if err != nil {
		t.Fatal(err)
	}
	_, text := write(t, m)
	wantAll(t, text, []string{"1600 x 1067", "valid"})

	response := &http.Response{Header: http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}},
		Body: io.NopCloser(strings.NewReader(structured(`"dataref": "s3://scans/a.jpg"`)))}
	if m, err = check.FromResponse(response); err != nil {
		t.Fatal(err)
	}
	_, text = write(t, m)
	wantAll(t, text, []string{`"a.jpg" in the bucket "scans"`, "valid"})
}

// Long input is never held as a whole, and terminals see no control characters.
func TestHostileInput(t *testing.T) {
	const size, most = 1 << 30, 100 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	header := attributes + fmt.Sprintf("Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n", size)
	_, text := checkText(t, io.MultiReader(strings.NewReader(header), io.LimitReader(zeros{}, size)))
	runtime.ReadMemStats(&after)
	wantAll(t, text, []string{"413 too_many_bytes"})
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most {
		t.Errorf("allocated %d bytes for a message of %d, want at most %d", allocated, size, most)
	}

	_, text = checkText(t, strings.NewReader(structured(`"subject": "\u001b[2J\u202e.jpg"`)))
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("got %q, want no control characters", text)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(request(attributes+"Content-Type: image/jpeg\r\n", []byte("\xff\xd8"))))
	f.Add([]byte(structured(`"data": {"bucket": "scans", "object_name": "a.jpg"}`)))
	f.Add([]byte(trace("POST / HTTP/1.1\r\n"+attributes+"\r\n", "{}")))
	f.Add([]byte("> POST / HTTP/1.1\n> Ce-Id: 1\n>\n"))
	checker, err := check.New(func(string) string { return "" })
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		m, err := check.ReadMessage(bytes.NewReader(input))
		if err != nil {
			t.Fatalf("ReadMessage: got %v, want a finding instead", err)
		}
		report := checker.Check(m)
		if len(report.Findings) == 0 && len(report.Facts) == 0 {
			t.Error("got an empty report")
		}
		if err := report.Write(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
