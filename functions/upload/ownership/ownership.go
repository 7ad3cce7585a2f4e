// Package ownership decides which client an image belongs to. The answer is in the image's ID, so nothing is stored or
// looked up, and nothing can be lost or contradict itself.
//
// With authentication, the ID of an image is a UUID of version 8 (RFC 9562, section 5.8). 74 of its bits are random, or
// derived from the name of the image; the last 48 are a hash of those bits and of the client's name. Without
// authentication, IDs are UUIDs of version 4 or 5 and belong to nobody. Of an image that an upload grant brings, 32 of
// the 74 bits are a hash that names the grant, whose holder may see the image.
package ownership

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
)

const (
	tagLabel = "image-service: owner of an image" // is part of every hash, and must not change
	tagBytes = 6

	grantLabel    = "image-service: grant of an image" // the same
	grantTagAt    = 2
	grantTagBytes = 4
)

// NewID returns the ID of a new image of an owner; "" is nobody.
func NewID(owner string) string {
	if owner == "" {
		return uuid.NewString()
	}
	return tagged(uuid.New(), owner)
}

// DerivedID returns the ID of the image that has a name in a namespace; it is always the same for an owner.
func DerivedID(namespace uuid.UUID, owner, name string) string {
	if owner == "" {
		return uuid.NewSHA1(namespace, []byte(name)).String()
	}
	sum := sha256.Sum256([]byte(namespace.String() + "\x00" + owner + "\x00" + name))
	return tagged(uuid.UUID(sum[:16]), owner)
}

// NewGrantedID returns the ID of a new image that an owner's grant brings.
func NewGrantedID(owner, grantID string) string { return granted(uuid.New(), owner, grantID) }

// DerivedGrantedID returns the ID of the image that has a name in a namespace, and that an owner's grant brings.
func DerivedGrantedID(namespace uuid.UUID, owner, grantID, name string) string {
	sum := sha256.Sum256([]byte(namespace.String() + "\x00" + owner + "\x00" + grantID + "\x00" + name))
	return granted(uuid.UUID(sum[:16]), owner, grantID)
}

// granted marks an ID as that of an image which a grant has brought: 32 of its bits are a hash of the others and of the
// grant's ID, which is random and long, so that no image of another grant, or of the client itself, has that mark.
func granted(id uuid.UUID, owner, grantID string) string {
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	copy(id[grantTagAt:], grantTagOf(id, grantID))
	return tagged(id, owner)
}

func grantTagOf(id uuid.UUID, grantID string) []byte {
	text := append([]byte(grantLabel+"\x00"+grantID+"\x00"), id[:grantTagAt]...)
	sum := sha256.Sum256(append(text, id[grantTagAt+grantTagBytes:16-tagBytes]...))
	return sum[:grantTagBytes]
}

// isGranted reports whether a grant has brought an image, if it belongs to the grant's client.
func isGranted(grantID, imageID string) bool {
	id, err := uuid.Parse(imageID)
	tag := id[grantTagAt : grantTagAt+grantTagBytes]
	return err == nil && subtle.ConstantTimeCompare(tag, grantTagOf(id, grantID)) == 1
}

func tagged(id uuid.UUID, owner string) string {
	id[6] = id[6]&0x0f | 0x80 // the version
	id[8] = id[8]&0x3f | 0x80 // the variant
	copy(id[16-tagBytes:], tagOf(id, owner))
	return id.String()
}

func tagOf(id uuid.UUID, owner string) []byte {
	sum := sha256.Sum256(append([]byte(tagLabel+"\x00"+owner+"\x00"), id[:16-tagBytes]...))
	return sum[:tagBytes]
}

// Owns reports whether an image belongs to a client.
func Owns(owner, imageID string) bool {
	id, err := uuid.Parse(imageID)
	return err == nil && id.Version() == 8 && subtle.ConstantTimeCompare(id[16-tagBytes:], tagOf(id, owner)) == 1
}

// Of returns the owner of the images that a request brings; "" without authentication.
func Of(ctx context.Context) string { return auth.ClientFrom(ctx).Name }

// A Policy decides which images a request may see.
type Policy struct {
	// Enforced is whether clients authenticate. If they do not, every request may see every image.
	Enforced bool
}

// MaySeeAll reports whether a request may see the images of all clients.
func (p Policy) MaySeeAll(ctx context.Context) bool { return !p.Enforced || auth.ClientFrom(ctx).Admin }

// MaySee reports whether a request may know that an image exists. A request that may not gets the same answer as for an
// image that does not exist.
func (p Policy) MaySee(ctx context.Context, imageID string) bool {
	if signed := auth.SignedFrom(ctx).Image; signed != "" {
		return signed == imageID
	}
	if grant := auth.GrantFrom(ctx); grant != nil {
		return Owns(grant.Client, imageID) && isGranted(grant.ID, imageID)
	}
	return p.MaySeeAll(ctx) || Owns(Of(ctx), imageID)
}
