package cloudevent

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

const structured = "application/cloudevents+json"

func request(body string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func binaryEvent(body string, more ...string) *http.Request {
	return request(body, append([]string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: /me", "Ce-Type: test", "Content-Type: application/json"}, more...)...)
}

func TestReceive(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"binary":                          binaryEvent(`{"a":1}`),
		"binary with an unnamed header":   binaryEvent(`{"a":1}`, "Ce-: x"),
		"binary with an extension":        binaryEvent(`{"a":1}`, "Ce-Dataref: s3://a/b"),
		"structured":                      request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","datacontenttype":"application/json","data":{"a":1}}`, "Content-Type: "+structured),
		"structured with charset":         request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","datacontenttype":"application/json","data":{"a":1}}`, "Content-Type: "+structured+"; charset=UTF-8"),
		"structured with data in base 64": request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","datacontenttype":"application/json","data_base64":"eyJhIjoxfQ=="}`, "Content-Type: "+structured),
	} {
		e, err := Receive(httptest.NewRecorder(), r, MaxEvent)
		if err != nil || e.ID() != "1" || e.Source() != "/me" || e.Type() != "test" || string(e.Data()) != `{"a":1}` {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
}

func TestReceiveRefuses(t *testing.T) {
	without := func(name string) *http.Request { r := binaryEvent(`{}`); r.Header.Del(name); return r }
	for name, r := range map[string]*http.Request{
		"no event":                    request(`{}`, "Content-Type: application/json"),
		"nothing":                     request(``),
		"no specversion":              without("Ce-Specversion"),
		"no id":                       without("Ce-Id"),
		"no source":                   without("Ce-Source"),
		"no type":                     without("Ce-Type"),
		"unknown specversion":         binaryEvent(`{}`, "Ce-Specversion: 9.9", "Ce-X: y"),
		"a time that is none":         binaryEvent(`{}`, "Ce-Time: yesterday"),
		"a bad attribute name":        binaryEvent(`{}`, "Ce-Not_a_name: x"),
		"a batch":                     request(`[{"specversion":"1.0","id":"1","source":"/me","type":"test"}]`, "Content-Type: application/cloudevents-batch+json"),
		"broken JSON":                 request(`{"specversion":"1.0","id":"1"`, "Content-Type: "+structured),
		"no JSON":                     request(`hello`, "Content-Type: "+structured),
		"an empty structure":          request(``, "Content-Type: "+structured),
		"an attribute that is a list": request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","x":[`+strings.Repeat("[],", 1<<20)+`[]]}`, "Content-Type: "+structured),
		"an endless attribute":        request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","x":"`+strings.Repeat("x", MaxEvent)+`"}`, "Content-Type: "+structured),
		"an endless time":             request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","time":"`+strings.Repeat("<", MaxEvent/2)+`"}`, "Content-Type: "+structured),
		"specversion twice":           request(`{"specversion":"1.0","specversion":"1.0","id":"1","source":"/me","type":"test"}`, "Content-Type: "+structured),
		"a structure's time":          request(`{"specversion":"1.0","id":"1","source":"/me","type":"test","time":"yesterday"}`, "Content-Type: "+structured),
	} {
		if name == "unknown specversion" {
			r.Header.Set("Ce-Specversion", "9.9")
		}
		_, err := Receive(httptest.NewRecorder(), r, 8<<20)
		if !errors.Is(err, events.ErrInvalid) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 5000 {
			t.Errorf("%s: %.1000v; want ErrInvalid on one line, and not a long one", name, err)
		}
		if told := apierror.From(err); told.Status != http.StatusBadRequest || !told.Permanent() {
			t.Errorf("%s: answered %d, want 400", name, told.Status)
		}
	}
}

func TestReceiveTooLarge(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", MaxEvent) + `"}`
	unknownLength := binaryEvent(long)
	unknownLength.ContentLength = -1
	for name, r := range map[string]*http.Request{"length known": binaryEvent(long), "length not known": unknownLength} {
		_, err := Receive(httptest.NewRecorder(), r, MaxEvent)
		if told := apierror.From(err); told.Status != http.StatusRequestEntityTooLarge || told.Limit != int64(MaxEvent) {
			t.Errorf("%s: %+v, want 413 with the limit", name, told)
		}
	}
}

func TestIsEvent(t *testing.T) {
	for name, test := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"binary":      {binaryEvent(""), true},
		"bad version": {request("", "Ce-Specversion: 9.9"), true},
		"structured":  {request("", "Content-Type: "+structured), true},
		"batch":       {request("", "Content-Type: application/cloudevents-batch+json"), true},
		"image":       {request("", "Content-Type: image/jpeg"), false},
		"form":        {request("", "Content-Type: multipart/form-data; boundary=x"), false},
	} {
		if got := IsEvent(test.r); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestReply(t *testing.T) {
	e, err := events.Encode(events.ImageReceived{Bucket: "scans", ObjectName: "ä.png"}, events.Envelope{Source: "/me", ID: "7"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := Reply(w, binaryEvent(""), e); err != nil {
		t.Fatal(err)
	}
	got, err := Parse(w.Header(), w.Body.Bytes())
	if err != nil || got.String() != e.String() || w.Code != http.StatusOK {
		t.Errorf("replied %d:\n%v\n%v; want\n%v", w.Code, got, err, e)
	}
}

func TestContinue(t *testing.T) {
	parent := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e, err := Parse(binaryEvent("", "Ce-Traceparent: "+parent, "Ce-Tracestate: a=b").Header, nil)
	if err != nil {
		t.Fatal(err)
	}
	traceparent, tracestate := trace.Parent(Continue(t.Context(), e))
	if traceparent[:36] != parent[:36] || traceparent == parent || tracestate != "a=b" {
		t.Errorf("goes on as %s %s after %s; want another span of the trace", traceparent, tracestate, parent)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("", "", `{}`)
	f.Add(structured, "", `{"specversion":"1.0","id":"1","source":"/me","type":"test","data_base64":7,"data":8}`)
	f.Add("application/json", "1.0", `{"a":1}`)
	f.Add(structured, "", `{"specversion":"1.0","id":"1","source":"/me","type":"test","data":{"a":1}}`)
	f.Add(structured, "", `{"specversion":"1.0","id":"1","source":"/me","type":"test","data_base64":"AAAA","datacontenttype":"image/png"}`)
	f.Add(structured, "0.3", `{"specversion":"0.3","id":"1","source":"/me","type":"test","datacontentencoding":"base64","data":"AAAA"}`)
	f.Fuzz(func(t *testing.T, contentType, version, body string) {
		header := http.Header{"Content-Type": {contentType}, "Ce-Id": {"1"}, "Ce-Source": {"/me"}, "Ce-Type": {"test"}, "Ce-": {"x"}, "Ce-Time": {body}}
		if version != "" {
			header.Set("Ce-Specversion", version)
		}
		e, err := Parse(header, []byte(body))
		if err == nil {
			err = e.Validate()
		}
		if err != nil && (!errors.Is(err, events.ErrInvalid) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q", err)
		}
	})
}

func BenchmarkParseImage(b *testing.B) {
	body := []byte(`{"specversion":"1.0","id":"1","source":"/me","type":"test","datacontenttype":"image/png","data_base64":"` +
		base64.StdEncoding.EncodeToString(make([]byte, 2<<20)) + `"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(http.Header{"Content-Type": {structured}}, body); err != nil {
			b.Fatal(err)
		}
	}
}
