package cloudevent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

const structuredType = "application/cloudevents+json"

// required begins a structured event with its required members.
const required = `{"specversion":"1.0","id":"1","source":"/me","type":"test"`

func request(body string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func binaryEvent(body string, more ...string) *http.Request {
	header := []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: /me", "Ce-Type: test"}
	return request(body, append(append(header, "Content-Type: application/json"), more...)...)
}

// structuredEvent is a valid event with the given members beside its required ones.
func structuredEvent(members string) *http.Request {
	return request(required+members+`}`, "Content-Type: "+structuredType)
}

func TestReceive(t *testing.T) {
	withCharset := structuredEvent(`,"datacontenttype":"application/json","data":{"a":1}`)
	withCharset.Header.Set("Content-Type", structuredType+"; charset=UTF-8")
	for name, r := range map[string]*http.Request{
		"binary":                  binaryEvent(`{"a":1}`),
		"binary, nameless header": binaryEvent(`{"a":1}`, "Ce-: x"),
		"binary, extension":       binaryEvent(`{"a":1}`, "Ce-Dataref: s3://a/b"),
		"structured":              structuredEvent(`,"datacontenttype":"application/json","data":{"a":1}`),
		"structured, charset":     withCharset,
		"structured, base64":      structuredEvent(`,"datacontenttype":"application/json","data_base64":"eyJhIjoxfQ=="`),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Receive(httptest.NewRecorder(), r, MaxEvent)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID() != "1" || got.Source() != "/me" || got.Type() != "test" || string(got.Data()) != `{"a":1}` {
				t.Errorf(`got %v, want event 1 of /me with {"a":1}`, got)
			}
		})
	}
}

func TestReceiveRefuses(t *testing.T) {
	without := func(name string) *http.Request { r := binaryEvent(`{}`); r.Header.Del(name); return r }
	unknownVersion := binaryEvent(`{}`, "Ce-X: y")
	unknownVersion.Header.Set("Ce-Specversion", "9.9")
	for name, r := range map[string]*http.Request{
		"not an event":        request(`{}`, "Content-Type: application/json"),
		"empty request":       request(``),
		"no specversion":      without("Ce-Specversion"),
		"no id":               without("Ce-Id"),
		"no source":           without("Ce-Source"),
		"no type":             without("Ce-Type"),
		"unknown specversion": unknownVersion,
		"time not a time":     binaryEvent(`{}`, "Ce-Time: yesterday"),
		"bad attribute name":  binaryEvent(`{}`, "Ce-Not_a_name: x"),
		"name with dashes":    binaryEvent(`{}`, "Ce-Fc-Checksum: x"),
		"structured name":     structuredEvent(`,"event_source":"x"`),
		"fraction":            structuredEvent(`,"ratio":1.5`),
		"integer of 64 bits":  structuredEvent(`,"sequence":12345678901`),
		"long integer":        structuredEvent(`,"sequence":` + strings.Repeat("1", 1000)),
		"exponent":            structuredEvent(`,"sequence":1e3`),
		"URL-safe base64":     structuredEvent(`,"data_base64":"_-8"`),
		"batch":               request(`[{"specversion":"1.0"}]`, "Content-Type: application/cloudevents-batch+json"),
		"batch of many": request("["+strings.Repeat(`{"specversion":"1.0"},`, 1<<20)+"{}]",
			"Content-Type: application/cloudevents-batch+json"),
		"truncated JSON":           request(`{"specversion":"1.0","id":"1"`, "Content-Type: "+structuredType),
		"not JSON":                 request(`hello`, "Content-Type: "+structuredType),
		"empty structure":          request(``, "Content-Type: "+structuredType),
		"attribute that is a list": structuredEvent(`,"x":[` + strings.Repeat("[],", 1<<20) + `[]]`),
		"attribute too long":       structuredEvent(`,"x":"` + strings.Repeat("x", MaxEvent) + `"`),
		"time too long":            structuredEvent(`,"time":"` + strings.Repeat("<", MaxEvent/2) + `"`),
		"too many attributes":      structuredEvent(manyAttributes(maxAttributes - 3)),
		"specversion twice":        structuredEvent(`,"specversion":"1.0"`),
		"structured time":          structuredEvent(`,"time":"yesterday"`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Receive(httptest.NewRecorder(), r, 8<<20)
			if !errors.Is(err, events.ErrInvalid) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 5000 {
				t.Errorf("got error %.1000v, want ErrInvalid on one short line", err)
			}
			if got := apierror.From(err); got.Status != http.StatusBadRequest || !got.Permanent() {
				t.Errorf("got status %d, permanent %t; want 400, permanent", got.Status, got.Permanent())
			}
		})
	}
}

