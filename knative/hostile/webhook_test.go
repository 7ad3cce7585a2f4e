//go:build hostile

package hostile

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
)

const (
	failedAttributes = `"specversion":"1.0","type":"image.failed","source":"/s","id":"1","time":"2026-11-30T08:00:00Z"`
	failedData       = `{"image_id":"0b1c2d3e-4f50-4a61-8b72-93a4b5c6d7e8",` +
		`"reason":"damaged","processed_at":1,"error":"E"}`
)

// deliverTo delivers an event to a webhook, as the Broker does.
func deliverTo(name string) func(p *process) int {
	return sends(func() request {
		return post("/webhooks/"+name, structured, []byte("{"+failedAttributes+`,"data":`+failedData+"}"))
	})
}

// ofResult attacks with an event in structured mode.
func ofResult(members ...string) func(p *process) int {
	return sends(func() request {
		return post("/webhooks/ordinary", structured, []byte("{"+failedAttributes+strings.Join(members, "")+"}"))
	})
}

// endpointFloods are what hostile endpoints answer with: a beginning, and what they repeat after it until the
// connection ends. None of it is an answer, except for the last ones, which are accepted by their status.
var endpointFloods = map[string][2]string{
	"lines":      {"HTTP/1.1 200 OK\r\n", "a: b\r\n"},
	"header":     {"HTTP/1.1 200 OK\r\nA: ", strings.Repeat("x", 4096)},
	"status":     {"HTTP/1.1 200 ", strings.Repeat("x", 4096)},
	"hints":      {"", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"},
	"garbage":    {"", "\x00\x01\x02\x03"},
	"tls":        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x00"},
	"preface":    {preface, frame(0, 0, 1, strings.Repeat("x", 1000))},
	"nothing":    {"", ""},
	"redirect":   {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", ""},
	"later":      {"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n", ""},
	"body":       {"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", strings.Repeat("x", 4096)},
	"chunks":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;" + strings.Repeat("x", 99) + "\r\na\r\n"},
	"compressed": {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 999999999\r\n\r\n", string(bombOfGzip())},
}

// startEndpoints starts hostile endpoints and an ordinary one, and returns the file of all of them.
func startEndpoints(t *testing.T) (file string, names []string) {
	t.Helper()
	ordinary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(ordinary.Close)
	var text strings.Builder
	add := func(name, url string) {
		fmt.Fprintf(&text, "- {name: %s, url: %q, secrets: [%s]}\n", name, url, webhook.NewSecret())
	}
	text.WriteString("endpoints:\n")
	add("ordinary", ordinary.URL)
	for name, flood := range endpointFloods {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go serveFlood(listener, flood)
		add(name, "http://"+listener.Addr().String())
		names = append(names, name)
	}
	file = filepath.Join(t.TempDir(), "endpoints.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, names
}

// serveFlood answers each connection, until the listener is closed.
func serveFlood(listener net.Listener, flood [2]string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			go func() { _, _ = io.Copy(io.Discard, connection) }()
			_, err := io.WriteString(connection, flood[0])
			for err == nil && flood[1] != "" {
				_, err = io.WriteString(connection, flood[1])
			}
			_, _ = connection.Read(make([]byte, 1)) // until the function ends it
		}()
	}
}

// Whatever comes from the cluster's network, and whatever endpoints answer, results get to another endpoint.
func TestWebhook(t *testing.T) {
	t.Parallel()
	file, names := startEndpoints(t)
	p := start(t, "webhook", "WEBHOOK_ENDPOINTS_FILE="+file, "WEBHOOK_ALLOW_HTTP=true",
		"WEBHOOK_ALLOW_NETWORKS=127.0.0.1/32", "WEBHOOK_TIMEOUT=1s")
	var floods []attack
	for _, name := range names {
		floods = append(floods, attack{"the endpoint " + name, deliverTo(name), []int{200}})
	}
	invalid := []int{400}
	run(t, p, deliverTo("ordinary"), []wave{
		{"headers", withAnswers(headerAttacks("POST /webhooks/ordinary", 64<<10), 400, 404)},
		{"connections", withAnswers(connectionAttacks("/webhooks/ordinary"), 400, 404, 413)},
		{"HTTP/2", http2Attacks()},
		{"events", []attack{
			{"many attributes", ofResult(strings.Repeat(`,"a":1`, 10_000)), invalid},
			{"distinct attributes", ofResult(distinct(`,"a%x":1`, 5000)), invalid},
			{"many members", ofResult(`,"data":{"a":1`, strings.Repeat(`,"a":1`, 10_000), "}"), invalid},
			{"deep", ofResult(`,"data":`, strings.Repeat("[", 30_000), strings.Repeat("]", 30_000)), invalid},
			{"escapes", ofResult(`,"a":"`, strings.Repeat(`\u0001`, 10_000), `"`), invalid},
			{"20 MB in chunks", sends(func() request {
				return stream("/webhooks/ordinary", structured, repeated("x", 20<<20))
			}), []int{413}},
			{"a name that is not there", deliverTo(strings.Repeat("x", 60_000)), []int{404}},
			{"a name that leads elsewhere", deliverTo("..%2f..%2fmetrics"), []int{404}},
		}},
		{"endpoints", floods},
	})
}
