package webhook

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// loopback lets endpoints be on this machine.
const loopback = "WEBHOOK_ALLOW_NETWORKS=127.0.0.1/32"

const imageID = "0b1c2d3e-4f50-4a61-8b72-93a4b5c6d7e8"

// A function is the webhook function, which a test calls as the Broker does.
type function struct {
	*service
	t     *testing.T
	url   string
	file  string
	rules rules
}

// serve starts the function with a document and settings, NAME=value.
func serve(t *testing.T, document string, settings ...string) *function {
	t.Helper()
	file := filepath.Join(t.TempDir(), "endpoints.yaml")
	f := &function{t: t, file: file}
	f.write(document)
	values := map[string]string{
		"WEBHOOK_ENDPOINTS_FILE": file, "WEBHOOK_ALLOW_HTTP": "true", "LOG_LEVEL": "ERROR", "WEBHOOK_TIMEOUT": "40s",
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		values[name] = value
	}
	r := config.NewReader(func(name string) string { return values[name] })
	read := readSettings(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	f.rules = read.rules
	f.service = newService(read, newDialer(read.rules.guard))
	t.Cleanup(f.client.CloseIdleConnections)
	server := httptest.NewServer(f.routes())
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *function) write(document string) {
	f.t.Helper()
	if err := os.WriteFile(f.file, []byte(document), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// An answer is that of the function to the Broker.
type answer struct {
	status     int
	code, text string
	retryAfter string
	body       string
}

// deliver delivers an event to a webhook, as the Broker does.
func (f *function) deliver(name string, e event.Event) answer {
	f.t.Helper()
	request, err := http.NewRequest(http.MethodPost, f.url+"/webhooks/"+name, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx := binding.WithForceBinary(f.t.Context())
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&e), request); err != nil {
		f.t.Fatal(err)
	}
	return f.send(request)
}

func (f *function) send(request *http.Request) answer {
	f.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Error(err)
	}
	var failed struct{ Code, Error string }
	_ = json.Unmarshal(body, &failed) // an answer without an error has no body
	return answer{response.StatusCode, failed.Code, failed.Error, response.Header.Get("Retry-After"), string(body)}
}

// count returns how many attempts at a webhook had an outcome.
func (f *function) count(name string, of outcome) int {
	return int(f.metric("webhook_deliveries_total")[name+" "+string(of)])
}

// metric returns the values of a metric, by those of its labels.
func (f *function) metric(name string) map[string]float64 {
	f.t.Helper()
	families, err := f.Metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, one := range family.GetMetric() {
			var labels []string // in the order of their names, by which outcome is the first
			for _, label := range one.GetLabel() {
				labels = append([]string{label.GetValue()}, labels...)
			}
			values[strings.Join(labels, " ")] = one.GetCounter().GetValue() + one.GetGauge().GetValue()
		}
	}
	return values
}

// A post is a request that an endpoint got.
type post struct {
	header http.Header
	path   string
	body   []byte
}

// A receiver is an endpoint. It records what it gets, and answers by handle, or else 200.
type receiver struct {
	*httptest.Server
	handle http.HandlerFunc

	lock  sync.Mutex
	posts []post
}

func receive(t *testing.T, handle http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{handle: handle}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.lock.Lock()
	r.posts = append(r.posts, post{request.Header, request.URL.RequestURI(), body})
	r.lock.Unlock()
	if r.handle != nil {
		r.handle(w, request)
	}
}

func (r *receiver) got() []post {
	r.lock.Lock()
	defer r.lock.Unlock()
	return r.posts
}

// document returns one with endpoints that have a name, a URL and a secret each.
func document(endpoints ...[3]string) string {
	var text strings.Builder
	text.WriteString("endpoints:\n")
	for _, e := range endpoints {
		fmt.Fprintf(&text, "- {name: %s, url: %q, secrets: [%q]}\n", e[0], e[1], e[2])
	}
	return text.String()
}

// thumbnailed returns an event.
func thumbnailed(t *testing.T) event.Event {
	t.Helper()
	return encode(t, events.ImageThumbnailed{
		ImageID: imageID, Bucket: "images", ObjectName: imageID + "/a.jpg", Thumbnail: imageID + "/thumbnail_a.jpg",
		OriginalSize: [2]int{640, 480}, ThumbnailSize: [2]int{200, 150}, ProcessedAt: 1.5e9,
	}, "")
}

func encode(t *testing.T, payload events.Payload, id string) event.Event {
	t.Helper()
	e, err := events.Encode(payload, events.Envelope{
		Source: events.SourceThumbnail, ID: id, Time: time.Date(2026, 11, 30, 8, 0, 0, 5e8, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A names is a DNS server that resolves every name to one address, which can change.
type names struct{ address atomic.Pointer[netip.Addr] }

func (n *names) set(address string) {
	parsed := netip.MustParseAddr(address)
	n.address.Store(&parsed)
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go n.answer(ours)
		return theirs, nil
	}}
}

// answer answers queries as on TCP (RFC 1035, section 4): the question again, and after it an address if the query is
// for one of its kind.
func (n *names) answer(connection net.Conn) {
	defer connection.Close()
	for {
		var length uint16
		if binary.Read(connection, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(connection, query); err != nil {
			return
		}
		end := 12
		for query[end] != 0 {
			end += 1 + int(query[end])
		}
		question := query[12 : end+5]
		kind := binary.BigEndian.Uint16(question[len(question)-4:])
		address := n.address.Load().AsSlice()
		found := kind == 1 && len(address) == 4 || kind == 28 && len(address) == 16
		answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
		if found {
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(address)))
			answer = append(answer, address...)
		}
		frame := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
		if _, err := connection.Write(append(frame, answer...)); err != nil {
			return
		}
	}
}

// isPermanent reports whether the Broker makes a dead letter of an event that was answered so.
func (a answer) isPermanent() bool {
	refused := apierror.Error{Status: a.status}
	return refused.Permanent()
}
