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
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
)

// atSink announces at a server, with an extension of its own.
func atSink(t *testing.T, url string) Announcer {
	t.Helper()
	announcer := Open(settingsOf(t, func(name string) string {
		return map[string]string{"K_SINK": url, "K_CE_OVERRIDES": `{"extensions":{"region":"eu"}}`}[name]
	}))
	t.Cleanup(func() { announcer.Close() })
	return announcer
}

func TestAnnounceAtSink(t *testing.T) {
	var got event.Event
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = cloudevent.Receive(w, r, cloudevent.MaxEvent)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer sink.Close()
	e := announced(t)
	want := e.Clone()
	want.SetExtension("region", "eu")
	if err := atSink(t, sink.URL).Announce(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("sent\n%v; want\n%v", got, want)
	}
	if e.Extensions()["region"] != nil {
		t.Error("the caller's event was changed")
	}
}

func TestAnswersOfSink(t *testing.T) {
	var status int
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return // 200, to whoever follows a redirect
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer sink.Close()
	announcer := atSink(t, sink.URL)
	for _, test := range []struct {
		status               int
		announced, uncertain bool
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
		status = test.status
		err := announcer.Announce(t.Context(), announced(t))
		if (err == nil) != test.announced || errors.Is(err, ErrUncertain) != test.uncertain {
			t.Errorf("%d: error is %v; want announced %t, uncertain %t", test.status, err, test.announced, test.uncertain)
		}
	}
}

// Without an answer it depends on whether the event had left.
func TestNoAnswerOfSink(t *testing.T) {
	for name, end := range map[string]func(caller context.CancelFunc, r *http.Request){
		"connection cut": func(context.CancelFunc, *http.Request) { panic(http.ErrAbortHandler) },
		"caller left":    func(caller context.CancelFunc, r *http.Request) { caller(); <-r.Context().Done() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			end(cancel, r)
		}))
		if err := atSink(t, sink.URL).Announce(ctx, announced(t)); !errors.Is(err, ErrUncertain) {
			t.Errorf("%s: error is %v, want one that wraps ErrUncertain", name, err)
		}
		cancel()
		sink.Close()
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, url := range map[string]string{
		"nobody there": "http://name:secret@127.0.0.1:1",
		"no TLS there": strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		err := atSink(t, url).Announce(t.Context(), announced(t))
		mustBeCertain(t, name, err)
		if strings.Contains(err.Error(), "name") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v tells who asks", name, err)
		}
	}
}
