package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

const (
	grantHeader    = "X-Upload-Grant"
	grantParameter = "grant"
	// For so long after its end a grant allows its holder to follow what was uploaded.
	grantReads = time.Hour
)

type grantKey struct{}

// GrantFrom returns the grant of the request that a context belongs to; nil if it has none.
func GrantFrom(ctx context.Context) *signing.Grant {
	g, _ := ctx.Value(grantKey{}).(*signing.Grant)
	return g
}

// ProtectGranted is Protect for a route that an upload grant opens as well, as the header X-Upload-Grant or the query
// parameter grant, which next does not see. The request is one of the grant's client, but no administrator's.
func (g *Guard) ProtectGranted(next http.Handler) http.Handler {
	protected := g.Protect(next)
	if g.signing == nil {
		return g.refuseGrants(protected)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		grants := append(r.URL.Query()[grantParameter], r.Header.Values(grantHeader)...)
		if len(grants) == 0 {
			protected.ServeHTTP(w, r)
			return
		}
		ctx, err := g.admitGranted(w, r, grants)
		r = r.WithContext(ctx)
		if err == nil {
			err = g.limitBytes(r)
		}
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, withoutGrant(r))
	})
}

// refuseGrants refuses requests with a grant in the header, which would otherwise be ignored; in the query it is an
// unknown parameter.
func (g *Guard) refuseGrants(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(grantHeader) == "" {
			next.ServeHTTP(w, r)
			return
		}
		g.refuse(w, r, &refusal{apierror.CodeGrantInvalid, "there are no signing keys", errNoGrants})
	})
}

// admitGranted checks the grant of a request, and counts the request against the limit of its client; if it is refused,
// like other failures.
func (g *Guard) admitGranted(w http.ResponseWriter, r *http.Request, grants []string) (context.Context, error) {
	ctx := r.Context()
	grant, err := g.grantOf(r, grants)
	if err != nil {
		_, limited := g.limit(ctx, w, r, "failures:"+g.addressOf(r))
		return ctx, errors.Join(limited, err)
	}
	ctx = context.WithValue(ctx, clientKey{}, Client{Name: grant.Client})
	ctx = httpserver.WithClient(context.WithValue(ctx, grantKey{}, grant), grant.Client)
	return g.limit(ctx, w, r, "client:"+grant.Client)
}

// grantOf returns the only grant of a request. A grant ends with the keys of its client, as far as these are known
// here.
func (g *Guard) grantOf(r *http.Request, grants []string) (*signing.Grant, error) {
	if len(grants) > 1 || r.Header.Get("Authorization") != "" || r.Header.Get("X-Api-Key") != "" {
		return nil, &refusal{apierror.CodeGrantInvalid, "there are several credentials", errGrantInvalid}
	}
	now := time.Now()
	if r.Method != http.MethodPost {
		now = now.Add(-grantReads)
	}
	grant, err := g.signing.ReadGrant(grants[0], now)
	if errors.Is(err, signing.ErrExpired) {
		return nil, &refusal{apierror.CodeGrantExpired, err.Error(), errGrantExpired}
	}
	if err != nil {
		return nil, &refusal{apierror.CodeGrantInvalid, err.Error(), errGrantInvalid}
	}
	isToken := strings.Contains(grant.Client, "|")
	if isToken && g.tokens == nil || !isToken && (g.keys == nil || !g.keys.has(grant.Client)) {
		return nil, &refusal{apierror.CodeGrantInvalid, "the client of the grant has no key", errGrantInvalid}
	}
	return grant, nil
}

// withoutGrant returns a request whose query has no grant; other parameters are kept to the letter.
func withoutGrant(r *http.Request) *http.Request {
	var kept []string
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if !strings.HasPrefix(pair, grantParameter+"=") {
			kept = append(kept, pair)
		}
	}
	changed := *r
	target := *r.URL
	target.RawQuery = strings.Join(kept, "&")
	changed.URL = &target
	return &changed
}

var errNoGrants = &apierror.Error{
	Status:  http.StatusForbidden,
	Code:    apierror.CodeGrantInvalid,
	Message: "This service takes no grants: its operator has configured no signing keys (AUTH_SIGNING_KEYS_FILE)",
}

var errGrantInvalid = &apierror.Error{
	Status:  http.StatusForbidden,
	Code:    apierror.CodeGrantInvalid,
	Message: "The grant is not valid; send one grant exactly as you got it, and no other credentials",
}

var errGrantExpired = &apierror.Error{
	Status:  http.StatusForbidden,
	Code:    apierror.CodeGrantExpired,
	Message: "The grant has expired; get a new one from where you got it",
}
