// Package signing makes and checks what the service signs for clients that have no key: URLs of images, and grants to
// upload. Both are HMAC-SHA256 by a secret key of the operator.
//
// Whoever has what is signed may use it until it expires; nothing is stored or looked up. The package decides neither
// who may ask for a signature nor what a request with one may see.
package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const (
	// minKey is the length in bytes of the output of SHA-256, below which RFC 2104 discourages keys.
	minKey = 32
	// maxKeys bounds the work for a signature that no key has made.
	maxKeys = 16
)

var keysFile = config.FilePath{Name: "AUTH_SIGNING_KEYS_FILE", Contents: "a file of signing keys",
	Doc: "Keys that sign URLs of images and upload grants: a line of at least 32 characters for each. The first signs, " +
		"all verify. The file is read again when it changes. Needs authentication."}

// Settings are the keys, as they were at the start. The zero Settings sign nothing.
type Settings struct {
	file config.File
	keys []key
}

// IsSet reports whether there are keys.
func (s Settings) IsSet() bool { return s.file.IsSet() }

// ReadSettings reads AUTH_SIGNING_KEYS_FILE, and the file.
func ReadSettings(r *config.Reader) (s Settings) {
	s.file = keysFile.Read(r)
	if !s.file.IsSet() {
		return s
	}
	text, err := s.file.Read()
	if err != nil {
		r.Add(err)
		return s
	}
	if s.keys, err = parseKeys(text); err != nil {
		r.Fault("%s is not a file of signing keys: %v", s.file, err)
	}
	return s
}

// A key is never printed: a type of its own keeps it out of formatted text.
type key []byte

// String hides the key.
func (key) String() string { return "(a key)" }

// parseKeys parses a key a line. Its errors name lines and do not quote them.
func parseKeys(text []byte) (keys []key, err error) {
	var faults []error
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(line) < minKey {
			faults = append(faults, fmt.Errorf("line %d has a key of %d characters; expected %d or more, such as those "+
				"of `openssl rand -base64 32`", number, len(line), minKey))
		}
		keys = append(keys, key(line))
	}
	if len(keys) == 0 {
		faults = append(faults, errors.New("it has no key"))
	}
	if len(keys) > maxKeys {
		faults = append(faults, fmt.Errorf("it has %d keys; expected at most %d", len(keys), maxKeys))
	}
	return keys, errors.Join(faults...)
}

// Keys sign and verify. They are safe for concurrent use.
type Keys struct{ file *config.Watched[[]key] }

// Open returns the keys of settings, which must be set.
func Open(settings Settings, log *slog.Logger, registerer prometheus.Registerer) *Keys {
	bad := promauto.With(registerer).NewGauge(prometheus.GaugeOpts{
		Name: "signing_keys_bad",
		Help: "1 while the file of signing keys is malformed, so that its changes have no effect.",
	})
	report := func(_ []key, err error) {
		if err != nil {
			bad.Set(1)
			log.Error("signing_keys_not_read", "error.message", err.Error())
			return
		}
		bad.Set(0)
	}
	return &Keys{config.Watch(settings.file, settings.keys, parseKeys, report)}
}

// ErrNothingSigned is the answer to a request for something signed where there are no keys.
var ErrNothingSigned = &apierror.Error{
	Status:  http.StatusNotFound,
	Code:    apierror.CodeNothingSigned,
	Message: "This service signs nothing: its operator has configured no signing keys (AUTH_SIGNING_KEYS_FILE)",
}

// mac returns the signature of a text. label says what kind of text it is, so that none is taken for another.
func mac(by key, label, text string) []byte {
	h := hmac.New(sha256.New, by)
	h.Write([]byte(label + "\x00" + text))
	return h.Sum(nil)
}

func (k *Keys) sign(label, text string) string {
	return encoding.EncodeToString(mac(k.file.Value()[0], label, text))
}

// verify reports whether a signature is that of a text. It compares in constant time, and with every key.
func (k *Keys) verify(label, text, signature string) bool {
	given, err := encoding.DecodeString(signature)
	if err != nil || len(signature) != encoding.EncodedLen(sha256.Size) { // it skips the ends of lines
		return false
	}
	valid := false
	for _, by := range k.file.Value() {
		if hmac.Equal(mac(by, label, text), given) {
			valid = true
		}
	}
	return valid
}

// encoding is strict, so that a signature has one form.
var encoding = base64.RawURLEncoding.Strict()
