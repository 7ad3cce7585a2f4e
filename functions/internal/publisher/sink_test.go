package publisher

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func settingsOf(t *testing.T, getenv func(string) string) Settings {
	t.Helper()
	r := config.NewReader(getenv)
	settings := ReadSettings(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return settings
}

// openSink publishes at a server and adds an extension.
func openSink(t *testing.T, url string) Publisher {
	t.Helper()
	publisher := Open(settingsOf(t, func(name string) string {
		return map[string]string{"K_SINK": url, "K_CE_OVERRIDES": `{"extensions":{"region":"eu"}}`}[name]
	}))
	t.Cleanup(func() { publisher.Close() })
	return publisher
}

func newEvent(t *testing.T) event.Event {
	t.Helper()
	const (
		id     = "0d9f4f3a-8a43-4a3c-9f1e-2f6f0f6f5a11"
		name   = "Ärger ☃.jpg"
		parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	)
	e, err := events.Encode(
		events.ImageUploaded{
			ImageID: id, Bucket: "images", ObjectName: id + "/" + name, Filename: name, Timestamp: 1699999999.5,
		},
		events.Envelope{Source: events.SourceUpload, TraceParent: parent})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSink(t *testing.T) {
	var got event.Event
	var dataref string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dataref = r.Header.Get("Ce-Dataref")
		got, _ = cloudevent.Receive(w, r, cloudevent.MaxEvent)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	e := newEvent(t)
	want := e.Clone()
	want.SetExtension("region", "eu")
	if err := openSink(t, server.URL).Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("the sink got\n%v, want\n%v", got, want)
	}
	sent, _ := e.Extensions()[events.DataRef].(string)
	if wire := strings.ReplaceAll(sent, "%", "%25"); dataref != wire || wire == sent {
		t.Errorf("the dataref %q was sent as %q, want it percent-encoded", sent, dataref)
	}
	if e.Extensions()["region"] != nil {
		t.Error("Publish changed the caller's event")
	}
}

func TestSinkResponses(t *testing.T) {
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return // 200, to a client that follows a redirect
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer server.Close()
	publisher := openSink(t, server.URL)
	for _, test := range []struct {
		status               int
		published, uncertain bool
	}{
		{http.StatusOK, true, false},
		{http.StatusAccepted, true, false},
		{http.StatusNoContent, true, false},
		{http.StatusMovedPermanently, false, false},
		{http.StatusFound, false, false},
		{http.StatusSeeOther, false, false},
		{http.StatusTemporaryRedirect, false, false},
		{http.StatusPermanentRedirect, false, false},
		{http.StatusBadRequest, false, false},
		{http.StatusTooManyRequests, false, false},
		{http.StatusServiceUnavailable, false, false},
		{http.StatusInternalServerError, false, true},
		{http.StatusBadGateway, false, true},
		{http.StatusGatewayTimeout, false, true},
	} {
		t.Run(http.StatusText(test.status), func(t *testing.T) {
			status = test.status
			err := publisher.Publish(t.Context(), newEvent(t))
			if (err == nil) != test.published || errors.Is(err, ErrUncertain) != test.uncertain {
				t.Errorf("got error %v, want published %t, uncertain %t", err, test.published, test.uncertain)
			}
		})
	}
}

// Once the event was written, a missing response leaves open whether it arrived.
func TestSinkWithoutResponse(t *testing.T) {
	for name, end := range map[string]func(caller context.CancelFunc, r *http.Request){
		"connection cut": func(context.CancelFunc, *http.Request) { panic(http.ErrAbortHandler) },
		"caller left":    func(caller context.CancelFunc, r *http.Request) { caller(); <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				end(cancel, r)
			}))
			defer server.Close()
			if err := openSink(t, server.URL).Publish(ctx, newEvent(t)); !errors.Is(err, ErrUncertain) {
				t.Errorf("got error %v, want one that wraps ErrUncertain", err)
			}
		})
	}
}

// Before the event was written it is certain that it did not arrive. The error has no login in it.
func TestSinkNotConnected(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, url := range map[string]string{
		"refused": "http://name:secret@127.0.0.1:1",
		"no TLS":  strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			err := openSink(t, url).Publish(t.Context(), newEvent(t))
			if err == nil || errors.Is(err, ErrUncertain) {
				t.Fatalf("got error %v, want one that does not wrap ErrUncertain", err)
			}
			if strings.Contains(err.Error(), "name") || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v contains the login", err)
			}
		})
	}
}
