package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// secretPrefix begins a secret, so that scanners recognize it.
const secretPrefix = "whsec_"

// The length of a secret in bytes, before base64, by the specification, and that of new ones.
const (
	minSecret = 24
	maxSecret = 64
	newSecret = 32
)

const expectedForm = "whsec_ and the base64 of 24 to 64 random bytes"

// NewSecret returns a random secret of an endpoint.
func NewSecret() string {
	random := make([]byte, newSecret)
	_, _ = rand.Read(random) // it never fails, by its documentation
	return secretPrefix + base64.StdEncoding.EncodeToString(random)
}

// A signer returns the signature of a message by one secret. It is a function so that no secret can be printed.
type signer func(id string, at time.Time, body []byte) string

// parseSecret returns the signer of a secret; ok is false if it is not one.
func parseSecret(text string) (sign signer, ok bool) {
	encoded, marked := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !marked || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, false
	}
	return func(id string, at time.Time, body []byte) string {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}, true
}

// signatures returns the value of webhook-signature: a signature by each secret, of which receivers look for one that
// they can verify. So a secret can be replaced without a delivery that fails.
func signatures(by []signer, id string, at time.Time, body []byte) string {
	var all []string
	for _, sign := range by {
		all = append(all, sign(id, at, body))
	}
	return strings.Join(all, " ")
}
