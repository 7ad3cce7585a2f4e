package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/pace"
	"gitlab.com/yourorg/image-service/functions/logs"
)

// lines is a log that a test reads.
type lines struct {
	sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

// with returns the lines with a message.
func (l *lines) with(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.Lock()
	defer l.Unlock()
	for line := range strings.Lines(l.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("got the log line %s, want a JSON object", line)
		}
		if fields["message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// run serves routes until the test ends or stop is called, which returns the result of Serve.
func run(t *testing.T, routes map[string]http.HandlerFunc, checks ...Check) (
	url string, log *lines, stop func() error,
) {
	t.Helper()
	log = &lines{}
	p := New("test", Settings{})
	p.Log = NewLogger(log, "test", logs.Settings{Level: slog.LevelDebug})
	mux := http.NewServeMux()
	for path, handler := range routes {
		Route(mux, path, map[string]http.Handler{http.MethodGet: handler})
	}
	Route(mux, "/fails", map[string]http.Handler{http.MethodGet: p.Handle(func(http.ResponseWriter, *http.Request) error {
		return errors.New("dial tcp 10.0.0.1:6379: refused")
	})})
	mux.HandleFunc("/", NotFound)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, listener, mux, checks...) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	return "http://" + listener.Addr().String(), log, stop
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestResponses(t *testing.T) {
	url, log, _ := run(t, map[string]http.HandlerFunc{
		"/panics":      func(http.ResponseWriter, *http.Request) { panic("secret") },
		"/things/{id}": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id")) },
	})
	for _, test := range []struct {
		method, path string
		status       int
		body         string // its beginning
	}{
		{"GET", "/health", 200, `{"status":"healthy"}`},
		{"GET", "/ready", 200, `{"status":"ready"}`},
		{"GET", "/things/7", 200, `7`},
		{"GET", "/nowhere", 404, `{"error":"There is nothing at this path","code":"not_found",`},
		{"DELETE", "/things/7", 405, `{"error":"Method not allowed; this path allows GET, HEAD",` +
			`"code":"method_not_allowed","limit":["GET","HEAD"],"found":"DELETE",`},
		{"BREW", "/health", 405, `{"error":"Method not allowed; this path allows GET, HEAD",` +
			`"code":"method_not_allowed","limit":["GET","HEAD"],"found":"other",`},
		{"GET", "/panics", 500, `{"error":"Internal error; it has been logged","code":"internal",`},
		{"GET", "/fails", 503, `{"error":"The service is temporarily unavailable; try again","code":"unavailable",`},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			request, err := http.NewRequest(test.method, url+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, body := do(t, request)
			if response.StatusCode != test.status || !strings.HasPrefix(body, test.body) {
				t.Errorf("got %s %s, want %d %s", response.Status, body, test.status, test.body)
			}
		})
	}
	checkLog(t, log)
	_, metrics := get(t, url+"/metrics")
	checkMetrics(t, metrics)
}

func checkLog(t *testing.T, log *lines) {
	t.Helper()
	if panics := log.with(t, "request_panicked"); len(panics) != 1 || panics[0]["log.level"] != "error" ||
		panics[0]["error.message"] != "secret" || panics[0]["trace.id"] == nil ||
		!strings.Contains(fmt.Sprint(panics[0]["error.stack_trace"]), "process_test.go") {
		t.Errorf("got the panics %v, want one with its cause, stack and trace", panics)
	}
	if failures := log.with(t, "request_refused"); len(failures) != 1 ||
		failures[0]["error.message"] != "dial tcp 10.0.0.1:6379: refused" ||
		failures[0]["url.path"] != "/fails" || failures[0]["http.response.status_code"] != 503.0 {
		t.Errorf("got the refusals %v, want that of /fails with its cause", failures)
	}
	for _, line := range log.with(t, "function_started") {
		for _, field := range []string{"@timestamp", "log.level", "ecs.version", "service.name", "service.version"} {
			if line[field] == nil {
				t.Errorf("got the log line %v, want a field %s", line, field)
			}
		}
	}
}

func checkMetrics(t *testing.T, metrics string) {
	t.Helper()
	for _, want := range []string{
		`http_requests_total{endpoint="/things",method="GET",status="200"} 1`,
		`http_requests_total{endpoint="/things",method="DELETE",status="405"} 1`,
		`http_requests_total{endpoint="other",method="GET",status="404"} 1`,
		`http_requests_total{endpoint="/panics",method="GET",status="500"} 1`,
		`http_request_duration_seconds_count{endpoint="/things",method="GET"} 1`,
		`image_service_build_info{function="test",version="dev"} 1`,
		`go_goroutines `, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, "/health") {
		t.Error("the metrics count probes as requests")
	}
}

// The connection is closed, so that a partial response does not look complete.
func TestPanicInResponse(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{"/half": func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Repeat("half", 10000))
		panic("then this")
	}})
	response, err := http.Get(url + "/half")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("the response is complete, want an error")
	}
	get(t, url+"/health")
}

