package webhook

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A changed file takes effect without a restart, and a malformed one changes nothing.
func TestFileChanges(t *testing.T) {
	t.Parallel()
	to := receive(t, nil)
	first := [3]string{"first", to.URL + "/first", NewSecret()}
	second := [3]string{"second", to.URL + "/second", NewSecret()}
	f := serve(t, document(first), loopback)
	f.endpoints.file.SetInterval(0)
	if got := f.deliver("first", thumbnailed(t)); got.status != 200 {
		t.Fatalf("the Broker gets %+v, want 200", got)
	}
	f.write("endpoints: [")
	if got := f.deliver("first", thumbnailed(t)); got.status != 200 {
		t.Errorf("with a malformed file: the Broker gets %+v, want 200", got)
	}
	if got := f.metric("webhook_endpoints_bad")[""]; got != 1 {
		t.Errorf("webhook_endpoints_bad is %v, want 1", got)
	}
	f.write(document(second))
	if got := f.deliver("second", thumbnailed(t)); got.status != 200 {
		t.Errorf("the Broker gets %+v for the new one, want 200", got)
	}
	if got := f.deliver("first", thumbnailed(t)); got.status != 404 {
		t.Errorf("the Broker gets %+v for the one that is gone, want 404", got)
	}
	if got := f.metric("webhook_endpoints_bad")[""]; got != 0 {
		t.Errorf("webhook_endpoints_bad is %v, want 0", got)
	}
	if got, want := len(f.metric("webhook_deliveries_total")), len(outcomes); got != want {
		t.Errorf("%d series are left, want %d of one endpoint", got, want)
	}
}

// An endpoint that has moved is not left alone for what it asked at its old address.
func TestMovedEndpoint(t *testing.T) {
	t.Parallel()
	to := receive(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/before" {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	secret := NewSecret()
	f := serve(t, document([3]string{"orders", to.URL + "/before", secret}), loopback)
	f.endpoints.file.SetInterval(0)
	if got := f.deliver("orders", thumbnailed(t)); got.status != 503 {
		t.Fatalf("the Broker gets %+v, want 503", got)
	}
	f.write(document([3]string{"orders", to.URL + "/after", secret}))
	if got := f.deliver("orders", thumbnailed(t)); got.status != 200 {
		t.Errorf("the Broker gets %+v, want 200", got)
	}
}

// Run reports all faults of the settings at once, without the secret.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	f := serve(t, "endpoints: []")
	f.write("endpoints: [{name: A, url: http://a.example, secrets: [" + someSecret[:30] + "]}]")
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string
	}{
		"none": {nil, []string{"WEBHOOK_ENDPOINTS_FILE is not set; expected the path of a YAML document"}},
		"no file": {map[string]string{"WEBHOOK_ENDPOINTS_FILE": f.file + "x"},
			[]string{"WEBHOOK_ENDPOINTS_FILE cannot be read"}},
		"all": {
			map[string]string{
				"WEBHOOK_ENDPOINTS_FILE": f.file, "WEBHOOK_ALLOW_NETWORKS": "10.0.0.1/8", "WEBHOOK_TIMEOUT": "2h",
				"WEBHOOK_ALLOW_HTTP": "yes",
			},
			[]string{
				"WEBHOOK_ENDPOINTS_FILE is not valid:\n", "endpoints[0].name", "endpoints[0].url is http, which WEBHOOK_ALLOW_HTTP",
				"endpoints[0].secrets[0]", `WEBHOOK_ALLOW_NETWORKS has "10.0.0.1/8"`, `WEBHOOK_TIMEOUT is "2h"`,
				`WEBHOOK_ALLOW_HTTP is "yes"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Run(t.Context(), nil, func(name string) string { return test.settings[name] })
			if err == nil {
				t.Fatal("Run() succeeds")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), someSecret[6:15]) {
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

// Run serves until its context ends.
func TestRun(t *testing.T) {
	t.Parallel()
	f := serve(t, document([3]string{"orders", "https://orders.example", NewSecret()}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, listener, func(name string) string {
			return map[string]string{"WEBHOOK_ENDPOINTS_FILE": f.file, "LOG_LEVEL": "ERROR"}[name]
		})
	}()
	for path, want := range map[string]int{
		"/health": 200, "/ready": 200, "/metrics": 200, "/": 404, "/webhooks/orders": 405,
	} {
		response, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("GET %s answers %d, want %d", path, response.StatusCode, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run() = %v", err)
	}
}
