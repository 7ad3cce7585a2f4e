package eventing

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/v2/binding"
)

func TestRetryable(t *testing.T) {
	for code, want := range map[int]bool{
		200: false, 202: false, 300: false, 301: false,
		400: false, 401: false, 403: false, 404: true, 408: true, 409: true, 413: false, 415: false, 422: false, 429: true,
		500: true, 502: true, 503: true, 504: true,
	} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			if got := Retryable(code); got != want {
				t.Errorf("got %t, want %t", got, want)
			}
		})
	}
}

// Without the workaround the SDK panics on this request.
func TestHTTPMessage(t *testing.T) {
	header := http.Header{
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/me"}, "Ce-Type": {"test"},
		"Ce-Region": {"eu"}, "Ce-": {"x"},
	}
	e, err := binding.ToEvent(t.Context(), HTTPMessage(header, io.NopCloser(strings.NewReader("data"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil || e.Extensions()["region"] != "eu" || string(e.Data()) != "data" {
		t.Errorf("got %v, %v; want the event with its extension and data", e, err)
	}
	if header.Get("Ce-") != "x" {
		t.Error("the caller's header was changed")
	}
}

func TestRecordMessage(t *testing.T) {
	record := &sarama.ConsumerMessage{Topic: "images", Offset: 7, Value: []byte("data")}
	for name, value := range map[string]string{
		"ce_specversion": "1.0", "CE_ID": "1", "ce_source": "/me", "ce_type": "test", "ce_region": "eu", "ce_": "x",
		"Content-Type": "text/plain",
	} {
		record.Headers = append(record.Headers, &sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
	}
	e, err := binding.ToEvent(t.Context(), RecordMessage(record))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil {
		t.Errorf("got an invalid event: %v", err)
	}
	if e.ID() != "1" || e.DataContentType() != "text/plain" || string(e.Data()) != "data" {
		t.Errorf("got %v, want event 1 with its data as text/plain", e)
	}
	if got := e.Extensions(); len(got) != 1 || got["region"] != "eu" {
		t.Errorf("got extensions %v, want region alone", got)
	}
}
