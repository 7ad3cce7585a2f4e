package cloudevent

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

func TestReply(t *testing.T) {
	received := events.ImageReceived{Bucket: "scans", ObjectName: "ä.png"}
	want, err := events.Encode(received, events.Envelope{Source: "/me", ID: "7"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := Reply(w, binaryEvent(""), want); err != nil {
		t.Fatal(err)
	}
	if got, want := w.Header().Get("Ce-Dataref"), "s3://scans/%25C3%25A4.png"; got != want {
		t.Errorf("the dataref is sent as %q, want %q", got, want)
	}
	got, err := Parse(w.Header(), w.Body.Bytes())
	if err != nil || got.String() != want.String() || w.Code != http.StatusOK {
		t.Errorf("got %d, error %v:\n%v\nwant 200:\n%v", w.Code, err, got, want)
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
		t.Errorf("got %s %s, want another span of trace %s with a=b", traceparent, tracestate, parent)
	}
}
