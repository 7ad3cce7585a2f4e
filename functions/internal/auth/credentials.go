package auth

import (
	"net/http"
	"regexp"
	"strings"
)

// A key is short; tokens of issuers that put groups into them are not. Headers end at 64 KiB anyway.
const maxCredential = 8 << 10

// https://datatracker.ietf.org/doc/html/rfc6750#section-2.1, which a key is, too.
var credentialForm = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// credentialOf is what a caller proves itself with: a key or a token after `Authorization: Bearer`, or a key in X-Api-Key.
// They are never read from the URL, which is logged all over the world. Two of them are none: what is in front of us may
// have looked at the other one.
func credentialOf(header http.Header) (string, *refusal) {
	bearers, keys := header.Values("Authorization"), header.Values("X-Api-Key")
	switch {
	case len(bearers)+len(keys) == 0:
		return "", refuse("missing", "there are no credentials")
	case len(bearers)+len(keys) > 1:
		return "", refuse("malformed", "there are several credentials")
	}
	credential := strings.Join(keys, "")
	if len(bearers) == 1 {
		scheme, rest, _ := strings.Cut(bearers[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", refuse("malformed", "the credentials are of another scheme")
		}
		credential = strings.Trim(rest, " ")
	}
	if len(credential) > maxCredential || !credentialForm.MatchString(credential) {
		return "", refuse("malformed", "the credentials are too long, or have bytes that none has")
	}
	return credential, nil
}
