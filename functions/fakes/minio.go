package fakes

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

func (s *Servers) startMinIO() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := newS3()
	go func() { _ = server.Serve(listener) }() // until Close
	s.closers = append(s.closers, func() { server.Close() })
	s.settings["MINIO_ENDPOINT"] = listener.Addr().String()
	s.settings["MINIO_ACCESS_KEY"] = "fake"
	s.settings["MINIO_SECRET_KEY"] = "fake-secret"
	s.unset("MINIO_CA_FILE")
	return nil
}

// newS3 discards the server's log: gofakes3 writes a second header when a client leaves in the middle of an object,
// which net/http would report each time.
func newS3() *http.Server {
	return &http.Server{
		Handler:           S3(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
}

// refuseLongSegments refuses keys with a segment of more than 255 bytes, as MinIO's disks do.
func refuseLongSegments(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for segment := range strings.SplitSeq(r.URL.Path, "/") {
			if len(segment) > 255 {
				w.Header().Set("X-Amz-Request-Id", "1")
				w.Header().Set("X-Minio-Error-Code", "XMinioInvalidObjectName") // for HEAD
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, "<Error><Code>XMinioInvalidObjectName</Code><RequestId>1</RequestId></Error>")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// S3 returns a new fake, which does what imagestore requires.
func S3() http.Handler { return refuseLongSegments(foldersOfMinIO(newPreconditions())) }

// foldersOfMinIO takes an object whose name ends in __XLDIR__ for a folder, as MinIO does: it is stored, but listed
// with a slash at its end.
func foldersOfMinIO(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, isFolder := strings.CutSuffix(r.URL.Path, "__XLDIR__"); isFolder {
			r.URL.Path, r.URL.RawPath = name+"/", ""
		}
		next.ServeHTTP(w, r)
	})
}
