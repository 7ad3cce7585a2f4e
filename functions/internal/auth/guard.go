// Package auth decides which requests are allowed: it authenticates clients by API keys or by tokens of an OpenID
// Connect issuer, limits their rate, and answers CORS. Features that are not configured are off.
//
// It guarantees that a handler behind Protect runs only for an authenticated client, that a refusal does not say why,
// and that neither keys nor tokens are logged. What a client may see is decided elsewhere.
package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

// A Client is an authenticated client.
type Client struct {
	// Name is the name of an API key, or issuer|subject of a token; "" without authentication.
	Name string
	// Admin reports whether it may see the images of other clients.
	Admin bool
}

type clientKey struct{}

// ClientFrom returns the client of the request that a context belongs to.
func ClientFrom(ctx context.Context) Client {
	client, _ := ctx.Value(clientKey{}).(Client)
	return client
}

// A Guard protects handlers. It is safe for concurrent use.
type Guard struct {
	settings Settings
	process  *httpserver.Process
	keys     *keyring       // nil if there are no API keys
	tokens   *tokenVerifier // nil if there is no issuer
	signing  *signing.Keys  // nil if nothing is signed
	limiter  *ratelimit.Limiter
	refused  *prometheus.CounterVec
}

// New returns a Guard. It makes no connection.
func New(settings Settings, process *httpserver.Process, limiter *ratelimit.Limiter) *Guard {
	g := &Guard{settings: settings, process: process, limiter: limiter}
	if settings.keysFile.IsSet() {
		g.keys = newKeyring(settings, process)
	}
	if settings.issuer != "" {
		g.tokens = newTokenVerifier(settings, process.Log, process.Metrics)
	}
	if settings.signing.IsSet() {
		g.signing = signing.Open(settings.signing, process.Log, process.Metrics)
	}
	g.refused = promauto.With(process.Metrics).NewCounterVec(prometheus.CounterOpts{
		Name: "auth_refused_total",
		Help: "Requests refused because of their credentials or their number, by reason.",
	}, []string{"reason"})
	process.Log.Info("access", "api_keys", g.keys != nil, "tokens", g.tokens != nil, "signed_urls", g.signing != nil,
		"rate_limit", settings.limits())
	return g
}

// Authenticates reports whether clients must authenticate.
func (g *Guard) Authenticates() bool { return g.settings.authenticates() }

// IsAdmin reports whether a client may see the images of other clients.
func (g *Guard) IsAdmin(client string) bool { return slices.Contains(g.settings.admins, client) }

// Protect passes to next the requests of authenticated clients that are within the rate limit, and refuses others.
func (g *Guard) Protect(next http.Handler) http.Handler {
	if !g.settings.authenticates() && !g.settings.limits() && !g.settings.limitsBytes() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := g.admit(w, r)
		r = r.WithContext(ctx)
		if err == nil {
			err = g.limitBytes(r)
		}
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// admit authenticates the client of a request and counts the request against its limit; the context that it returns has
// both. Failures to authenticate, with credentials or without, are counted by address and apart from other requests, so
// that they slow down nobody else at the same address. A token that cannot be verified without the issuer is not
// counted: it may be valid, and all of them together cost one request to the issuer in an interval.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request) (context.Context, error) {
	ctx := r.Context()
	if !g.settings.authenticates() {
		return g.limit(ctx, w, r, "address:"+g.addressOf(r))
	}
	client, err := g.authenticate(r)
	if errors.Is(err, errUnauthorized) {
		_, limited := g.limit(ctx, w, r, "failures:"+g.addressOf(r))
		return ctx, errors.Join(limited, err)
	}
	if err != nil {
		return ctx, err
	}
	ctx = httpserver.WithClient(context.WithValue(ctx, clientKey{}, client), client.Name)
	return g.limit(ctx, w, r, "client:"+client.Name)
}

func (g *Guard) authenticate(r *http.Request) (client Client, err error) {
	credential, refused := credentialFrom(r.Header)
	if refused != nil {
		return client, refused
	}
	if g.keys != nil {
		client.Name = g.keys.client(sha256.Sum256([]byte(credential)))
	}
	switch {
	case client.Name != "":
	case g.tokens == nil || strings.Count(credential, ".") != 2:
		return client, unauthorized("invalid", "the key is unknown")
	default:
		if client.Name, err = g.tokens.client(r.Context(), credential); err != nil {
			return client, err
		}
	}
	client.Admin = g.IsAdmin(client.Name)
	return client, nil
}

func (g *Guard) addressOf(r *http.Request) string { return clientAddress(r, int(g.settings.proxies)) }

// refuse responds with an error, logs it and counts it.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := "unavailable"
	var refused *refusal
	if errors.As(err, &refused) {
		reason = refused.reason
		if refused.public == errUnauthorized {
			w.Header().Set("WWW-Authenticate", refused.challenge())
		}
	}
	g.refused.WithLabelValues(reason).Inc()
	g.process.ReportError(r, fmt.Errorf("%w (from %s)", err, g.addressOf(r))).Write(w, r)
}