func TestReady(t *testing.T) {
	hangs := func(ctx context.Context) error { <-make(chan struct{}); return nil }
	url, log, _ := run(t, nil,
		Check{"redis", func(context.Context) error { return errors.New("dial tcp 10.0.0.1:6379: refused") }},
		Check{"minio", hangs},
		Check{"kafka", func(context.Context) error { return nil }})
	response, body := get(t, url+"/ready")
	if response.StatusCode != 503 || body != `{"error":"redis and minio cannot be used","status":"not ready"}`+"\n" {
		t.Errorf("got %s %s, want 503 that names both", response.Status, body)
	}
	if failed := log.with(t, "readiness_check_failed"); len(failed) != 2 {
		t.Errorf("got the failed checks %v, want two", failed)
	}
}

// However many requests come, the backends are checked once a second.
func TestReadyForMany(t *testing.T) {
	var checks atomic.Int64
	url, _, _ := run(t, nil, Check{"redis", func(context.Context) error { checks.Add(1); return nil }})
	began := time.Now()
	for range 50 {
		if response, body := get(t, url+"/ready"); response.StatusCode != 200 {
			t.Errorf("got %s %s, want 200", response.Status, body)
		}
	}
	if got, most := checks.Load(), 1+int64(time.Since(began)/readyInterval); got > most {
		t.Errorf("got %d checks, want at most %d", got, most)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	url, _, _ := run(t, nil)
	request, err := http.NewRequest(http.MethodGet, url+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 1<<20))
	response, err := http.DefaultClient.Do(request)
	if err == nil { // otherwise the connection was closed while the client sent, which is as good
		response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %s, want 431", response.Status)
		}
	}
	if response, _ := get(t, url+"/health"); response.StatusCode != 200 {
		t.Errorf("next request: got %s, want 200", response.Status)
	}
}

// The kubelet's probes get the same responses as other requests.
func TestProbe(t *testing.T) {
	url, _, _ := run(t, nil, Check{"redis", func(context.Context) error { return errors.New("down") }})
	request, err := http.NewRequest(http.MethodGet, url+"/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "kube-probe/1.34")
	if response, _ := do(t, request); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %s, want 503", response.Status)
	}
}

// A body that the handler does not read is not waited for: the response comes at once, and the connection is closed.
func TestUnreadBody(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{"/image": NotFound})
	t.Run("requests", func(t *testing.T) { // which ends before the server does
		for name, head := range map[string]string{
			"GET":       "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"probe":     "GET /health HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.34\r\nContent-Length: 10\r\n\r\n",
			"chunked":   "POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
			"truncated": "POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx",
			"expect":    "POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				checkClosed(t, strings.TrimPrefix(url, "http://"), head)
			})
		}
	})
}

// checkClosed sends the head of a request and wants a response of known length and the end of the connection.
func checkClosed(t *testing.T, address, head string) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(connection, head)
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("got %v, want a response", err)
	}
	io.Copy(io.Discard, response.Body)
	if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) || !response.Close || response.ContentLength < 0 {
		t.Errorf("got %v, %v; want a response of known length and the end of the connection", response.Header, err)
	}
}

