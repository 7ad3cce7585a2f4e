package fakes

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes/objects"
)

func (s *Servers) startMinIO() error {
	store, err := objects.Open(s.directory.in("minio"), s.directory.kept)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.objects = store
	server := newServer(handler(store))
	go func() { _ = server.Serve(listener) }() // until Close
	s.closers = append(s.closers, func() { server.Close() })
	s.settings["MINIO_ENDPOINT"] = listener.Addr().String()
	s.settings["MINIO_ACCESS_KEY"] = "fake"
	s.settings["MINIO_SECRET_KEY"] = "fake-secret"
	s.unset("MINIO_CA_FILE")
	return nil
}

// newServer discards the server's log: gofakes3 writes a second header when a client leaves in the middle of an object,
// which net/http would report each time.
func newServer(s3 http.Handler) *http.Server {
	return &http.Server{
		Handler:           s3,
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

// S3 returns a new fake, which does what imagestore requires, and has its files in a directory.
func S3(directory string) (http.Handler, error) {
	store, err := objects.Open(directory, false)
	if err != nil {
		return nil, err
	}
	return handler(store), nil
}

func handler(store *objects.Store) http.Handler {
	return refuseLongSegments(foldersOfMinIO(newPreconditions(store)))
}

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
