package imagestore

import (
	"errors"
	"net/http"
	"testing"

	"github.com/minio/minio-go/v7"
)

// Only an answer of the store about the object says that it does not exist: a missing bucket and a refusal do not.
func TestWrap(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status             int
		code, request      string
		notFound, noBucket bool
	}{
		"missing object":         {http.StatusNotFound, minio.NoSuchKey, "1", true, false},
		"404 of a proxy":         {http.StatusNotFound, minio.NoSuchKey, "", false, false},
		"missing bucket":         {http.StatusNotFound, minio.NoSuchBucket, "1", true, true},
		"long key":               {http.StatusBadRequest, "KeyTooLongError", "1", true, false},
		"key that MinIO refuses": {http.StatusBadRequest, "XMinioInvalidObjectName", "1", true, false},
		"key with bad segments":  {http.StatusBadRequest, "XMinioInvalidResourceName", "1", true, false},
		"key of its own":         {http.StatusBadRequest, "InvalidRequest", "1", false, false}, // SSE-C
		"forbidden":              {http.StatusForbidden, minio.AccessDenied, "1", false, false},
		"archived":               {http.StatusForbidden, "InvalidObjectState", "1", false, false},
		"failure":                {http.StatusServiceUnavailable, "SlowDown", "1", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer := minio.ErrorResponse{StatusCode: test.status, Code: test.code, RequestID: test.request}
			err := (&Store{}).wrap(answer, "get", "scans", "a.png")
			if got := errors.Is(err, ErrNotFound); err == nil || got != test.notFound {
				t.Errorf("wrap() = %v; is it ErrNotFound: %t, want %t", err, got, test.notFound)
			}
			if got := errors.Is(err, ErrNoBucket); got != test.noBucket {
				t.Errorf("wrap() = %v; is it ErrNoBucket: %t, want %t", err, got, test.noBucket)
			}
		})
	}
}
