package imagestore

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// S3 answers a put with 409 while another request writes the same key, and asks for another attempt:
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
	conditionalConflict = "ConditionalRequestConflict"
	conflictAttempts    = 4
	conflictPause       = 50 * time.Millisecond // doubled after each attempt
)

// retryConflict repeats a put whose body can be sent again while S3 says that another one is in progress. If that does
// not end, it looks at the key: S3 may refuse to complete an upload for good after a conflict, which the other one has
// won. The error is ErrExists then.
func (s *Store) retryConflict(ctx context.Context, key string, put func() error) error {
	pause := conflictPause
	for attempt := 1; ; attempt++ {
		err := put()
		if !isConflict(err) {
			return err
		}
		if attempt == conflictAttempts {
			return s.resolveConflict(ctx, key, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (s *Store) resolveConflict(ctx context.Context, key string, conflict error) error {
	if _, err := s.Stat(ctx, key); err != nil {
		return conflict
	}
	return errors.Join(ErrExists, conflict)
}

func isConflict(err error) bool {
	response := minio.ToErrorResponse(err)
	return response.StatusCode == http.StatusConflict && response.Code == conditionalConflict
}

// isTaken reports whether a put was refused because of its precondition. The end of an upload in parts may say so in
// the body of a 200.
func isTaken(response minio.ErrorResponse) bool {
	return response.StatusCode == http.StatusPreconditionFailed || response.Code == minio.PreconditionFailed
}
