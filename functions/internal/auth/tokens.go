package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

const (
	// The clock of the issuer and ours may differ by this much.
	leeway = 30 * time.Second
	// After this time the keys are fetched again even if no token has an unknown key: the issuer may have withdrawn
	// some.
	keysMaxAge = 5 * time.Minute
)

// algorithms excludes "none" and the algorithms whose secret the issuer shares with others.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

var subjectForm = regexp.MustCompile(`^[!-~]{1,255}$`)

// A tokenVerifier verifies the tokens of one issuer.
type tokenVerifier struct {
	issuer, audience, jwksURL string
	http                      *http.Client

	discovery singleflight.Group
	maxAge    time.Duration

	lock    sync.Mutex
	current *oidc.IDTokenVerifier
	since   time.Time // or since the last attempt to renew it
}

// newTokenVerifier makes no connection: a function starts, and API keys work, without the issuer.
func newTokenVerifier(s Settings) *tokenVerifier {
	return &tokenVerifier{
		issuer: s.issuer, audience: s.audience, jwksURL: s.jwksURL,
		http: newIssuerClient(), maxAge: keysMaxAge,
	}
}

// client returns the name of the client of a token: issuer and subject, because a subject is unique only within its
// issuer. The error is a *refusal.
func (v *tokenVerifier) client(ctx context.Context, raw string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout+time.Second)
	defer cancel()
	verifier, err := v.verifier(ctx, raw)
	if err != nil {
		return "", issuerUnavailable(err)
	}
	token, lookup, err := verify(ctx, verifier, raw)
	switch {
	case lookup.err != nil:
		return "", issuerUnavailable(lookup.err)
	case err != nil:
		return "", unauthorized("invalid", "the token is not valid for this issuer and audience")
	}
	if refused := checkTimes(token); refused != nil {
		return "", refused
	}
	if !subjectForm.MatchString(token.Subject) {
		return "", unauthorized("invalid", "the subject of the token is not 1 to 255 printable ASCII characters")
	}
	return v.issuer + "|" + token.Subject, nil
}

// checkTimes replaces the check of go-oidc, which has no leeway for the end of a token and five minutes for its
// beginning.
func checkTimes(token *oidc.IDToken) *refusal {
	var claims struct {
		NotBefore float64 `json:"nbf"`
	}
	now := time.Now()
	switch err := token.Claims(&claims); {
	case err != nil:
		return unauthorized("invalid", "the token has claims of a wrong type")
	case now.After(token.Expiry.Add(leeway)):
		return unauthorized("expired", "the token has expired")
	case claims.NotBefore > float64(now.Add(leeway).Unix()):
		return unauthorized("expired", "the token is not valid yet")
	}
	return nil
}

// verifier returns the current verifier. The first call discovers the issuer, once for all callers that wait. Later
// the verifier is renewed in the background.
func (v *tokenVerifier) verifier(ctx context.Context, raw string) (*oidc.IDTokenVerifier, error) {
	current, stale := v.get()
	if current != nil {
		if stale {
			go v.renew(context.WithoutCancel(ctx), raw)
		}
		return current, nil
	}
	discovered := v.discovery.DoChan("", func() (any, error) {
		verifier, err := v.discover(ctx)
		if err == nil {
			v.set(verifier)
		}
		return verifier, err
	})
	select {
	case result := <-discovered:
		verifier, _ := result.Val.(*oidc.IDTokenVerifier)
		return verifier, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get returns the current verifier, and whether the caller is the one to renew it.
func (v *tokenVerifier) get() (current *oidc.IDTokenVerifier, stale bool) {
	v.lock.Lock()
	defer v.lock.Unlock()
	if stale = time.Since(v.since) > v.maxAge; stale {
		v.since = time.Now()
	}
	return v.current, stale
}

func (v *tokenVerifier) set(verifier *oidc.IDTokenVerifier) {
	v.lock.Lock()
	defer v.lock.Unlock()
	v.current, v.since = verifier, time.Now()
}

// renew replaces the verifier once the new one has fetched the keys, which it does to verify a token. Until then, and
// while the issuer is down, the old one stays.
func (v *tokenVerifier) renew(ctx context.Context, raw string) {
	verifier, err := v.discover(ctx)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	if _, lookup, _ := verify(ctx, verifier, raw); lookup.attempted && lookup.err == nil {
		v.set(verifier)
	}
}

func (v *tokenVerifier) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), v.http) // the verifier keeps it to fetch keys later
	jwksURL := v.jwksURL
	if jwksURL == "" {
		provider, err := oidc.NewProvider(ctx, v.issuer)
		if err != nil {
			return nil, fmt.Errorf("discover issuer: %w", err)
		}
		var document struct {
			JWKSURL string `json:"jwks_uri"`
		}
		if err := provider.Claims(&document); err != nil || !isSafeURL(document.JWKSURL) {
			return nil, fmt.Errorf("discover issuer: its jwks_uri is %.90q, expected an https:// URL", document.JWKSURL)
		}
		jwksURL = document.JWKSURL
	}
	return oidc.NewVerifier(v.issuer, keySet{oidc.NewRemoteKeySet(ctx, jwksURL)}, &oidc.Config{
		ClientID:             v.audience,
		SupportedSigningAlgs: algorithms,
		SkipExpiryCheck:      true, // see checkTimes
	}), nil
}

// verify verifies a token, and reports the outcome of the key lookup apart from that of the signature.
func verify(ctx context.Context, verifier *oidc.IDTokenVerifier, raw string) (*oidc.IDToken, keyLookup, error) {
	var lookup keyLookup
	token, err := verifier.Verify(context.WithValue(ctx, keyLookupKey{}, &lookup), raw)
	return token, lookup, err
}

// A keyLookup is the outcome of the lookup of a token's key. It is not attempted for a token with wrong claims.
type keyLookup struct {
	attempted bool
	err       error // why the keys could not be fetched
}

type keyLookupKey struct{}

// A keySet distinguishes keys that cannot be fetched from a signature by none of them, which is one error in go-oidc.
type keySet struct{ oidc.KeySet }

func (k keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	// The error about a signature wraps no other.
	*ctx.Value(keyLookupKey{}).(*keyLookup) = keyLookup{attempted: true, err: errors.Unwrap(err)}
	return payload, err
}
