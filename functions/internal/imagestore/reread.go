package imagestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"
)

// The answer to a request for an object may be another's: a proxy that cannot reach the store may have a page of its
// own with status 200. Or it has only a part of the object. What is final must not rest on one answer.

// Confirm returns an error, which may pass, unless read, from Get, has the size of the object that i describes.
func (i *Info) Confirm(read *Info) error {
	if i.Size == read.Size {
		return nil
	}
	return fmt.Errorf("read object %q: got %d bytes, expected the %d that are stored", read.Key, read.Size, i.Size)
}

// ConfirmHead asks for an object of any bucket again, without its bytes, and returns an error, which may pass, unless
// it is what Get or GetVersion has read. If the answer of these did not say its size, read has it then.
func (s *Store) ConfirmHead(ctx context.Context, bucket, version string, read *Info) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	object, err := s.client.StatObject(ctx, bucket, read.Key, minio.StatObjectOptions{VersionID: version})
	if err != nil {
		return s.wrap(err, "stat", bucket, read.Key)
	}
	stored := infoOf(object)
	if read.Size < 0 {
		read.Size = stored.Size
	}
	if stored.ETag != read.ETag {
		return fmt.Errorf("read object %q: got one with the ETag %.90q, expected %.90q", read.Key, read.ETag, stored.ETag)
	}
	return stored.Confirm(read)
}

// ConfirmListed looks for an object of any bucket in the list of its objects, which no page is taken for, and returns
// an error, which may pass, unless it is there with the size that Get has read. It costs some stores more the more
// objects are beside it. Where the service may not list, nothing is confirmed.
func (s *Store) ConfirmListed(ctx context.Context, bucket string, read *Info) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for object := range s.client.ListObjectsIter(ctx, bucket, minio.ListObjectsOptions{Prefix: read.Key, MaxKeys: 1}) {
		err := s.wrap(object.Err, "list", bucket, read.Key)
		switch {
		case errors.Is(err, ErrForbidden):
			return nil
		case err != nil:
			return err
		case object.Key == read.Key:
			return infoOf(object).Confirm(read)
		}
		break // no key with this prefix is before the key itself
	}
	if err := ctx.Err(); err != nil {
		return s.wrap(err, "list", bucket, read.Key)
	}
	return fmt.Errorf("list object %q in %q: %w", read.Key, bucket, ErrNotFound)
}
