package intake

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
)

// Whose an image is lies in its id, if clients have names: a UUID of version 8 (RFC 9562, section 5.8), 74 bits of which are
// random, or made of what names the image, and the last 48 are a hash of those and of the client's name. Nothing is stored or
// looked up, so nothing can be lost or disagree. Ids without a client are of versions 4 and 5, and nobody's.
const (
	ownerLabel = "image-service: owner of an image"
	tagBytes   = 6
)

// newID is the id of a new image.
func newID(owner string) string {
	if owner == "" {
		return uuid.NewString()
	}
	return tagged(uuid.New(), owner)
}

// idOf is always the same for an owner and a name in a space of names.
func idOf(space uuid.UUID, owner, name string) string {
	if owner == "" {
		return uuid.NewSHA1(space, []byte(name)).String()
	}
	sum := sha256.Sum256([]byte(space.String() + "\x00" + owner + "\x00" + name))
	return tagged(uuid.UUID(sum[:16]), owner)
}

func tagged(id uuid.UUID, owner string) string {
	id[6] = id[6]&0x0f | 0x80 // the version
	id[8] = id[8]&0x3f | 0x80 // the variant
	copy(id[16-tagBytes:], tagOf(id, owner))
	return id.String()
}

func tagOf(id uuid.UUID, owner string) []byte {
	sum := sha256.Sum256(append([]byte(ownerLabel+"\x00"+owner+"\x00"), id[:16-tagBytes]...))
	return sum[:tagBytes]
}

// owns tells whether an image is a client's, by its id alone.
func owns(owner, imageID string) bool {
	id, err := uuid.Parse(imageID)
	return err == nil && id.Version() == 8 && subtle.ConstantTimeCompare(id[16-tagBytes:], tagOf(id, owner)) == 1
}

// ownerOf is whose an image becomes that comes in a request; "" if clients have no names.
func ownerOf(ctx context.Context) string { return auth.ClientFrom(ctx).Name }

// mayAll tells whether a request may have to do with the images of all: it is an administrator's, or clients have no names.
func (in *intake) mayAll(ctx context.Context) bool {
	return !in.guard.Authenticates() || auth.ClientFrom(ctx).Admin
}

// maySee tells whether a request may know of an image. Who may not is told what is told of an image that is not there.
func (in *intake) maySee(ctx context.Context, imageID string) bool {
	return in.mayAll(ctx) || owns(ownerOf(ctx), imageID)
}
