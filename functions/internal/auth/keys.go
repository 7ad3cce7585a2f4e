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
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

// An API key is 32 random bytes, so its SHA-256 is as good as a slow hash: those are for passwords, which can be guessed.
// A check costs a microsecond and not the tenth of a second that whoever sends wrong ones could ask for.
const (
	keyBytes = 32
	// By which those who look for leaked secrets know one.
	keyPrefix = "isk_"
	// How often the file is looked at, at the most.
	keysEvery = 5 * time.Second
)

// clientName leaves out what joins issuer and subject in the name of a client with a token, so that nobody is two.
var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

type apiKey struct {
	client string
	sum    [sha256.Size]byte
}

// NewKey makes a key for a client, and the line of the file that lets it in.
func NewKey(client string) (key, line string, err error) {
	if !clientName.MatchString(client) {
		return "", "", fmt.Errorf("%.80q is no name; expected 1 to 64 letters, digits and . _ @ -, beginning with a letter or digit", client)
	}
	random := make([]byte, keyBytes)
	_, _ = rand.Read(random) // it never fails
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(random)
	sum := sha256.Sum256([]byte(key))
	return key, client + " " + hex.EncodeToString(sum[:]), nil
}

// parseKeys reads lines of a client's name and the SHA-256 of a key in hexadecimal. Its errors name lines and repeat
// nothing of them: who mixes up the columns may have written the key itself.
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
	if !clientName.MatchString(fields[0]) {
		return key, "has a name that is not 1 to 64 letters, digits and . _ @ -"
	}
	sum, err := hex.DecodeString(fields[1])
	if err != nil || len(sum) != sha256.Size {
		return key, "has no SHA-256 in 64 hexadecimal digits"
	}
	return apiKey{fields[0], [sha256.Size]byte(sum)}, ""
}

// A keyring has the keys of a file, and looks at it again while it is asked.
type keyring struct {
	file  config.File
	every time.Duration
	log   *slog.Logger
	bad   prometheus.Gauge
	keys  atomic.Pointer[[]apiKey]

	lock    sync.Mutex
	checked time.Time
	fault   string // of the file, as it was told last
}

func newKeyring(settings Settings, process *httpserver.Process) *keyring {
	k := &keyring{file: settings.keysFile, every: keysEvery, log: process.Log, checked: time.Now()}
	k.keys.Store(&settings.keys)
	k.bad = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "api_keys_bad",
		Help: "1 while the file of API keys is not as it should be, so that no change of it counts.",
	})
	process.Metrics.MustRegister(k.bad)
	return k
}

// client is whose key this is; "" if nobody's. Every key is compared, and each in constant time.
func (k *keyring) client(sum [sha256.Size]byte) (name string) {
	k.refresh()
	for _, key := range *k.keys.Load() {
		if subtle.ConstantTimeCompare(key.sum[:], sum[:]) == 1 {
			name = key.client
		}
	}
	return name
}

// refresh takes the file's keys if it has changed, also if there are none any more. Of a file that is not as it should be
// nothing counts: the keys that were good stay until it is mended. Its content is compared and not its time, which a Secret
// that is mounted swaps.
func (k *keyring) refresh() {
	if !k.lock.TryLock() {
		return // somebody is at it
	}
	defer k.lock.Unlock()
	if time.Since(k.checked) < k.every {
		return
	}
	k.checked = time.Now()
	text, err := k.file.Read()
	var keys []apiKey
	if err == nil {
		keys, err = parseKeys(text)
	}
	switch {
	case err != nil && err.Error() != k.fault:
		k.fault = err.Error()
		k.bad.Set(1)
		k.log.Error("api_keys_not_read", "error.message", k.fault)
	case err == nil:
		k.fault = ""
		k.bad.Set(0)
		k.replace(keys)
	}
}

func (k *keyring) replace(keys []apiKey) {
	if slices.Equal(keys, *k.keys.Load()) {
		return
	}
	k.keys.Store(&keys)
	k.log.Info("api_keys_read", "keys", len(keys))
}
