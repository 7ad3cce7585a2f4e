//go:build linux && !race

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers/pod"
	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
)

// The memory of the pod, and how many requests it gets at once, by knative/components/webhooks/service.yaml. Below 80 %
// of the limit nothing is killed while the kernel accounts for what the Go runtime does not.
const (
	memoryLimit = 128 << 20
	goLimit     = "GOMEMLIMIT=90MiB"
	atOnce      = 100
)

// As many events at once as a pod gets, of the kinds that cost most, for an endpoint that answers with more than it
// should: memory stays below 80 % of the pod's limit.
func TestMemory(t *testing.T) {
	t.Parallel()
	const bound = memoryLimit / 5 * 4
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 12<<10))
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	t.Cleanup(endpoint.Close)
	file := filepath.Join(t.TempDir(), "endpoints.yaml")
	text := fmt.Sprintf("endpoints: [{name: orders, url: %q, secrets: [%s]}]", endpoint.URL, webhook.NewSecret())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := pod.Start(t, func(string) string { return "" }, goLimit, "WEBHOOK_ENDPOINTS_FILE="+file,
		"WEBHOOK_ALLOW_HTTP=true", "WEBHOOK_ALLOW_NETWORKS=127.0.0.1/32")

	const structured = "application/cloudevents+json"
	const failed = `{"image_id":"0b1c2d3e-4f50-4a61-8b72-93a4b5c6d7e8","reason":"damaged","processed_at":1,"error":"%s"}`
	long := fmt.Sprintf(failed, strings.Repeat("x", 62<<10))
	event := http.Header{
		"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"},
		"Ce-Type": {"image.failed"}, "Ce-Time": {"2026-11-30T08:00:00Z"},
	}
	begin := `{"specversion":"1.0","id":"1","source":"/s","type":"image.failed","time":"2026-11-30T08:00:00Z"`
	for _, kind := range []struct {
		name    string
		header  http.Header
		body    string
		answers []int
	}{
		{"binary", event, long, []int{200}},
		{"structured", http.Header{"Content-Type": {structured}}, begin + `,"data":` + long + "}", []int{200}},
		{"many members", http.Header{"Content-Type": {structured}},
			begin + `,"data":{"a":1` + strings.Repeat(`,"a":1`, 10_000) + "}}", []int{400}},
		{"not an event", http.Header{"Content-Type": {structured}}, strings.Repeat("[", 64<<10), []int{400}},
		{"too large", event, strings.Repeat("x", 1<<20), []int{413}},
	} {
		var all sync.WaitGroup
		for range atOnce {
			all.Go(func() {
				if got := post(t, p.URL, kind.header, kind.body); !slices.Contains(kind.answers, got) {
					t.Errorf("%s: answered %d, want one of %d", kind.name, got, kind.answers)
				}
			})
		}
		all.Wait()
		t.Logf("%d of %q: at most %d MiB", atOnce, kind.name, p.Peak()>>20)
	}
	if peak := p.Peak(); peak > bound {
		t.Errorf("memory is at most %d MiB, want less than %d", peak>>20, bound>>20)
	}
}

func post(t *testing.T, url string, header http.Header, body string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url+"/webhooks/orders", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Error(err)
		return 0
	}
	request.Header = header.Clone()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
