package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// memoryExpiry is how long Redis keeps what this package remembers. It can be found out again, or is missed by nobody.
const memoryExpiry = 24 * time.Hour

// sumOf returns the SHA-256 of a stored original. It is read from the store once: a client that repeats a request with
// other bytes of the same size must not have the service read the image each time. The ETag is that of these bytes: an
// image that was removed may be stored again.
func (a *Acceptor) sumOf(ctx context.Context, imageID string, stored *imagestore.Info) ([]byte, error) {
	key, prefix := sumKey(imageID), []byte(stored.ETag+" ")
	known, err := a.redis.Get(ctx, key).Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("look for the hash of %s: %w", imageID, err)
	}
	if sum, found := bytes.CutPrefix(known, prefix); found && len(sum) == sha256.Size {
		return sum, nil
	}
	sum, err := a.images.Sum(ctx, stored)
	if err != nil {
		return nil, err
	}
	if err := a.redis.Set(ctx, key, append(prefix, sum...), memoryExpiry).Err(); err != nil {
		return nil, fmt.Errorf("remember the hash of %s: %w", imageID, err)
	}
	return sum, nil
}

func sumKey(imageID string) string { return "image:sum:" + imageID }

// Forget has Redis forget the hash of an image that was deleted. Events that refer to the image still do, and are
// answered as it is.
func Forget(ctx context.Context, client redis.UniversalClient, imageID string) error {
	if err := client.Del(ctx, sumKey(imageID)).Err(); err != nil {
		return fmt.Errorf("forget the hash of %s: %w", imageID, err)
	}
	return nil
}

// References remember, for a day, which images events refer to that were stored already: such an event makes no image
// of its own, but its sender may ask for its status by its source and ID, or by the ID that is derived from them.
type References struct {
	client   redis.UniversalClient
	statuses status.Keys
}

// NewReferences returns the references that Redis remembers, to the images in a bucket. The caller closes the client.
func NewReferences(client redis.UniversalClient, bucket string) *References {
	return &References{client, status.NewKeys(client, bucket)}
}

func referenceKey(eventImageID string) string { return "image:reference:" + eventImageID }

// Find returns the image that an event refers to; "" if it is not known to refer to one. The event is given by the ID
// that its own image would have, see EventImageID.
func (r *References) Find(ctx context.Context, eventImageID string) (imageID string, err error) {
	imageID, err = r.client.Get(ctx, referenceKey(eventImageID)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("look for the image that %s refers to: %w", eventImageID, err)
	}
	return imageID, nil
}

func (r *References) remember(ctx context.Context, eventImageID, imageID string) error {
	if err := r.client.Set(ctx, referenceKey(eventImageID), imageID, memoryExpiry).Err(); err != nil {
		return fmt.Errorf("remember the image that %s refers to: %w", eventImageID, err)
	}
	r.client.Publish(ctx, r.statuses.Key(eventImageID), "referred") // for those who wait; others find out later
	return nil
}
