package events_test

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
)

var envelope = events.Envelope{
	Source:      events.SourceUpload,
	ID:          "scans/7f3a@1",
	Time:        time.Date(2026, 1, 1, 0, 0, 0, 250e6, time.UTC),
	TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	TraceState:  "vendor=1, other=2",
}

func TestEncode(t *testing.T) {
	e := encode(t, events.ImageUploaded{
		ImageID: imageID, ObjectName: imageID + "/Zürich 100%.jpg", Filename: "Zürich 100%.jpg", Timestamp: 1767225600.25,
		Bucket: "images",
	}, envelope)
	wantAttributes(t, e, map[string]string{
		"specversion": "1.0", "type": "image.uploaded", "source": "/image-service/upload", "id": "scans/7f3a@1",
		"time": "2026-01-01T00:00:00.25Z", "subject": imageID, "datacontenttype": "application/json", "partitionkey": imageID,
		"dataref":     "s3://images/" + imageID + "/Z%C3%BCrich%20100%25.jpg",
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "vendor=1, other=2",
	})
	got := string(e.Data())
	want := `{"image_id":"` + imageID + `","object_name":"` + imageID + `/Zürich 100%.jpg","filename":"Zürich 100%.jpg",` +
		`"timestamp":1767225600.25,"bucket":"images"}`
	if got != want {
		t.Errorf("data = %s, want %s", got, want)
	}
}

func TestEncodeDefaults(t *testing.T) {
	before := time.Now()
	failed := events.ImageFailed{
		ImageID: imageID, Reason: events.ReasonTooManyBytes, Error: "60 MB, 50 MB at most", ProcessedAt: 1767225600.25,
	}
	e := encode(t, failed, events.Envelope{Source: events.SourceThumbnail})
	if e.Time().Before(before.Truncate(0)) || e.Time().After(time.Now()) {
		t.Errorf("time = %v, want now", e.Time())
	}
	e.SetTime(envelope.Time)
	wantAttributes(t, e, map[string]string{
		"specversion": "1.0", "type": "image.failed", "source": "/image-service/thumbnail", "id": "image.failed/" + imageID,
		"time": "2026-01-01T00:00:00.25Z", "subject": imageID, "datacontenttype": "application/json", "partitionkey": imageID,
	})
}