// A refusal names what is wrong.
func TestReceiveRefusesByName(t *testing.T) {
	for want, r := range map[string]*http.Request{
		`"fc-checksum"`:                     binaryEvent(`{}`, "Ce-Fc-Checksum: x"),
		`"event_source"`:                    structuredEvent(`,"event_source":"x"`),
		`"ratio" is 1.5`:                    structuredEvent(`,"ratio":1.5`),
		"12345678901":                       structuredEvent(`,"sequence":12345678901`),
		"data_base64":                       structuredEvent(`,"data_base64":"_-8"`),
		"yesterday":                         binaryEvent(`{}`, "Ce-Time: yesterday"),
		`"Yesterday"`:                       structuredEvent(`,"time":"Yesterday"`),
		"id is a number, expected a string": structuredEvent(`,"id":7`),
		"subject is a boolean, expected a string": structuredEvent(`,"subject":true`),
		"time is an object, expected a string":    structuredEvent(`,"time":{}`),
		"byte 72 is not UTF-8":                    structuredEvent(`,"subject":"K` + "\xe4" + `se"`),
		"at byte 60":                              request(required+`,x}`, "Content-Type: "+structuredType),
		"batches":                                 request(`[]`, "Content-Type: application/cloudevents-batch+json"),
	} {
		t.Run(want, func(t *testing.T) {
			if _, err := Receive(httptest.NewRecorder(), r, MaxEvent); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %s", err, want)
			}
		})
	}
}

// Attributes arrive as they were sent, by senders that encode headers and by those that do not.
func TestReceiveAttributes(t *testing.T) {
	for name, test := range map[string]struct {
		r         *http.Request
		attribute string
		want      string
	}{
		"encoded":          {binaryEvent("", "Ce-X: %E2%98%83%20%2525"), "x", "☃ %25"},
		"raw UTF-8":        {binaryEvent("", "Ce-X: ☃ 100%"), "x", "☃ 100%"},
		"ISO-8859-1":       {binaryEvent("", "Ce-X: K\xe4se"), "x", "Käse"},
		"dataref, encoded": {binaryEvent("", "Ce-Dataref: s3://a/b%2520c"), "dataref", "s3://a/b%20c"},
		"dataref, raw":     {binaryEvent("", "Ce-Dataref: s3://a/b%20c"), "dataref", "s3://a/b%20c"},
		"structured":       {structuredEvent(`,"x":"a%20☃"`), "x", "a%20☃"},
		"small letters":    {binaryEvent("", "Ce-Time: 2024-05-01t10:00:00z"), "time", "2024-05-01T10:00:00Z"},
		"small letters, S": {structuredEvent(`,"time":"2024-05-01t10:00:00z"`), "time", "2024-05-01T10:00:00Z"},
		"small letters, S, b": {
			structuredEvent(`,"time":"2024-05-01t10:00:00z","data_base64":"AA=="`), "time", "2024-05-01T10:00:00Z",
		},
		"time with an offset": {binaryEvent("", "Ce-Time: 2024-05-01T10:00:00%2B05:30"), "time", "2024-05-01T04:30:00Z"},
		"capital in a name":   {structuredEvent(`,"iodebeziumtxId":"571"`), "iodebeziumtxid", "571"},
		"integer":             {structuredEvent(`,"sequence":-5`), "sequence", "-5"},
		"unset extension":     {structuredEvent(`,"sequence":null`), "sequence", "<nil>"},
		"unset time":          {structuredEvent(`,"time":null`), "time", "0001-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := Receive(httptest.NewRecorder(), test.r, MaxEvent)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(e.Extensions()[test.attribute])
			if test.attribute == "time" {
				got = e.Time().UTC().Format(time.RFC3339)
			}
			if got != test.want {
				t.Errorf("got %s %q, want %q", test.attribute, got, test.want)
			}
		})
	}
}

// Parse leaves the caller's request as it is: dead letters keep it.
func TestParseChangesNothing(t *testing.T) {
	header := binaryEvent("", "Ce-X: %20").Header
	body := []byte(required + `,"time":"2024-05-01t10:00:00z","data_base64":"AA=="}`)
	wantHeader, wantBody := header.Clone(), bytes.Clone(body)
	if _, err := Parse(header, nil); err != nil {
		t.Error(err)
	}
	if _, err := Parse(http.Header{"Content-Type": {structuredType}}, body); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(header, wantHeader) || !bytes.Equal(body, wantBody) {
		t.Errorf("Parse changed the header to %v, the body to %s", header, body)
	}
}

func manyAttributes(count int) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, `,"a%d":"x"`, i)
	}
	return text.String()
}

