package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrTooFarAhead says that more of a body was to be read ahead than a part holds, 5 MiB.
var ErrPeekLimit = errors.New("read too far ahead")

// An abandoned upload is told to MinIO even if its caller has gone, within this time. (MinIO also clears up by itself,
// after a day.)
const abortTimeout = 5 * time.Second

// An Incoming is a body on its way into the store. What is read of it ahead is kept and stored with the rest. It is for
// one goroutine, and must be closed.
type Upload struct {
	store *Store
	body  io.Reader
	size  int64
	begun part
}

// Receive prepares to store a body of size bytes; -1 if that is not known. A body that is known to be larger than 5 MiB
// streams through. Others wait, in the memory that all uploads share, until 5 MiB or their end have come.
func (s *Store) NewUpload(body io.Reader, size int64) *Upload {
	return &Upload{store: s, body: body, size: size, begun: newPart(s.memory)}
}

// Close gives the memory back.
func (in *Upload) Close() { in.begun.clear() }

// Ahead reads the body from its beginning without taking anything away from it, up to 5 MiB; then ErrTooFarAhead.
func (in *Upload) Peek(ctx context.Context) io.Reader {
	offset := 0
	return readerFunc(func(p []byte) (int, error) {
		for offset == in.begun.length {
			if in.begun.length == partSize {
				return 0, ErrPeekLimit
			}
			if err := in.more(ctx); err != nil {
				return 0, err
			}
		}
		n, _ := in.begun.ReadAt(p[:min(len(p), in.begun.length-offset)], int64(offset))
		offset += n
		return n, nil
	})
}

// more reads on in the body, at least a byte.
func (in *Upload) more(ctx context.Context) error {
	room, err := in.begun.room(ctx)
	if err != nil {
		return fmt.Errorf("wait for memory: %w", err)
	}
	n, err := io.ReadAtLeast(in.body, room, 1)
	in.begun.add(room, n)
	return err
}

// Put stores the body under a key that is free and returns its size in bytes. It fails with ErrExists if the key is
// not free, and with the body's error if the body can not be read to its end.
func (in *Upload) Put(ctx context.Context, key string, about Attributes) (int64, error) {
	if in.size > partSize {
		return in.size, in.putStream(ctx, key, about)
	}
	full, err := in.fill(ctx)
	if err != nil {
		return 0, err
	}
	if full {
		return in.putParts(ctx, key, about)
	}
	var l lease
	defer l.end()
	return int64(in.begun.length), in.store.putWhole(ctx, key, in.begun.content(&l), about)
}

// errStalled says that MinIO has stopped to take a body, or to give one.
var errStalled = errors.New("the store stands still in the middle of a body")

// putStream stores a body of known size as it passes by. How long that takes is the caller's affair, but for the time in
// which it is MinIO that is waited for.
func (in *Upload) putStream(ctx context.Context, key string, about Attributes) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(answerTimeout, func() { cancel(errStalled) })
	defer stalled.Stop()
	var l lease
	defer l.end()
	all := io.MultiReader(io.NewSectionReader(&in.begun, 0, int64(in.begun.length)), in.body)
	leased := readerFunc(func(p []byte) (int, error) {
		stalled.Stop()
		defer stalled.Reset(answerTimeout)
		return l.read(func() (int, error) { return all.Read(p) })
	})
	err := in.store.putStream(ctx, key, leased, in.size, about)
	if err != nil && context.Cause(ctx) == errStalled {
		return fmt.Errorf("put object %q: %w", key, errStalled)
	}
	return err
}

// fill reads on until the part is full or the body has ended.
func (in *Upload) fill(ctx context.Context) (full bool, err error) {
	for in.begun.length < partSize {
		if err := in.more(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
	}
	return true, nil
}

// putParts stores the full part that has begun and those after it. Their memory is given back after each, so that
// large uploads take turns.
func (in *Upload) putParts(ctx context.Context, key string, about Attributes) (size int64, err error) {
	s := in.store
	if err := s.ensureBucket(ctx); err != nil {
		return 0, err
	}
	uploadID, err := s.beginParts(ctx, key, about)
	if err != nil {
		return 0, s.explainPut(err, key)
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
			defer cancel()
			_ = s.client.AbortMultipartUpload(ctx, s.bucket, key, uploadID) // MinIO drops it after a day anyway
		}
	}()

	var stored []minio.CompletePart
	for full := true; in.begun.length > 0; {
		part, err := in.putPart(ctx, key, uploadID, len(stored)+1)
		if err != nil {
			return 0, s.explainPut(err, key)
		}
		stored = append(stored, part)
		size += int64(in.begun.length)
		in.begun.clear()
		if !full {
			break
		}
		if full, err = in.fill(ctx); err != nil {
			return 0, err
		}
	}
	return size, s.explainPut(s.completeParts(ctx, key, uploadID, stored), key)
}

func (s *Store) beginParts(ctx context.Context, key string, about Attributes) (uploadID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.client.NewMultipartUpload(ctx, s.bucket, key, about.putOptions())
}

func (s *Store) completeParts(ctx context.Context, key, uploadID string, parts []minio.CompletePart) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	var condition minio.PutObjectOptions
	condition.SetMatchETagExcept("*")
	_, err := s.client.CompleteMultipartUpload(ctx, s.bucket, key, uploadID, parts, condition)
	return err
}

func (in *Upload) putPart(ctx context.Context, key, uploadID string, number int) (minio.CompletePart, error) {
	var l lease
	defer l.end()
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	content := in.begun.content(&l)
	put, err := in.store.client.PutObjectPart(ctx, in.store.bucket, key, uploadID, number, content, content.Size(), minio.PutObjectPartOptions{
		Sha256Hex:            content.sha256,
		DisableContentSha256: true, // of chunks
	})
	return minio.CompletePart{PartNumber: number, ETag: put.ETag}, err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
