package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrPeekLimit means that Peek has returned 5 MiB, which is all that it can.
var ErrPeekLimit = errors.New("read too far ahead")

// abortTimeout bounds the request that aborts a failed multipart upload. It is sent even if the client has gone.
const abortTimeout = 5 * time.Second

// An Upload is a body that is stored as an object. It is for one goroutine, and must be closed.
type Upload struct {
	store *Store
	body  io.Reader
	size  int64
	began time.Time
	part  part // the current one
	admit func(size int64) error
}

// NewUpload returns an Upload of a body of size bytes, -1 if the size is unknown. A body that is known to be larger
// than 5 MiB is streamed. Others are collected, in memory that all uploads share, up to 5 MiB or their end, and those
// of known size are sent meanwhile.
func (s *Store) NewUpload(body io.Reader, size int64) *Upload {
	admit := func(int64) error { return nil }
	return &Upload{store: s, body: body, size: size, began: time.Now(), part: newPart(s.memory), admit: admit}
}

// Admit has Put call a function with the size of the body once it is known, and before there is an object. If the
// function returns an error, Put fails with it.
func (u *Upload) Admit(admit func(size int64) error) { u.admit = admit }

// Close releases the memory of the upload.
func (u *Upload) Close() { u.part.clear() }

// Peek returns a reader of the first 5 MiB of the body, which Put stores nevertheless. After them it fails with
// ErrPeekLimit.
func (u *Upload) Peek(ctx context.Context) io.Reader {
	offset := 0
	return readerFunc(func(p []byte) (int, error) {
		for offset == u.part.length {
			if u.part.length == partSize {
				return 0, ErrPeekLimit
			}
			if err := u.more(ctx); err != nil {
				return 0, err
			}
		}
		n, _ := u.part.ReadAt(p[:min(len(p), u.part.length-offset)], int64(offset))
		offset += n
		return n, nil
	})
}

// Peek returns the bytes of a body that is not stored as Upload.Peek does, with the same limit.
func Peek(body io.Reader) io.Reader {
	left := partSize
	return readerFunc(func(p []byte) (int, error) {
		if left == 0 {
			return 0, ErrPeekLimit
		}
		n, err := body.Read(p[:min(len(p), left)])
		left -= n
		return n, err
	})
}

// more reads at least one more byte of the body.
func (u *Upload) more(ctx context.Context) error {
	buffer, err := u.part.next(ctx)
	if err != nil {
		return fmt.Errorf("wait for memory: %w", err)
	}
	n, err := io.ReadAtLeast(u.body, buffer, 1)
	u.part.extend(buffer, n)
	return err
}

// Put stores the body and returns its size in bytes. It fails with ErrExists if the key is taken, with ErrBusy if no
// memory becomes free, and with the body's error if the body cannot be read to its end.
func (u *Upload) Put(ctx context.Context, key string, attributes Attributes) (int64, error) {
	if u.size > partSize {
		if err := u.admit(u.size); err != nil {
			return 0, err
		}
		return u.size, u.putStream(ctx, key, attributes)
	}
	if stored, err := u.putArriving(ctx, key, attributes); stored || err != nil {
		return int64(u.part.length), err
	}
	full, err := u.fill(ctx)
	if err != nil {
		return 0, err
	}
	if full {
		return u.putParts(ctx, key, attributes)
	}
	if err := u.admit(int64(u.part.length)); err != nil {
		return 0, err
	}
	var l lease
	defer l.end()
	return int64(u.part.length), u.store.putWhole(ctx, key, u.part.content(&l), attributes)
}

// errStalled means that MinIO stopped reading or sending a body.
var errStalled = errors.New("the store stopped responding in the middle of a body")

// putStream stores a body of known size without collecting it. The time that the body takes is limited by its reader;
// only the time that MinIO takes is limited here.
func (u *Upload) putStream(ctx context.Context, key string, attributes Attributes) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(responseTimeout, func() { cancel(errStalled) })
	defer stalled.Stop()
	var l lease
	defer l.end()
	all := io.MultiReader(io.NewSectionReader(&u.part, 0, int64(u.part.length)), u.body)
	leased := readerFunc(func(p []byte) (int, error) {
		stalled.Stop()
		defer stalled.Reset(responseTimeout)
		return l.read(func() (int, error) { return all.Read(p) })
	})
	err := u.store.putStream(ctx, key, leased, u.size, attributes)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("put object %q: %w", key, errStalled)
	}
	return err
}

// fill reads until the part is full or the body ends.
func (u *Upload) fill(ctx context.Context) (full bool, err error) {
	for u.part.length < partSize {
		if err := u.more(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
	}
	return true, nil
}

// putParts stores the current part, which is full, and those after it. It releases their memory after each, so that
// large uploads take turns.
func (u *Upload) putParts(ctx context.Context, key string, attributes Attributes) (size int64, err error) {
	s := u.store
	if err := s.ensureBucket(ctx); err != nil {
		return 0, err
	}
	uploadID, err := s.beginParts(ctx, key, attributes)
	if err != nil {
		return 0, s.wrapPut(err, key)
	}
	defer func() {
		if err != nil {
			s.abortParts(ctx, key, uploadID)
		}
	}()

	var stored []minio.CompletePart
	for full := true; u.part.length > 0; {
		part, err := u.putPart(ctx, key, uploadID, len(stored)+1)
		if err != nil {
			return 0, s.wrapPut(err, key)
		}
		stored = append(stored, part)
		size += int64(u.part.length)
		u.part.clear()
		if !full {
			break
		}
		if full, err = u.fill(ctx); err != nil {
			return 0, err
		}
	}
	if err := u.admit(size); err != nil {
		return 0, err
	}
	return size, s.wrapPut(s.completeParts(ctx, key, uploadID, stored), key)
}

func (s *Store) beginParts(ctx context.Context, key string, attributes Attributes) (uploadID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.client.NewMultipartUpload(ctx, s.bucket, key, attributes.options()) // the end of it has the precondition
}

// abortParts removes the parts of an upload that has failed, be it because the client has gone. If that fails, too,
// MinIO does it after a day, and AbortIncomplete elsewhere.
func (s *Store) abortParts(ctx context.Context, key, uploadID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_ = s.client.AbortMultipartUpload(ctx, s.bucket, key, uploadID)
}

func (s *Store) completeParts(ctx context.Context, key, uploadID string, parts []minio.CompletePart) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	var condition minio.PutObjectOptions
	condition.SetMatchETagExcept("*")
	return s.retryConflict(ctx, key, func() error {
		_, err := s.client.CompleteMultipartUpload(ctx, s.bucket, key, uploadID, parts, condition)
		return err
	})
}

func (u *Upload) putPart(ctx context.Context, key, uploadID string, number int) (minio.CompletePart, error) {
	var l lease
	defer l.end()
	return u.store.putPart(ctx, key, uploadID, number, u.part.content(&l))
}

func (s *Store) putPart(
	ctx context.Context, key, uploadID string, number int, content content,
) (minio.CompletePart, error) {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	options := minio.PutObjectPartOptions{
		Sha256Hex:            content.sha256,
		DisableContentSha256: true, // of chunks
	}
	put, err := s.client.PutObjectPart(ctx, s.bucket, key, uploadID, number, content, content.Size(), options)
	return minio.CompletePart{PartNumber: number, ETag: put.ETag}, err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
