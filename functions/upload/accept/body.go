package accept

import (
	"errors"
	"io"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// A Body bounds the bytes of an image, and keeps the error of the reader below: not everything that reads a Body, such
// as MinIO's client, passes its errors on unchanged.
type Body struct {
	from  io.Reader
	limit int64
	read  int64
	err   error
}

// NewBody returns a Body of at most limit bytes.
func NewBody(from io.Reader, limit int64) *Body { return &Body{from: from, limit: limit} }

func (b *Body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	b.read += int64(n)
	if b.read > b.limit {
		b.err = tooManyBytes(b.limit, b.read)
		return n, b.err
	}
	return n, err
}

// Cause returns the reason for err, which came from an operation that read the body.
func (b *Body) Cause(err error) error {
	if b.err != nil {
		return b.err
	}
	if errors.Is(err, imagestore.ErrBusy) {
		return ErrBusy
	}
	var refused *apierror.Error
	if b.read == 0 && errors.As(err, &refused) {
		return ErrEmpty
	}
	return err
}
