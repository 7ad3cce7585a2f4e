package service

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial sends a request as it is written, and returns the response.
func (s *testServer) dial(request string) response {
	s.t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.WriteString(connection, request); err != nil {
		s.t.Fatal(err)
	}
	return read(s.t, bufio.NewReader(connection))
}

func read(tb testing.TB, from *bufio.Reader) response {
	tb.Helper()
	answer, err := http.ReadResponse(from, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response{answer.StatusCode, answer.Header, string(body)}
}

// Requests as clients and proxies write them.
func TestClients(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := string(pngOf(t, 40, 30))
	whole := fmt.Sprintf("Host: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n", len(content))
	chunked := "Host: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n"
	chunk := fmt.Sprintf("%X;name=value\r\n%s\r\n", len(content), content)
	h2c := "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
	prefix := "Ce-Specversion: 1.0\r\nCe-Id: 1\r\nCe-Source: /t\r\nCe-Type: image.received\r\nX-Forwarded-Prefix: "
	for _, test := range []struct {
		name, request string
		status        int
		location      string // what it begins with
	}{
		{"POST", "POST /upload HTTP/1.1\r\n" + whole + "\r\n" + content, 200, ""},
		{"HTTP/1.0", "POST /upload HTTP/1.0\r\n" + whole + "\r\n" + content, 200, ""},
		{"h2c upgrade (Java)", "POST /upload HTTP/1.1\r\n" + whole + h2c + "\r\n" + content, 200, ""},
		{"absolute-form (proxies)", "POST http://x:80/upload HTTP/1.1\r\n" + whole + "\r\n" + content, 200, ""},
		{"chunked", "POST /upload HTTP/1.1\r\n" + chunked + "\r\n" + chunk + "0\r\n\r\n", 200, ""},
		{"chunked, with a trailer", "POST /upload HTTP/1.1\r\n" + chunked + "Trailer: X-Sum\r\n\r\n" + chunk +
			"0\r\nX-Sum: 1\r\n\r\n", 200, ""},
		{"trailing slash", "POST /upload/ HTTP/1.1\r\n" + whole + "\r\n" + content, 200, ""},
		{"doubled slash", "POST //upload HTTP/1.1\r\n" + whole + "\r\n" + content, 200, ""},
		{"doubled slashes", "POST //upload// HTTP/1.1\r\n" + whole + "\r\n" + content, 200, ""},
		{"escaped slash", "POST /%2Fupload HTTP/1.1\r\n" + whole + "\r\n" + content, 404, ""},
		{"event, no prefix", "POST / HTTP/1.1\r\n" + whole + prefix + "\r\n\r\n" + content, 200, "/status/"},
		{"event, prefix (Traefik)", "POST / HTTP/1.1\r\n" + whole + prefix + "/img\r\n\r\n" + content, 200, "/img/status/"},
		{"event, prefix with a slash", "POST / HTTP/1.1\r\n" + whole + prefix + "/a/b/\r\n\r\n" + content,
			200, "/a/b/status/"},
		{"event, another site as prefix", "POST / HTTP/1.1\r\n" + whole + prefix + "//evil.example\r\n\r\n" + content,
			200, "/status/"},
		{"event, parent as prefix", "POST / HTTP/1.1\r\n" + whole + prefix + "http://evil.example\r\n\r\n" + content,
			200, "/status/"},
		{"PUT (curl -T)", "PUT /upload HTTP/1.1\r\n" + whole + "\r\n" + content, 405, ""},
		{"OPTIONS", "OPTIONS /upload HTTP/1.1\r\nHost: x\r\n\r\n", 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := *s
			s.t = t
			got := s.dial(test.request)
			if got.status != test.status || !strings.HasPrefix(got.header.Get("Location"), test.location) {
				t.Errorf("answer is %d %v %s, want %d, Location %s", got.status, got.header, got.body, test.status, test.location)
			}
			if test.status == 405 && got.header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q, want POST", got.header.Get("Allow"))
			}
		})
	}
	t.Run("status with a trailing slash", func(t *testing.T) {
		id := s.upload("a.png", []byte(content))
		if got := s.get("//status//" + id + "/"); got.status != http.StatusOK || got.imageID(t) != id {
			t.Errorf("answer is %d %s, want 200", got.status, got.body)
		}
	})
	t.Run("measured by its route", func(t *testing.T) {
		if metrics := s.get("/metrics/").body; strings.Contains(metrics, `endpoint="other",method="POST",status="200"`) {
			t.Errorf("the metrics have requests without a route")
		}
	})
}

// A client that asks first gets 100 Continue, or the refusal before it has sent anything.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	s := start(t, "MAX_UPLOAD_BYTES=100000")
	content := pngOf(t, 40, 30)
	for _, test := range []struct {
		name   string
		length int
		status int
	}{{"accepted", len(content), 100}, {"too large", 1 << 30, 413}} {
		t.Run(test.name, func(t *testing.T) {
			connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			const head = "POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
			fmt.Fprintf(connection, head, test.length)
			from := bufio.NewReader(connection)
			if got := read(t, from); got.status != test.status {
				t.Fatalf("answer is %d, want %d", got.status, test.status)
			}
			if test.status != http.StatusContinue {
				return
			}
			if _, err := connection.Write(content); err != nil {
				t.Fatal(err)
			}
			if got := read(t, from); got.status != http.StatusOK {
				t.Errorf("answer is %d %s, want 200", got.status, got.body)
			}
		})
	}
}

// A body with a content coding is refused by the name of the coding, on every route that takes a body.
func TestContentCodings(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := pngOf(t, 40, 30)
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, _ = writer.Write(content)
	_ = writer.Close()
	form, formType := formOf(t, field{"file", "a.png", content})
	for _, test := range []struct {
		coding, path, contentType string
		body                      []byte
		status                    int
	}{
		{"gzip", "/upload", "image/png", compressed.Bytes(), 415},
		{"GZIP", "/upload", "image/png", compressed.Bytes(), 415},
		{"br", "/upload", formType, form.Bytes(), 415},
		{"zstd", "/", "image/png", content, 415},
		{"identity, gzip", "/upload", "image/png", compressed.Bytes(), 415},
		{"identity", "/upload", "image/png", content, 200},
		{"Identity", "/upload", formType, form.Bytes(), 200},
		{"", "/upload", "image/png", content, 200},
	} {
		t.Run(test.coding+" to "+test.path+" as "+test.contentType[:5], func(t *testing.T) {
			got := s.post(test.path, test.contentType, bytes.NewReader(test.body), "Content-Encoding: "+test.coding)
			if got.status != test.status {
				t.Fatalf("answer is %d %s, want %d", got.status, got.body, test.status)
			}
			if test.status == 200 {
				return
			}
			if got.code(t) != "unsupported_coding" || got.json(t)["found"] != test.coding ||
				got.header.Get("Accept-Encoding") != "identity" {
				t.Errorf("answer is %v %s, want unsupported_coding %s", got.header, got.body, test.coding)
			}
		})
	}
}
