package imagestore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Confirm checks that the original stored under key is the one that counts for its image. If not, it is removed,
// and the error is ErrExists: two requests have stored an original for one image under two filenames, and the other one
// counts. An object that is stored but not listed is removed as well, since nothing would ever find it: the error says
// so, and the image is not stored. An original whose image had failed before is removed with ErrExists, too, and one
// whose image was deleted with ErrDeleted. After another error it may be there: then stored is true.
func (s *Store) Confirm(ctx context.Context, imageID, key string) (stored bool, err error) {
	objects, err := s.Find(ctx, imageID)
	if err != nil || objects.Original != nil && objects.Original.Key == key && !objects.FailedFirst() {
		return true, err
	}
	if err := s.Remove(ctx, key); err != nil {
		return true, err
	}
	if objects.Deleted != nil {
		return false, fmt.Errorf("put object %q: %w", key, ErrDeleted)
	}
	if objects.Original == nil {
		return false, fmt.Errorf("put object %q: %w", key, errNotListed)
	}
	return false, fmt.Errorf("put object %q: %q was there first: %w", key, objects.Original.Key, ErrExists)
}

var errNotListed = errors.New("it was stored, but is not in the list of the objects of its image")

// FailedFirst reports whether the image had a result before it had an original, which can only be a failure. The
// process that stored one of them and finds the other goes by it, so that exactly one of the two is removed.
func (o Objects) FailedFirst() bool {
	return o.Original != nil && o.Result != nil && o.Result.Modified.Before(o.Original.Modified)
}

// Sum returns the SHA-256 of the object that info describes.
func (s *Store) Sum(ctx context.Context, info *Info) ([]byte, error) {
	body, err := s.GetRange(ctx, info, 0, info.Size)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return nil, fmt.Errorf("read object %q: %w", info.Key, err)
	}
	return sum.Sum(nil), nil
}

// ReadJSON decodes an object that was found as info says into value. It reads no more than limit bytes, so that a
// longer object is an error.
func (s *Store) ReadJSON(ctx context.Context, info *Info, limit int64, value any) error {
	body, err := s.GetRange(ctx, info, 0, info.Size)
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, limit))
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return fmt.Errorf("read object %q: %w", info.Key, err)
	}
	return nil
}

// maxEncodedFilename leaves half of the 2 KB that S3 has for all metadata of an object.
const maxEncodedFilename = 1024

// EncodeFilename is encodeMetadata for a client's file name, shortened to what fits.
func EncodeFilename(filename string) string {
	encoded := encodeMetadata(filename)
	for len(encoded) > maxEncodedFilename {
		filename = filename[:len(filename)*maxEncodedFilename/len(encoded)]
		encoded = encodeMetadata(filename)
	}
	return encoded
}
