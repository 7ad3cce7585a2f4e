package auth

import (
	"net/http"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// maxCredential bounds a credential in bytes. A key is short, but issuers may put groups into tokens.
const maxCredential = 8 << 10

// credentialForm is the form of a bearer token (https://datatracker.ietf.org/doc/html/rfc6750#section-2.1), which keys
// have, too.
var credentialForm = lazyregexp.New(`^[A-Za-z0-9._~+/-]+=*$`)

// credentialFrom returns the key or token after `Authorization: Bearer`, or the key in X-Api-Key. Credentials in the
// URL are not read, because URLs are logged. Two credentials are refused: a proxy in front may have checked the other
// one.
func credentialFrom(header http.Header) (string, *refusal) {
	bearers, keys := header.Values("Authorization"), header.Values("X-Api-Key")
	switch {
	case len(bearers)+len(keys) == 0:
		return "", unauthorized("missing", "there are no credentials")
	case len(bearers)+len(keys) > 1:
		return "", unauthorized("malformed", "there are several credentials")
	}
	credential := strings.Join(keys, "")
	if len(bearers) == 1 {
		scheme, rest, _ := strings.Cut(bearers[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", unauthorized("malformed", "the scheme of the credentials is not Bearer")
		}
		credential = strings.Trim(rest, " ")
	}
	if len(credential) > maxCredential || !credentialForm.MatchString(credential) {
		return "", unauthorized("malformed", "the credentials are too long or have characters that are not allowed")
	}
	return credential, nil
}
