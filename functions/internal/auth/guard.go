// Package auth decides who may do what: who callers are, by an API key or a token of an OpenID Connect issuer, how often
// they may ask, and from which web sites. It knows HTTP and nothing about images. What is not configured is off.
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
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
)

// A Client is a caller who has proved who it is.
type Client struct {
	// Name is that of an API key, or issuer|subject of a token; "" for nobody.
	Name string
	// Admin may see what belongs to others.
	Admin bool
}

type clientKey struct{}

// ClientOf is whose request a context belongs to.
func ClientFrom(ctx context.Context) Client {
	client, _ := ctx.Value(clientKey{}).(Client)
	return client
}

// A Guard stands in front of what is not for everybody.
type Guard struct {
	settings Settings
	process  *httpserver.Process
	keys     *keyring // nil without
	tokens   *tokens  // nil without
	limiter  *ratelimit.Limiter
	refused  *prometheus.CounterVec
}

// New makes no connection.
func New(settings Settings, process *httpserver.Process, limiter *ratelimit.Limiter) *Guard {
	g := &Guard{settings: settings, process: process, limiter: limiter}
	if settings.keysFile.IsSet() {
		g.keys = newKeyring(settings, process)
	}
	if settings.issuer != "" {
		g.tokens = newTokens(settings)
	}
	g.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "auth_refused_total",
		Help: "Requests that were refused because of who sent them, or how often, by the reason.",
	}, []string{"reason"})
	process.Metrics.MustRegister(g.refused)
	process.Log.Info("access", "api_keys", g.keys != nil, "tokens", g.tokens != nil, "rate_limit", settings.limits())
	return g
}

// Authenticates tells whether callers have to prove who they are.
func (g *Guard) Authenticates() bool { return g.settings.authenticates() }

// Protect lets callers through to next who have proved who they are, and do not ask too often.
func (g *Guard) Protect(next http.Handler) http.Handler {
	if !g.settings.authenticates() && !g.settings.limits() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, err := g.admit(w, r)
		if err != nil {
			g.turnAway(w, r, err)
			return
		}
		if client.Name != "" {
			ctx := context.WithValue(r.Context(), clientKey{}, client)
			r = r.WithContext(httpserver.WithClient(ctx, client.Name))
		}
		next.ServeHTTP(w, r)
	})
}

// admit is who a caller is, if that one may come in now.
func (g *Guard) admit(w http.ResponseWriter, r *http.Request) (Client, error) {
	if !g.settings.authenticates() {
		return Client{}, g.limit(w, r, "address:"+g.address(r))
	}
	credential, refused := credentialOf(r.Header)
	if refused != nil {
		return Client{}, refused
	}
	client, err := g.identify(r.Context(), credential)
	if errors.Is(err, problemUnauthorized) { // who tries keys is told so ever more seldom; nobody else is held up by it
		return client, errors.Join(g.limit(w, r, "failures:"+g.address(r)), err)
	}
	if err != nil {
		return client, err
	}
	return client, g.limit(w, r, "client:"+client.Name)
}

func (g *Guard) identify(ctx context.Context, credential string) (client Client, err error) {
	if g.keys != nil {
		client.Name = g.keys.client(sha256.Sum256([]byte(credential)))
	}
	switch {
	case client.Name != "":
	case g.tokens == nil || strings.Count(credential, ".") != 2:
		return client, refuse("invalid", "it is nobody's key")
	default:
		if client.Name, err = g.tokens.clientOf(ctx, credential); err != nil {
			return client, err
		}
	}
	client.Admin = slices.Contains(g.settings.admins, client.Name)
	return client, nil
}

func (g *Guard) address(r *http.Request) string { return addressOf(r, int(g.settings.proxies)) }

// turnAway answers, notes and counts.
func (g *Guard) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	reason := "unavailable"
	var refused *refusal
	if errors.As(err, &refused) {
		reason = refused.reason
		if refused.told == problemUnauthorized {
			w.Header().Set("WWW-Authenticate", refused.challenge())
		}
	}
	g.refused.WithLabelValues(reason).Inc()
	g.process.ReportError(r, fmt.Errorf("%w (from %s)", err, g.address(r))).Write(w, r)
}

// A refusal says to the log why a caller was turned away, and to the caller what a Problem does, which is the same for
// most reasons: who tries keys is not helped.
type refusal struct {
	reason, cause string
	told          *apierror.Error
}

func (r *refusal) Error() string { return r.cause }
func (r *refusal) Unwrap() error { return r.told }

// challenge is https://datatracker.ietf.org/doc/html/rfc6750#section-3.
func (r *refusal) challenge() string {
	if r.reason == "missing" {
		return `Bearer realm="image-service"`
	}
	return `Bearer realm="image-service", error="invalid_token"`
}

func refuse(reason, cause string) *refusal { return &refusal{reason, cause, problemUnauthorized} }

var problemUnauthorized = &apierror.Error{
	Status:  http.StatusUnauthorized,
	Code:    apierror.CodeUnauthorized,
	Message: "This needs a key or a token that is valid, as Authorization: Bearer, or a key as X-Api-Key",
}

func unavailable(cause error) *refusal {
	return &refusal{"unavailable", fmt.Sprintf("the issuer's keys are not to be had: %.300s", cause), &apierror.Error{
		Status:     http.StatusServiceUnavailable,
		Code:       apierror.CodeUnavailable,
		Message:    "Tokens can not be checked at the moment; try again",
		RetryAfter: askEvery,
	}}
}
