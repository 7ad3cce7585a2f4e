//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers/pod"
)

// A process is the function as Knative runs it: a process of its own, whose memory and processor time can be measured.
// Around it are the fakes, except for MinIO: a sink takes all objects and keeps none.
type process struct {
	*pod.Pod
	t testing.TB
}

func start(tb testing.TB, settings ...string) *process {
	tb.Helper()
	sink := httptest.NewServer(newSink(tb))
	tb.Cleanup(sink.Close)
	getenv := testservers.Start(tb, testservers.As("image-upload"))
	settings = append([]string{
		"MINIO_ENDPOINT=" + strings.TrimPrefix(sink.URL, "http://"), "MINIO_ACCESS_KEY=sink", "MINIO_SECRET_KEY=sink-secret",
		"MINIO_SECURE=", "MINIO_CA_FILE=", "MINIO_BUCKET=",
	}, settings...)
	return &process{pod.Start(tb, getenv, settings...), tb}
}

// A sink implements as much of S3 as an upload needs. It keeps the keys of objects and nothing else, and has the
// objects by which the function checks its store in a fake.
type sink struct {
	sync.Mutex
	keys []string
	fake http.Handler
}

func newSink(tb testing.TB) *sink {
	tb.Helper()
	s := &sink{fake: testservers.S3(tb)}
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
