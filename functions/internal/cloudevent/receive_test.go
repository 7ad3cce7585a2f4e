package cloudevent

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
		"not an event":             request(`{}`, "Content-Type: application/json"),
		"empty request":            request(``),
		"no specversion":           without("Ce-Specversion"),
		"no id":                    without("Ce-Id"),
		"no source":                without("Ce-Source"),
		"no type":                  without("Ce-Type"),
		"unknown specversion":      unknownVersion,
		"time not a time":          binaryEvent(`{}`, "Ce-Time: yesterday"),
		"bad attribute name":       binaryEvent(`{}`, "Ce-Not_a_name: x"),
		"batch":                    request(`[{"specversion":"1.0"}]`, "Content-Type: application/cloudevents-batch+json"),
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

func manyAttributes(count int) string {
	var text strings.Builder
	for i := range count {
		fmt.Fprintf(&text, `,"a%d":"x"`, i)
	}
	return text.String()
}

// Members are found wherever JSON may have space, escapes and brackets in strings.
func TestMembers(t *testing.T) {
	const object = " {\t\"a\" : \"}\\\\\\\"]\" ,\"\\u0062\":[{\"x\":\"]\"},[]],\"c\":-1.5e3\n,\"d\":null,\"data_base64\":\"AA==\",\"e\":{}}  "
	var got []string
	err := eachMember([]byte(object), func(name string, value []byte) error {
		got = append(got, name+"="+string(value))
		return nil
	})
	want := []string{`a="}\\\"]"`, `b=[{"x":"]"},[]]`, "c=-1.5e3", "d=null", `data_base64="AA=="`, "e={}"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, error %v; want %q", got, err, want)
	}
	rest, err := without([]byte(object), dataBase64)
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
