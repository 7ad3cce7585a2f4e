//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// A process is the function as Knative runs it: a process of its own, whose memory and processor time can be measured.
// Around it are the fakes, except for MinIO: a sink takes all objects and keeps none.
type process struct {
	t   testing.TB
	url string
	id  int
}

func start(tb testing.TB, settings ...string) *process {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), "upload")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOFLAGS=") // without the race detector, which takes memory
	if output, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build: %v\n%s", err, output)
	}
	sink := httptest.NewServer(newSink())
	tb.Cleanup(sink.Close)
	getenv := testservers.Start(tb, testservers.As("image-upload"))
	port := freePort(tb)
	function := exec.Command(binary)
	function.Env = []string{"PORT=" + port, "LOG_LEVEL=ERROR",
		"MINIO_ENDPOINT=" + strings.TrimPrefix(sink.URL, "http://"), "MINIO_ACCESS_KEY=sink", "MINIO_SECRET_KEY=sink-secret"}
	for _, name := range []string{
		"REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_TLS", "REDIS_CA_FILE",
		"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "KAFKA_TLS", "KAFKA_CA_FILE", "KAFKA_SASL_MECHANISM",
		"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD",
	} {
		function.Env = append(function.Env, name+"="+getenv(name))
	}
	function.Env = append(function.Env, settings...)
	function.Stderr = os.Stderr
	if err := function.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = function.Process.Signal(os.Interrupt)
		if err := function.Wait(); err != nil {
			tb.Errorf("the function ended with %v, want no error", err)
		}
	})
	p := &process{t: tb, url: "http://127.0.0.1:" + port, id: function.Process.Pid}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		response, err := http.Get(p.url + "/health")
		if err == nil {
			response.Body.Close()
			return p
		}
		if time.Now().After(deadline) {
			tb.Fatal(err)
		}
	}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// A sink implements as much of S3 as an upload needs. It keeps the keys of objects and nothing else, and has the
// objects by which the function checks its store in a fake.
type sink struct {
	sync.Mutex
	keys []string
	fake http.Handler
}

func newSink() *sink {
	s := &sink{fake: fakes.S3()}
	s.fake.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/images", nil))
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path+r.URL.Query().Get("prefix"), "storecheck-") {
		s.fake.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	w.Header().Set("Content-Type", "application/xml")
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch query := r.URL.Query(); {
	case query.Has("location"):
		fmt.Fprint(w, `<LocationConstraint></LocationConstraint>`)
	case query.Has("list-type"):
		s.list(w, query.Get("prefix"))
	case query.Has("uploads"):
		fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == http.MethodPost:
		s.keep(key)
		fmt.Fprint(w, `<CompleteMultipartUploadResult><Bucket>images</Bucket></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodPut && !query.Has("uploadId"):
		s.keep(key)
	}
}

func (s *sink) keep(key string) {
	s.Lock()
	defer s.Unlock()
	s.keys = append(s.keys, key)
}

// list lists one key at most, as an image has one original.
func (s *sink) list(w http.ResponseWriter, prefix string) {
	s.Lock()
	defer s.Unlock()
	fmt.Fprint(w, `<ListBucketResult>`)
	for _, key := range slices.Backward(s.keys) {
		if strings.HasPrefix(key, prefix) {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`, key)
			break
		}
	}
	fmt.Fprint(w, `</ListBucketResult>`)
}

// peak returns the most memory that the process has had, in bytes.
func (p *process) peak() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.id))
	if err != nil {
		p.t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10
}

// photo is a JPEG header and then noise, of size bytes in all. An upload reads no more than the header.
func photo(size int) []byte {
	header := []byte{0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0x0b, 0xb8, 0x0f, 0xa0, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1}
	content := make([]byte, size)
	for i, seed := 0, uint32(1); i+4 <= size; i += 4 {
		seed = seed*1664525 + 1013904223
		binary.LittleEndian.PutUint32(content[i:], seed)
	}
	copy(content, header)
	return content
}

func formOf(tb testing.TB, content []byte) (body []byte, contentType string) {
	tb.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", "photo.jpg")
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = part.Write(content)
	form.Close()
	return b.Bytes(), form.FormDataContentType()
}