func TestEncodeTrace(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	tests := []struct{ parent, state, wantParent, wantState string }{
		{parent, "", parent, ""},
		{parent, "a=1", parent, "a=1"},
		{parent, "a=1\r\nce-type: b", parent, ""},
		{parent, " a=1", parent, ""},
		{parent, strings.Repeat("a", 513), parent, ""},
		{"", "a=1", "", ""},
		{strings.ToUpper(parent), "a=1", "", ""},
		{parent + "\n", "a=1", "", ""},
		{"garbage", "a=1", "", ""},
	}
	for _, tt := range tests {
		t.Run(clip(tt.parent+" "+tt.state), func(t *testing.T) {
			e := encode(t, kinds[1].payload, events.Envelope{Source: "/x", TraceParent: tt.parent, TraceState: tt.state})
			parent, _ := e.Extensions()[events.TraceParent].(string)
			state, _ := e.Extensions()[events.TraceState].(string)
			if parent != tt.wantParent || state != tt.wantState {
				t.Errorf("traceparent, tracestate = %q, %q, want %q, %q", parent, state, tt.wantParent, tt.wantState)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	uploaded := func(change func(*events.ImageUploaded)) events.Payload {
		p := kinds[1].payload.(events.ImageUploaded)
		change(&p)
		return p
	}
	received, good := kinds[0].payload, kinds[1].payload
	tests := []struct {
		name     string
		payload  events.Payload
		envelope events.Envelope
		fault    string
	}{
		{"no source", good, events.Envelope{}, "source: REQUIRED"},
		{"bad source", good, events.Envelope{Source: "http://[\n"}, "source: "},
		{"source not ASCII", good, events.Envelope{Source: "/x?ü"}, "source is"},
		{"no id", received, events.Envelope{Source: "/x"}, "id: MUST be a non-empty string"},
		{"id with a space", received, events.Envelope{Source: "/x", ID: "a b"}, "id is"},
		{"id not ASCII", received, events.Envelope{Source: "/x", ID: "ü"}, "id is"},
		{"id with a line break", received, events.Envelope{Source: "/x", ID: "a\r\nce-type: b"}, "id is"},
		{"huge id", received, events.Envelope{Source: "/x", ID: strings.Repeat("ü", 1<<20)}, "id is"},
		{"NaN", uploaded(func(p *events.ImageUploaded) { p.Timestamp = math.NaN() }), envelope, "timestamp is NaN"},
		{"infinity", uploaded(func(p *events.ImageUploaded) { p.Timestamp = math.Inf(1) }), envelope, "timestamp is +Inf"},
		{"minus infinity", uploaded(func(p *events.ImageUploaded) { p.Timestamp = math.Inf(-1) }), envelope,
			"timestamp is -Inf"},
		{"key not UTF-8", events.ImageReceived{Bucket: "scans", ObjectName: "a\xff"}, envelope, "object_name is"},
		{"nothing", events.ImageThumbnailed{}, envelope, "image_id is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := events.Encode(tt.payload, tt.envelope)
			checkInvalid(t, err, tt.fault)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	data := func(json string) func(*event.Event) { return func(e *event.Event) { e.DataEncoded = []byte(json) } }
	tests := []struct {
		name   string
		change func(*event.Event)
		fault  string
	}{
		{"nothing", func(e *event.Event) { *e = event.Event{} }, "specversion: "},
		{"no id", func(e *event.Event) { e.SetID("") }, "id: "},
		{"no source", func(e *event.Event) { e.SetSource("") }, "source: "},
		{"no type", func(e *event.Event) { e.SetType("") }, "type: "},
		{"another type", func(e *event.Event) { e.SetType(events.TypeImageReceived) }, `type is "image.received"`},
		{"type in upper case", func(e *event.Event) { e.SetType("IMAGE.UPLOADED") }, `type is "IMAGE.UPLOADED"`},
		{"huge type", func(e *event.Event) { e.SetType(strings.Repeat("ü", 1<<20)) }, `type is "ü`},
		{"an image as data", func(e *event.Event) { e.SetDataContentType("image/jpeg") }, `datacontenttype is "image/jpeg"`},
		{"no media type", func(e *event.Event) { e.SetDataContentType("json\r\n") }, "datacontenttype is"},
		{"huge media type", func(e *event.Event) { e.SetDataContentType(strings.Repeat("x", 1<<20)) }, "datacontenttype is"},
		{"no data", func(e *event.Event) { e.DataEncoded = nil }, "data: unexpected end of JSON input"},
		{"half of the data", func(e *event.Event) { e.DataEncoded = e.DataEncoded[:40] },
			"data: unexpected end of JSON input"},
		{"two values", func(e *event.Event) { e.DataEncoded = append(e.DataEncoded, "{}"...) }, "data: invalid character"},
		{"null", data("null"), "image_id is"},
		{"a list", data("[]"), "data: it is a JSON array"},
		{"text", data(`"{}"`), "data: it is a JSON string"},
		{"NaN", data(`{"timestamp": NaN}`), "data: invalid character 'N'"},
		{"byte order mark", data("\ufeff{}"), "data: invalid character"},
		{"Latin-1", data("{\"filename\": \"Z\xfcrich.jpg\"}"), "data is not UTF-8"},
		{"line break in a string", data("{\"filename\": \"a\nb\"}"), `data: invalid character '\n'`},
		{"deeper than anybody writes", data(strings.Repeat("[", 1<<20)), "data: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := encode(t, kinds[1].payload, envelope)
			tt.change(&e)
			_, err := events.Decode[events.ImageUploaded](e)
			checkInvalid(t, err, tt.fault)
		})
	}
}

// TestDecodeTask keeps the promise to producers of the original system's tasks.
func TestDecodeTask(t *testing.T) {
	task := `{"image_id": "` + imageID + `", "object_name": "` + imageID + `/photo.jpg", "filename": "photo.jpg", ` +
		`"timestamp": 1699999999.123456}`
	want := events.ImageUploaded{
		ImageID: imageID, ObjectName: imageID + "/photo.jpg", Filename: "photo.jpg", Timestamp: 1699999999.123456,
	}
	got, err := events.Decode[events.ImageUploaded](dataEvent(events.TypeImageUploaded, []byte(task)))
	if err != nil || got != want {
		t.Errorf("Decode = %+v, %v, want %+v", got, err, want)
	}
	// A KafkaSource makes an event of a record that is not one: with a type of its own and without a content type.
	plain := dataEvent("dev.knative.kafka.event", []byte(task))
	plain.SetDataContentType("")
	got = events.ImageUploaded{}
	if err := events.DecodeData(plain, &got); err != nil || got != want {
		t.Errorf("DecodeData = %+v, %v, want %+v", got, err, want)
	}
}

func TestIsJSON(t *testing.T) {
	tests := map[string]bool{
		"": true, "application/json": true, "Application/JSON; charset=utf-8": true, "text/json": true,
		"application/ld+json": true,
		"image/jpeg":          false, "text/plain": false, "application/jsonp": false, "application/json, text/plain": false,
		"json": false, ";": false,
	}
	for contentType, want := range tests {
		if got := events.IsJSON(contentType); got != want {
			t.Errorf("IsJSON(%q) = %t, want %t", contentType, got, want)
		}
	}
}

func TestIsImageID(t *testing.T) {
	tests := map[string]bool{
		imageID: true, "": false, strings.ToUpper(imageID): false, imageID + "\n": false, " " + imageID: false,
		strings.ReplaceAll(imageID, "-", ""): false, "{" + imageID + "}": false, imageID + "/..": false,
	}
	for text, want := range tests {
		if got := events.IsImageID(text); got != want {
			t.Errorf("IsImageID(%q) = %t, want %t", text, got, want)
		}
	}
}

func encode(tb testing.TB, payload events.Payload, envelope events.Envelope) event.Event {
	tb.Helper()
	e, err := events.Encode(payload, envelope)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// attributes returns those of an event, as text.
func attributes(e event.Event) map[string]string {
	all := map[string]string{
		"specversion": e.SpecVersion(), "type": e.Type(), "source": e.Source(), "id": e.ID(), "subject": e.Subject(),
		"time": e.Time().Format(time.RFC3339Nano), "datacontenttype": e.DataContentType(), "dataschema": e.DataSchema(),
	}
	for name, value := range e.Extensions() {
		all[name] = fmt.Sprint(value)
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return all
}

func wantAttributes(t *testing.T, e event.Event, want map[string]string) {
	t.Helper()
	if got := attributes(e); !maps.Equal(got, want) {
		t.Errorf("attributes = %q, want %q", got, want)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.payload.EventType(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := events.Encode(k.payload, envelope); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.payload.EventType(), func(b *testing.B) {
			e := encode(b, k.payload, envelope)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.decode(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
