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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// lines is a log that tests read.
type lines struct {
	sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

// with returns the lines whose message is as given.
func (l *lines) with(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.Lock()
	defer l.Unlock()
	for line := range strings.Lines(l.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("the log has a line that is no JSON object: %s", line)
		}
		if fields["message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// run serves routes until the test ends, or stop is called, which returns what Serve returned.
func run(t *testing.T, routes map[string]http.HandlerFunc, checks ...Check) (url string, log *lines, stop func() error) {
	t.Helper()
	log = &lines{}
	p := New("test", Settings{})
	p.Log = NewLogger(log, "test", slog.LevelDebug)
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
	response, err := http.Get(url)
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

func TestAnswers(t *testing.T) {
	url, log, _ := run(t, map[string]http.HandlerFunc{
		"/panics":      func(http.ResponseWriter, *http.Request) { panic("secret") },
		"/things/{id}": func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id")) },
	})
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/health", 200, `{"status":"healthy"}`},
		{"GET", "/ready", 200, `{"status":"ready"}`},
		{"GET", "/things/7", 200, `7`},
		{"GET", "/nowhere", 404, `{"error":"There is nothing at this path","code":"not_found"}`},
		{"DELETE", "/things/7", 405, `{"error":"Method not allowed; this path takes GET, HEAD","code":"method_not_allowed","limit":["GET","HEAD"],"found":"DELETE"}`},
		{"BREW", "/health", 405, `{"error":"Method not allowed; this path takes GET, HEAD","code":"method_not_allowed","limit":["GET","HEAD"],"found":"other"}`},
		{"GET", "/panics", 500, `{"error":"Something is broken here; it has been noted","code":"internal"}`},
		{"GET", "/fails", 503, `{"error":"The service can not do this at the moment; try again","code":"unavailable"}`},
	} {
		request, err := http.NewRequest(test.method, url+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.status || strings.TrimSpace(string(body)) != test.body {
			t.Errorf("%s %s: %s %s\nwant %d %s", test.method, test.path, response.Status, body, test.status, test.body)
		}
	}
	if panics := log.with(t, "request_panicked"); len(panics) != 1 || panics[0]["log.level"] != "error" ||
		panics[0]["error.message"] != "secret" || !strings.Contains(fmt.Sprint(panics[0]["error.stack_trace"]), "process_test.go") || panics[0]["trace.id"] == nil {
		t.Errorf("log of the panic: %v", panics)
	}
	if failures := log.with(t, "request_refused"); len(failures) != 1 || failures[0]["error.message"] != "dial tcp 10.0.0.1:6379: refused" ||
		failures[0]["url.path"] != "/fails" || failures[0]["http.response.status_code"] != 503.0 {
		t.Errorf("log of the failure: %v", failures)
	}
	for _, line := range log.with(t, "function_started") {
		for _, field := range []string{"@timestamp", "log.level", "ecs.version", "service.name", "service.version"} {
			if line[field] == nil {
				t.Errorf("a line of the log has no %s: %v", field, line)
			}
		}
	}
	_, metrics := get(t, url+"/metrics")
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
			t.Errorf("metrics have no %s", want)
		}
	}
	if strings.Contains(metrics, "/health") {
		t.Error("probes are counted among the requests")
	}
}

// Half an answer is cut off, so that it does not pass for a whole one.
func TestPanicInTheMiddle(t *testing.T) {
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
		t.Error("the answer came to a good end")
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
	if response.StatusCode != 503 || body != `{"error":"redis and minio can not be used","status":"not ready"}`+"\n" {
		t.Errorf("%s %s", response.Status, body)
	}
	if away := log.with(t, "readiness_check_failed"); len(away) != 2 {
		t.Errorf("log: %v", away)
	}
}

// However many ask, the backends are asked once a second.
func TestReadyForMany(t *testing.T) {
	var asked atomic.Int64
	url, _, _ := run(t, nil, Check{"redis", func(context.Context) error { asked.Add(1); return nil }})
	began := time.Now()
	for range 50 {
		if response, body := get(t, url+"/ready"); response.StatusCode != 200 {
			t.Errorf("%s %s", response.Status, body)
		}
	}
	if got, most := asked.Load(), 1+int64(time.Since(began)/readyEvery); got > most {
		t.Errorf("asked %d times, want %d at the most", got, most)
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
	if err == nil { // or the connection was cut before all was sent, which is as good
		response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %s", response.Status)
		}
	}
	if response, _ := get(t, url+"/health"); response.StatusCode != 200 {
		t.Errorf("afterwards: %s", response.Status)
	}
}

// The kubelet's probes are answered like anybody else's.
func TestProbe(t *testing.T) {
	url, _, _ := run(t, nil, Check{"redis", func(context.Context) error { return errors.New("away") }})
	request, err := http.NewRequest(http.MethodGet, url+"/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "kube-probe/1.34")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answered %s, want 503", response.Status)
	}
}

// A body that nobody reads is not waited for: the answer comes at once, and the connection goes.
func TestBodyThatIsNotRead(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{"/image": NotFound})
	var answers sync.WaitGroup
	for _, head := range []string{
		"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"GET /health HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.34\r\nContent-Length: 10\r\n\r\n",
		"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx",
		"POST /image HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
	} {
		answers.Go(func() {
			connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer connection.Close()
			connection.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(connection, head)
			from := bufio.NewReader(connection)
			response, err := http.ReadResponse(from, nil)
			if err != nil {
				t.Errorf("%q: %v, want an answer", head, err)
				return
			}
			io.Copy(io.Discard, response.Body)
			if _, err := from.ReadByte(); err != io.EOF || !response.Close || response.ContentLength < 0 {
				t.Errorf("%q: %v, %v; want an answer of known length, and the end of the connection", head, response.Header, err)
			}
		})
	}
	answers.Wait()
}

