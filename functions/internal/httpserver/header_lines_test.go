package httpserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"
)

func dial(t *testing.T, url string) (net.Conn, *bufio.Reader) {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	connection.SetDeadline(time.Now().Add(time.Minute))
	return connection, bufio.NewReader(connection)
}

// A header with too many lines is refused before it ends, at a part of the bytes that a header may have.
func TestHeaderLinesAreBounded(t *testing.T) {
	url, _, _ := run(t, nil)
	connection, reader := dial(t, url)
	const ahead = 4096 // net/http reads as much at a time
	sent := "GET /health HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a:\r\n", maxHeaderLines+ahead/len("a:\r\n"))
	fmt.Fprint(connection, sent)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("got %v after %d of %d bytes, want an answer", err, len(sent), maxHeaderBytes)
	}
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge || err != nil || !response.Close ||
		!strings.Contains(string(body), `"code":"too_many_headers"`) {
		t.Errorf("got %s %s, %v; want 431 too_many_headers and the end of the connection", response.Status, body, err)
	}
}

// Only the lines of a header count, and those of each request alone.
func TestHeaderLinesOfEachRequest(t *testing.T) {
	url, _, _ := run(t, nil)
	connection, reader := dial(t, url)
	header := strings.Repeat("a:\r\n", maxHeaderLines-2)
	body := strings.Repeat("\n", 100<<10)
	for range 50 {
		go fmt.Fprintf(connection, "GET /health HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		if response.StatusCode != http.StatusOK {
			t.Fatalf("got %s, want 200", response.Status)
		}
	}
	go fmt.Fprintf(connection, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("got %v, %v; want 405", response, err)
	}
}

// While a connection lingers, for a client that goes on sending, nothing is kept of its header.
func TestHeadersAreDropped(t *testing.T) {
	p := New("test", Settings{})
	var value weak.Pointer[string]
	handler := p.lingeringClose(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	checked := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value = weak.Make(&r.Header["X-Long"][0])
		r.Body = checkedBody{r.Body, func() {
			runtime.GC()
			checked <- value.Value() == nil
		}}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	connection, _ := dial(t, server.URL)
	long := strings.Repeat("x", 10_000)
	fmt.Fprintf(connection, "POST / HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\nContent-Length: 9\r\n\r\n", long)
	if dropped := <-checked; !dropped {
		t.Error("the header is kept, want it dropped")
	}
}

// A checkedBody calls check when it is read for the first time.
type checkedBody struct {
	io.ReadCloser
	check func()
}

func (b checkedBody) Read(p []byte) (int, error) {
	b.check()
	return 0, io.EOF
}
