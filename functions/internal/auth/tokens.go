package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// The clock of the issuer and ours may differ by this much.
const leeway = 30 * time.Second

// algorithms excludes "none" and the algorithms whose secret the issuer shares with others.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

func algorithmNames() (names []string) {
	for _, algorithm := range algorithms {
		names = append(names, string(algorithm))
	}
	return names
}

const maxSubject = 255

var subjectForm = lazyregexp.New(`^[!-~]+$`)

// A tokenVerifier verifies the tokens of one issuer.
type tokenVerifier struct {
	issuer, audience string
	keys             *keySet
}

// newTokenVerifier makes no connection: a function starts, and API keys work, without the issuer.
func newTokenVerifier(s Settings, log *slog.Logger, registerer prometheus.Registerer) *tokenVerifier {
	keys := newKeySet(newIssuerClient(s.issuer, s.jwksURL).keys, log, registerer)
	return &tokenVerifier{s.issuer, s.audience, keys}
}

// client returns the name of the client of a token: issuer and subject, because a subject is unique only within its
// issuer. The error is a *refusal.
func (v *tokenVerifier) client(ctx context.Context, raw string) (string, error) {
	token, err := v.verify(ctx, raw)
	switch {
	case errors.Is(err, errKeysUnavailable):
		return "", issuerUnavailable(err)
	case err != nil:
		return "", unauthorized("invalid", "the token is not valid for this issuer and audience")
	}
	if refused := checkTimes(token); refused != nil {
		return "", refused
	}
	if len(token.Subject) > maxSubject || !subjectForm.MatchString(token.Subject) {
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

// verify verifies the signature of a token and its claims, but for the times.
func (v *tokenVerifier) verify(ctx context.Context, raw string) (*oidc.IDToken, error) {
	keys := &observedKeySet{keySet: v.keys}
	verifier := oidc.NewVerifier(v.issuer, keys, &oidc.Config{
		ClientID:             v.audience,
		SupportedSigningAlgs: algorithmNames(),
		SkipExpiryCheck:      true, // see checkTimes
	})
	token, err := verifier.Verify(ctx, raw)
	if keys.err != nil {
		return nil, keys.err
	}
	return token, err
}

// An observedKeySet keeps the error of a keySet, which go-oidc does not wrap.
type observedKeySet struct {
	*keySet
	err error
}

func (o *observedKeySet) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, o.err = o.keySet.VerifySignature(ctx, token)
	return payload, o.err
}