// What is in flight when the end comes is answered, and probes fail at once, so that nobody sends more.
func TestDrain(t *testing.T) {
	arrived, finish := make(chan struct{}), make(chan struct{})
	url, _, stop := run(t, map[string]http.HandlerFunc{"/slow": func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		fmt.Fprint(w, "done")
	}})
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for probe(t, url) != http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("what was in flight got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve() = %v", err)
	}
	if connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		connection.Close()
		t.Error("it still listens")
	}
}

// probe is what the kubelet asks, over a connection of its own.
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

// Clients that keep their connections, and are sent elsewhere with new ones, notice an end by being told so in an answer, and
// never by a connection that closes under a request. That answer is otherwise as all before it, also without a body.
func TestDrainCutsNobodyOff(t *testing.T) {
	t.Parallel()
	take := func(w http.ResponseWriter, r *http.Request) {
		from, err := body.New(w, r, 1)
		if err == nil {
			_, err = io.Copy(io.Discard, from)
		}
		if err != nil {
			t.Error(err)
		}
	}
	url, _, stop := run(t, map[string]http.HandlerFunc{
		"/silent": take,
		"/empty":  func(w http.ResponseWriter, r *http.Request) { take(w, r); w.WriteHeader(http.StatusOK) },
		"/text":   func(w http.ResponseWriter, r *http.Request) { take(w, r); fmt.Fprint(w, "good") },
	})
	var clients, served sync.WaitGroup
	for path, length := range map[string]int64{"/silent": 0, "/empty": 0, "/text": 4} {
		for range 7 {
			served.Add(1)
			clients.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				answers := 0
				for told := false; !told; answers++ {
					var err error
					if told, err = sendOnce(t, client, url+path, length); err != nil {
						t.Errorf("%s, after %d answers: %v", path, answers, err)
						told = true
					}
					if answers == 0 {
						served.Done()
					}
				}
				if answers == 1 {
					t.Errorf("%s: the connection was good for one request", path)
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

// sendOnce sends a request that net/http does not send again by itself, and tells whether the connection is at its end.
func sendOnce(t *testing.T, client *http.Client, url string, length int64) (last bool, err error) {
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
		t.Errorf("%s: an answer of length %d, want %d", url, response.ContentLength, length)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.Close, err
}

func TestLogLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{"": slog.LevelInfo, "INFO": slog.LevelInfo, "debug": slog.LevelDebug, "WARNING": slog.LevelWarn, "CRITICAL": slog.LevelError} {
		r := config.NewReader(func(string) string { return text })
		if got := ReadSettings(r); got.LogLevel != want || r.Err() != nil {
			t.Errorf("%q: %v, %v", text, got, r.Err())
		}
	}
	r := config.NewReader(func(string) string { return "LOUD" })
	if ReadSettings(r); r.Err() == nil {
		t.Error("LOUD is no level")
	}
}

func TestProblemIsWritten(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{"/busy": func(w http.ResponseWriter, _ *http.Request) {
		(&apierror.Error{Status: 429, Code: "busy", Message: "Busy", RetryAfter: 2 * time.Second}).Write(w)
	}})
	if response, _ := get(t, url+"/busy"); response.Header.Get("Retry-After") != "2" || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", response.Header)
	}
}

// What browsers are told with every answer, whatever it is.
func TestBrowserHeaders(t *testing.T) {
	url, _, _ := run(t, map[string]http.HandlerFunc{
		"/panics": func(http.ResponseWriter, *http.Request) { panic("secret") },
		"/page":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Security-Policy", "its own") },
	})
	for _, path := range []string{"/health", "/ready", "/metrics", "/nowhere", "/fails", "/panics", "/page"} {
		response, _ := get(t, url+path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
			"Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
		} {
			if path == "/page" && name == "Content-Security-Policy" {
				want = "its own"
			}
			if got := response.Header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

// Headers may be so many, and so long together.
func TestHeaderLimits(t *testing.T) {
	url, _, _ := run(t, nil)
	for lines, status := range map[int]int{maxHeaderLines - 2: 200, maxHeaderLines: 431, 5000: 431} { // two are the client's own
		request, err := http.NewRequest(http.MethodGet, url+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			request.Header.Add(fmt.Sprintf("X-%d", i/2), "x")
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != status {
			t.Errorf("%d lines: %s, want %d", lines, response.Status, status)
		}
	}
	request, err := http.NewRequest(http.MethodGet, url+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Long", strings.Repeat("x", 2*maxHeaderBytes))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long line: %s", response.Status)
	}
}

// A line of the log names the client for whom it was written, in one line whatever it is called.
func TestClientInLog(t *testing.T) {
	log := &lines{}
	logger := NewLogger(log, "test", slog.LevelInfo)
	logger.InfoContext(WithClient(t.Context(), "https://a.example|ada\n{}"), "hello")
	logger.InfoContext(t.Context(), "hello")
	found := log.with(t, "hello")
	if len(found) != 2 || found[0]["user.name"] != "https://a.example|ada\n{}" || found[1]["user.name"] != nil {
		t.Errorf("logged %v", found)
	}
}