// Requests in flight are answered, and probes fail at once, so that no more are sent.
func TestDrain(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	url, _, stop := run(t, map[string]http.HandlerFunc{"/slow": func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		fmt.Fprint(w, "done")
	}})
	result := make(chan string, 1)
	go func() {
		response, err := http.Get(url + "/slow")
		if err != nil {
			result <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		result <- string(body)
	}()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for probe(t, url) != http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	close(finish)
	if got := <-result; got != "done" {
		t.Errorf("the request in flight got %q, want done", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve() = %v, want nil", err)
	}
	if connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		connection.Close()
		t.Error("the process still listens")
	}
}

// probe returns the status of a kubelet's probe over a connection of its own.
func probe(t *testing.T, url string) int {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.34\r\nConnection: close\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// Clients that keep their connections, and reach another process with new ones, learn of the drain from a response, and
// never from a connection that is closed under a request. That response is otherwise like those before it.
func TestDrainCutsNobodyOff(t *testing.T) {
	t.Parallel()
	read := func(w http.ResponseWriter, r *http.Request) {
		b, err := body.New(w, r, 1)
		if err == nil {
			_, err = io.Copy(io.Discard, b)
		}
		if err != nil {
			t.Error(err)
		}
	}
	url, _, stop := run(t, map[string]http.HandlerFunc{
		"/silent": read,
		"/empty":  func(w http.ResponseWriter, r *http.Request) { read(w, r); w.WriteHeader(http.StatusOK) },
		"/text":   func(w http.ResponseWriter, r *http.Request) { read(w, r); fmt.Fprint(w, "good") },
	})
	var clients, served sync.WaitGroup
	for path, length := range map[string]int64{"/silent": 0, "/empty": 0, "/text": 4} {
		for range 7 {
			served.Add(1)
			clients.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				responses := 0
				for last := false; !last; responses++ {
					var err error
					if last, err = sendOnce(t, client, url+path, length); err != nil {
						t.Errorf("%s, after %d responses: %v", path, responses, err)
						last = true
					}
					if responses == 0 {
						served.Done()
					}
				}
				if responses == 1 {
					t.Errorf("%s: got one response on the connection, want several", path)
				}
			})
		}
	}
	served.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

// sendOnce sends a request that net/http does not repeat, and reports whether the server closes the connection.
func sendOnce(t *testing.T, client *http.Client, url string, length int64) (last bool, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, io.NopCloser(strings.NewReader("x")))
	if err != nil {
		return false, err
	}
	request.ContentLength = 1
	response, err := client.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.ContentLength != length {
		t.Errorf("%s: got length %d, want %d", url, response.ContentLength, length)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.Close, err
}

func TestErrorHeaders(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{"/busy": func(w http.ResponseWriter, r *http.Request) {
		(&apierror.Error{Status: 429, Code: "busy", Message: "Busy", RetryAfter: 2 * time.Second}).Write(w, r)
	}})
	response, _ := get(t, url+"/busy")
	retry, cache := response.Header.Get("Retry-After"), response.Header.Get("Cache-Control")
	if retry != "2" || cache != "no-store" {
		t.Errorf("got Retry-After %q, Cache-Control %q; want 2, no-store", retry, cache)
	}
}

