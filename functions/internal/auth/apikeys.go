package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// An API key is 32 random bytes, so a SHA-256 protects it as well as a slow hash, which is for passwords that can be
// guessed. A check takes a microsecond, where a slow hash would let wrong keys cost a tenth of a second each.
const (
	keyBytes = 32
	// keyPrefix lets secret scanners recognize a key.
	keyPrefix = "isk_"
)

// clientName excludes the bar that joins issuer and subject in the name of a client with a token, so that no two
// clients have one name.
var clientName = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._@-]*$`)

const maxClientName = 64

func isClientName(text string) bool {
	return len(text) <= maxClientName && clientName.MatchString(text)
}

type apiKey struct {
	client string
	sum    [sha256.Size]byte
}

// NewKey returns a random key for a client, and the line for it in the file of API keys. The client's name is 1 to 64
// letters, digits and . _ @ -, beginning with a letter or digit.
func NewKey(client string) (key, line string, err error) {
	if !isClientName(client) {
		return "", "", fmt.Errorf("%.80q is not the name of a client; "+
			"expected 1 to 64 letters, digits and . _ @ -, beginning with a letter or digit", client)
	}
	random := make([]byte, keyBytes)
	_, _ = rand.Read(random) // it never fails, by its documentation
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(random)
	sum := sha256.Sum256([]byte(key))
	return key, client + " " + hex.EncodeToString(sum[:]), nil
}

// parseKeys parses lines of a client's name and the SHA-256 of its key in hexadecimal. Its errors name lines and do not
// quote them, because a line may have the key itself by mistake.
func parseKeys(text []byte) (keys []apiKey, err error) {
	var faults []error
	lineOf := map[[sha256.Size]byte]int{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, fault := parseKey(line)
		if fault == "" && lineOf[key.sum] > 0 {
			fault = fmt.Sprintf("has the key of line %d", lineOf[key.sum])
		}
		if fault != "" {
			faults = append(faults, fmt.Errorf("line %d %s", number, fault))
			continue
		}
		lineOf[key.sum] = number
		keys = append(keys, key)
	}
	return keys, errors.Join(faults...)
}

func parseKey(line string) (key apiKey, fault string) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return key, "is not a name and a SHA-256"
	}
	if !isClientName(fields[0]) {
		return key, "has a name that is not 1 to 64 letters, digits and . _ @ -"
	}
	sum, err := hex.DecodeString(fields[1])
	if err != nil || len(sum) != sha256.Size {
		return key, "has no SHA-256 in 64 hexadecimal digits"
	}
	return apiKey{fields[0], [sha256.Size]byte(sum)}, ""
}

// A keyring has the keys of a file, and reads the file again when it is used.
type keyring struct {
	file *config.Watched[[]apiKey]
	bad  prometheus.Gauge
	log  *slog.Logger
	last []apiKey // that were logged; used by one reading at a time
}

func newKeyring(settings Settings, process *httpserver.Process) *keyring {
	k := &keyring{log: process.Log, last: settings.keys}
	k.bad = promauto.With(process.Metrics).NewGauge(prometheus.GaugeOpts{
		Name: "api_keys_bad",
		Help: "1 while the file of API keys is malformed, so that its changes have no effect.",
	})
	k.file = config.Watch(settings.keysFile, settings.keys, parseKeys, k.report)
	return k
}

// client returns the name of the client whose key has the SHA-256 sum; "" if there is none. Every key is compared, each
// in constant time.
func (k *keyring) client(sum [sha256.Size]byte) (name string) {
	for _, key := range k.file.Value() {
		if subtle.ConstantTimeCompare(key.sum[:], sum[:]) == 1 {
			name = key.client
		}
	}
	return name
}

// has reports whether a client has a key.
func (k *keyring) has(client string) bool {
	return slices.ContainsFunc(k.file.Value(), func(key apiKey) bool { return key.client == client })
}

// report is for config.Watch. The file may have no keys by now.
func (k *keyring) report(keys []apiKey, err error) {
	if err != nil {
		k.bad.Set(1)
		k.log.Error("api_keys_not_read", "error.message", err.Error())
		return
	}
	k.bad.Set(0)
	if !slices.Equal(keys, k.last) {
		k.last = keys
		k.log.Info("api_keys_read", "keys", len(keys))
	}
}
