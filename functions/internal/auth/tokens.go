package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

const (
	// How far the clock of an issuer may be from ours.
	leeway = 30 * time.Second
	// How long an issuer may take to tell its keys. A caller with a token that needs them waits for it.
	issuerTimeout = 3 * time.Second
	// What an issuer has told, or that it told nothing, holds for so long: tokens with keys that nobody knows can be made
	// up by anybody, and each would have us ask.
	askEvery = 10 * time.Second
	// After so long an issuer is asked for its keys again, though all that come are known: it may have withdrawn some.
	renewEvery = 5 * time.Minute
	// The keys of an issuer are some kilobytes.
	maxIssuerAnswer = 1 << 20
)

// Algorithms with a secret that is not the issuer's alone, and "none", are left out.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

var subjectForm = regexp.MustCompile(`^[!-~]{1,255}$`)

// tokens checks the tokens of one issuer.
type tokens struct {
	issuer, audience, jwksURL string
	client                    *http.Client

	opening    singleflight.Group
	renewEvery time.Duration

	lock   sync.Mutex
	opened *oidc.IDTokenVerifier
	since  time.Time // or since it was last tried to renew it
}

// newTokens makes no connection: a function starts, and keys work, without the issuer.
func newTokens(s Settings) *tokens {
	return &tokens{issuer: s.issuer, audience: s.audience, jwksURL: s.jwksURL, renewEvery: renewEvery, client: &http.Client{
		Transport: &sparing{next: http.DefaultTransport, every: askEvery, told: map[string]told{}},
		Timeout:   issuerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the issuer sends us somewhere else")
		},
	}}
}

// clientOf is whose token this is: issuer and subject, as a subject alone means nothing.
func (t *tokens) clientOf(ctx context.Context, raw string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout+time.Second)
	defer cancel()
	verifier, err := t.verifier(ctx, raw)
	if err != nil {
		return "", unavailable(err)
	}
	token, keys, err := verify(ctx, verifier, raw)
	switch {
	case keys.away != nil:
		return "", unavailable(keys.away)
	case err != nil:
		return "", refuse("invalid", "the token is not one of the issuer's for us")
	}
	if refused := checkTimes(token); refused != nil {
		return "", refused
	}
	if !subjectForm.MatchString(token.Subject) {
		return "", refuse("invalid", "the token has no subject that could be a name")
	}
	return t.issuer + "|" + token.Subject, nil
}

// checkTimes is ours because go-oidc knows no leeway for the end of a token, and one of five minutes for its beginning.
func checkTimes(token *oidc.IDToken) *refusal {
	var claims struct {
		NotBefore float64 `json:"nbf"`
	}
	now := time.Now()
	switch err := token.Claims(&claims); {
	case err != nil:
		return refuse("invalid", "the token has claims of a wrong type")
	case now.After(token.Expiry.Add(leeway)):
		return refuse("expired", "the token has expired")
	case claims.NotBefore > float64(now.Add(leeway).Unix()):
		return refuse("expired", "the token is not valid yet")
	}
	return nil
}

// verifier asks the issuer where its keys are, once it is needed, and for all who wait for it together. Then it is renewed
// from time to time, and nobody waits for that.
func (t *tokens) verifier(ctx context.Context, raw string) (*oidc.IDTokenVerifier, error) {
	opened, old := t.current()
	if opened != nil {
		if old {
			go t.renew(context.WithoutCancel(ctx), raw)
		}
		return opened, nil
	}
	opening := t.opening.DoChan("", func() (any, error) {
		verifier, err := t.open(ctx)
		if err == nil {
			t.use(verifier)
		}
		return verifier, err
	})
	select {
	case answer := <-opening:
		verifier, _ := answer.Val.(*oidc.IDTokenVerifier)
		return verifier, answer.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// current is what tokens are verified with, and whether the one who asks is to renew it.
func (t *tokens) current() (opened *oidc.IDTokenVerifier, old bool) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if old = time.Since(t.since) > t.renewEvery; old {
		t.since = time.Now()
	}
	return t.opened, old
}

func (t *tokens) use(verifier *oidc.IDTokenVerifier) {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.opened, t.since = verifier, time.Now()
}

// renew takes a new verifier once it has the issuer's keys, which a token makes it ask for. Until then, and if the issuer
// is away, the old one does.
func (t *tokens) renew(ctx context.Context, raw string) {
	verifier, err := t.open(ctx)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
	defer cancel()
	if _, keys, _ := verify(ctx, verifier, raw); keys.asked && keys.away == nil {
		t.use(verifier)
	}
}

func (t *tokens) open(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), t.client) // it is kept for keys that are asked for later
	jwksURL := t.jwksURL
	if jwksURL == "" {
		provider, err := oidc.NewProvider(ctx, t.issuer)
		if err != nil {
			return nil, fmt.Errorf("ask issuer: %w", err)
		}
		var found struct {
			JWKSURL string `json:"jwks_uri"`
		}
		if err := provider.Claims(&found); err != nil || !isSafeURL(found.JWKSURL) {
			return nil, fmt.Errorf("ask issuer: its jwks_uri is %.90q", found.JWKSURL)
		}
		jwksURL = found.JWKSURL
	}
	return oidc.NewVerifier(t.issuer, keySet{oidc.NewRemoteKeySet(ctx, jwksURL)}, &oidc.Config{
		ClientID:             t.audience,
		SupportedSigningAlgs: algorithms,
		SkipExpiryCheck:      true, // see checkTimes
	}), nil
}

// verify verifies a token, and says what became of the keys for that.
func verify(ctx context.Context, verifier *oidc.IDTokenVerifier, raw string) (*oidc.IDToken, keysAsked, error) {
	var keys keysAsked
	token, err := verifier.Verify(context.WithValue(ctx, keysKey{}, &keys), raw)
	return token, keys, err
}

// keysAsked is whether a token was good enough to ask for keys, and why they could not be had.
type keysAsked struct {
	asked bool
	away  error
}

type keysKey struct{}

// keySet tells that keys could not be had from a signature that none of them has made, which go-oidc makes one error of.
type keySet struct{ oidc.KeySet }

func (k keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	// The error about a signature wraps none.
	*ctx.Value(keysKey{}).(*keysAsked) = keysAsked{asked: true, away: errors.Unwrap(err)}
	return payload, err
}

// sparing asks for a URL every so often at the most, and in between tells again what it was told.
type sparing struct {
	next  http.RoundTripper
	every time.Duration

	lock sync.Mutex
	told map[string]told // of the two URLs that an issuer has
}

type told struct {
	at   time.Time
	code int
	body []byte
	err  error
}

func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.lock.Lock()
	defer s.lock.Unlock() // while it is asked, too: whoever else comes wants the same
	last, known := s.told[r.URL.String()]
	if !known || time.Since(last.at) >= s.every {
		last = s.ask(r)
		s.told[r.URL.String()] = last
	}
	if last.err != nil {
		return nil, last.err
	}
	return &http.Response{
		Status: http.StatusText(last.code), StatusCode: last.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(last.body)), ContentLength: int64(len(last.body)),
	}, nil
}

func (s *sparing) ask(r *http.Request) told {
	response, err := s.next.RoundTrip(r)
	if err != nil {
		return told{at: time.Now(), err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerAnswer))
	return told{time.Now(), response.StatusCode, body, err}
}