// Every response has the headers that restrict browsers, unless its handler sets its own.
func TestBrowserHeaders(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{
		"/panics": func(http.ResponseWriter, *http.Request) { panic("secret") },
		"/page":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Security-Policy", "its own") },
	})
	for _, path := range []string{"/health", "/ready", "/metrics", "/nowhere", "/fails", "/panics", "/page"} {
		t.Run(path, func(t *testing.T) {
			response, _ := get(t, url+path)
			for name, want := range map[string]string{
				"X-Content-Type-Options":       "nosniff",
				"Referrer-Policy":              "no-referrer",
				"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
			} {
				if path == "/page" && name == "Content-Security-Policy" {
					want = "its own"
				}
				if got := response.Header.Values(name); len(got) != 1 || got[0] != want {
					t.Errorf("got %s %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestHeaderLimits(t *testing.T) {
	url, _, _ := run(t, nil)
	many := func(lines int) http.Header {
		header := http.Header{}
		for i := range lines {
			header.Add(fmt.Sprintf("X-%d", i/2), "x")
		}
		return header
	}
	for name, test := range map[string]struct {
		header http.Header
		want   int
	}{
		"as many as allowed": {many(maxHeaderLines - 2), 200}, // two are those of net/http
		"one too many":       {many(maxHeaderLines - 1), 431},
		"thousands":          {many(5000), 431},
		"too long":           {http.Header{"X-Long": {strings.Repeat("x", 2*maxHeaderBytes)}}, 431},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodGet, url+"/health", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header = test.header
			if response, _ := do(t, request); response.StatusCode != test.want {
				t.Errorf("got %s, want %d", response.Status, test.want)
			}
		})
	}
}

// A log line names the client of its request, and stays one line for any name.
func TestClientInLog(t *testing.T) {
	log := &lines{}
	logger := NewLogger(log, "test", logs.Settings{})
	logger.InfoContext(WithClient(t.Context(), "https://a.example|ada\n{}"), "hello")
	logger.InfoContext(t.Context(), "hello")
	found := log.with(t, "hello")
	if len(found) != 2 || found[0]["user.name"] != "https://a.example|ada\n{}" || found[1]["user.name"] != nil {
		t.Errorf("got %v, want the client in the first line only", found)
	}
}

// A caller cannot have the service write long lines, whichever string it is that the caller chooses.
func TestLogLinesAreBounded(t *testing.T) {
	url, log, _ := run(t, map[string]http.HandlerFunc{
		"/panics/{name}": func(_ http.ResponseWriter, r *http.Request) { panic(r.PathValue("name")) },
	})
	long := strings.Repeat("%01", maxHeaderBytes/4)
	for name, path := range map[string]string{"path": "/fails?" + long, "panic": "/panics/" + long} {
		t.Run(name, func(t *testing.T) {
			get(t, url+path)
		})
	}
	logger := NewLogger(log, "test", logs.Settings{})
	text := strings.Repeat("\x01", 1<<20)
	logger.Info(text, "text", text, "error", errors.New(text), slog.Group("group", "text", text))
	logger.InfoContext(WithClient(t.Context(), text), "hello")
	const most = 6*(4*logs.MaxText+logs.MaxStackTrace) + 1000
	lines := 0
	for line := range strings.Lines(log.String()) {
		if lines++; len(line) > most {
			t.Errorf("got a line of %d bytes, want at most %d: %.300s", len(line), most, line)
		}
	}
	if lines < 5 {
		t.Errorf("got %d lines, want one for each request and call", lines)
	}
}

// A client that reads steadily, if slowly, is not taken for one that does not read.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const rate = pace.MinRate * 5 / 4
	failed := make(chan error, 1)
	url, _, _ := run(t, map[string]http.HandlerFunc{"/long": func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 32<<10)
		for {
			if _, err := w.Write(piece); err != nil {
				failed <- err
				return
			}
		}
	}})
	response, err := http.Get(url + "/long")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for piece, began := make([]byte, rate/4), time.Now(); time.Since(began) < 2*pace.Grace; {
		if _, err := io.ReadFull(response.Body, piece); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed: // what was sent before is still there to be read
			t.Fatalf("after %v a write failed: %v", time.Since(began).Round(time.Second), err)
		case <-time.After(time.Second / 4):
		}
	}
}

// The connection of a client that sends requests and reads no response is ended, whether the response is one that is
// long or there are many.
func TestUnreadResponse(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{}, 1)
	url, _, _ := run(t, map[string]http.HandlerFunc{"/long": func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				break
			}
		}
		ended <- struct{}{}
	}})
	for name, path := range map[string]string{"one that is long": "/long", "many": "/health"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			if err := connection.SetWriteDeadline(time.Now().Add(3 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			request := []byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
			for err == nil { // until the server has closed the connection
				_, err = connection.Write(request)
				if path == "/long" {
					time.Sleep(100 * time.Millisecond)
				}
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still open, want it closed")
			}
			if path == "/long" {
				<-ended
			}
		})
	}
}

func TestExplain(t *testing.T) {
	for arguments, want := range map[string]int{"--help": 0, "-h": 0, "--port 80": 2, "--help upload": 2} {
		var out bytes.Buffer
		if got := explain(&out, "upload", strings.Fields(arguments)); got != want {
			t.Errorf("explain(%s) = %d, want %d", arguments, got, want)
		}
		if !strings.HasPrefix(out.String(), "upload is a function") {
			t.Errorf("explain(%s) writes %q, want what to do", arguments, out.String())
		}
	}
}
