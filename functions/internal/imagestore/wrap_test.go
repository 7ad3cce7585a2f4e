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
		status        int
		code, request string
		want          error // of those that wrap() distinguishes; nil for a failure that may pass
	}{
		"missing object":         {http.StatusNotFound, minio.NoSuchKey, "1", ErrNotFound},
		"404 of a proxy":         {http.StatusNotFound, minio.NoSuchKey, "", nil},
		"missing bucket":         {http.StatusNotFound, minio.NoSuchBucket, "1", ErrNoBucket},
		"long key":               {http.StatusBadRequest, "KeyTooLongError", "1", ErrImpossible},
		"key that MinIO refuses": {http.StatusBadRequest, "XMinioInvalidObjectName", "1", ErrImpossible},
		"key with bad segments":  {http.StatusBadRequest, "XMinioInvalidResourceName", "1", ErrImpossible},
		"encrypted (SSE-C)":      {http.StatusBadRequest, "InvalidRequest", "1", ErrForbidden},
		"forbidden":              {http.StatusForbidden, minio.AccessDenied, "1", ErrForbidden},
		"403 of a proxy":         {http.StatusForbidden, minio.AccessDenied, "", nil},
		"archived":               {http.StatusForbidden, "InvalidObjectState", "1", ErrForbidden},
		"unknown access key":     {http.StatusForbidden, minio.InvalidAccessKeyID, "1", nil},
		"failure":                {http.StatusServiceUnavailable, "SlowDown", "1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			answer := minio.ErrorResponse{StatusCode: test.status, Code: test.code, RequestID: test.request}
			err := (&Store{}).wrap(answer, "get", "scans", "a.png")
			if err == nil {
				t.Fatal("wrap() = nil, want an error")
			}
			for _, kind := range []error{ErrNotFound, ErrNoBucket, ErrImpossible, ErrForbidden} {
				if got, want := errors.Is(err, kind), errors.Is(test.want, kind); got != want {
					t.Errorf("wrap() = %v; is it %q: %t, want %t", err, kind, got, want)
				}
			}
		})
	}
}