// Members are found wherever JSON may have space, escapes and brackets in strings.
func TestMembers(t *testing.T) {
	const object = " {\t\"a\" : \"}\\\\\\\"]\" ,\"\\u0062\":[{\"x\":\"]\"},[]]," +
		"\"c\":-1.5e3\n,\"d\":null,\"data_base64\":\"AA==\",\"e\":{}}  "
	var got []string
	err := eachMember([]byte(object), func(name string, value []byte) error {
		got = append(got, name+"="+string(value))
		return nil
	})
	want := []string{`a="}\\\"]"`, `b=[{"x":"]"},[]]`, "c=-1.5e3", "d=null", `data_base64="AA=="`, "e={}"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, error %v; want %q", got, err, want)
	}
	rest, err := rewrite([]byte(object))
	if err != nil || !json.Valid(rest) || strings.Contains(string(rest), dataBase64) || len(rest) < len(object)/2 {
		t.Errorf("without data: got %s, error %v; want the other members", rest, err)
	}
	for _, text := range []string{"", "[]", "null", `"{}"`, "{", `{"a"}`, "{}{}"} {
		t.Run("refused "+text, func(t *testing.T) {
			if err := eachMember([]byte(text), nil); !errors.Is(err, errNotObject) {
				t.Errorf("got error %v, want %v", err, errNotObject)
			}
		})
	}
}

// An event of a million short members is refused without a copy of it.
func TestMemberMemory(t *testing.T) {
	body := []byte(required + strings.Repeat(`,"a":1`, 1<<20) + "}")
	header := http.Header{"Content-Type": {structuredType}}
	result := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		for b.Loop() {
			if _, err := Parse(header, body); !errors.Is(err, events.ErrInvalid) {
				b.Errorf("got error %v, want ErrInvalid", err)
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 256<<10 {
		t.Errorf("refusing %d bytes took %d bytes of memory, want at most 256 KiB", len(body), got)
	}
}

func TestReceiveTooLarge(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", MaxEvent) + `"}`
	unknownLength := binaryEvent(long)
	unknownLength.ContentLength = -1
	for name, r := range map[string]*http.Request{"known length": binaryEvent(long), "unknown length": unknownLength} {
		t.Run(name, func(t *testing.T) {
			_, err := Receive(httptest.NewRecorder(), r, MaxEvent)
			if got := apierror.From(err); got.Status != http.StatusRequestEntityTooLarge || got.Limit != int64(MaxEvent) {
				t.Errorf("got %+v, want 413 with the limit", got)
			}
		})
	}
}

func TestIsEvent(t *testing.T) {
	for name, test := range map[string]struct {
		r    *http.Request
		want bool
	}{
		"binary":              {binaryEvent(""), true},
		"unknown specversion": {request("", "Ce-Specversion: 9.9"), true},
		"structured":          {request("", "Content-Type: "+structuredType), true},
		"batch":               {request("", "Content-Type: application/cloudevents-batch+json"), true},
		"image":               {request("", "Content-Type: image/jpeg"), false},
		"form":                {request("", "Content-Type: multipart/form-data; boundary=x"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := IsEvent(test.r); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("", "", `{}`)
	f.Add(structuredType, "", required+`,"data_base64":7,"data":8}`)
	f.Add("application/json", "1.0", `{"a":1}`)
	f.Add(structuredType, "", required+`,"data":{"a":1}}`)
	f.Add(structuredType, "", required+`,"data_base64":"AAAA","datacontenttype":"image/png"}`)
	f.Add(structuredType, "0.3",
		strings.Replace(required, "1.0", "0.3", 1)+`,"datacontentencoding":"base64","data":"AAAA"}`)
	f.Fuzz(func(t *testing.T, contentType, version, body string) {
		header := http.Header{
			"Content-Type": {contentType},
			"Ce-Id":        {"1"}, "Ce-Source": {"/me"}, "Ce-Type": {"test"}, "Ce-": {"x"}, "Ce-Time": {body},
		}
		if version != "" {
			header.Set("Ce-Specversion", version)
		}
		e, err := Parse(header, []byte(body))
		if err == nil {
			err = e.Validate()
		}
		if err != nil && (!errors.Is(err, events.ErrInvalid) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("got error %q, want ErrInvalid on one line", err)
		}
	})
}

func BenchmarkParseImage(b *testing.B) {
	body := []byte(required + `,"datacontenttype":"image/png","data_base64":"` +
		base64.StdEncoding.EncodeToString(make([]byte, 2<<20)) + `"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(http.Header{"Content-Type": {structuredType}}, body); err != nil {
			b.Fatal(err)
		}
	}
}
