package signing

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

const (
	grantLabel = "image-service: upload grant, version 1" // is part of every signature, and must not change
	// grantPrefix lets secret scanners recognize a grant.
	grantPrefix = "isg_"
	// maxGrant bounds a grant in bytes.
	maxGrant = 4 << 10
)

// A Grant allows uploads in the name of a client, to somebody who has no key.
type Grant struct {
	// ID is random.
	ID string `json:"id"`
	// Client is the owner of the images.
	Client string `json:"client"`
	// MaxBytes is what each image may have, and Images how many there may be.
	MaxBytes int64 `json:"max_bytes"`
	Images   int64 `json:"images"`
	// Types are the content types that an image may have; none means any.
	Types []string `json:"types,omitempty"`
	// Expires is when uploads end, in seconds since 1970.
	Expires int64 `json:"expires"`
}

// Allows reports whether an image may have a content type.
func (g *Grant) Allows(contentType string) bool {
	return len(g.Types) == 0 || slices.Contains(g.Types, contentType)
}

// Grant signs a grant, gives it an ID, and returns its text, which fits into a query and a header as it is. Whoever
// reads it learns the name of the client.
func (k *Keys) Grant(g Grant) (text string, err error) {
	g.ID = rand.Text()
	payload, err := json.Marshal(g)
	if err != nil {
		return "", err
	}
	encoded := encoding.EncodeToString(payload)
	return grantPrefix + encoded + "." + k.sign(grantLabel, encoded), nil
}

// ReadGrant reads a grant that is still valid at a time. The error is ErrInvalid or ErrExpired.
func (k *Keys) ReadGrant(text string, now time.Time) (*Grant, error) {
	rest, isGrant := strings.CutPrefix(text, grantPrefix)
	encoded, signature, _ := strings.Cut(rest, ".")
	if !isGrant || len(text) > maxGrant || !k.verify(grantLabel, encoded, signature) {
		return nil, ErrInvalid
	}
	payload, err := encoding.DecodeString(encoded)
	if err != nil {
		return nil, ErrInvalid
	}
	g := &Grant{}
	if err := json.Unmarshal(payload, g); err != nil {
		return nil, ErrInvalid
	}
	if now.Unix() >= g.Expires {
		return nil, ErrExpired
	}
	return g, nil
}
