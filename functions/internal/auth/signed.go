package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

// A SignedURL is what a request without credentials is allowed by.
type SignedURL struct {
	// Image is the only image that the request may see; "" if it has no signed URL.
	Image   string
	Expires time.Time
}

type signedKey struct{}

// SignedFrom returns the signed URL of the request that a context belongs to.
func SignedFrom(ctx context.Context) SignedURL {
	signed, _ := ctx.Value(signedKey{}).(SignedURL)
	return signed
}

// Signing returns the keys that sign URLs; nil if there are none.
func (g *Guard) Signing() *signing.Keys { return g.signing }

// URLLifetime returns how long signed URLs are valid at least, unless a request asks for another time.
func (g *Guard) URLLifetime() time.Duration { return g.settings.urlLifetime }

// ProtectObject is Protect for a route with the ID of an image in its path, whose GET and HEAD may be allowed by a
// signed URL as well. Such a request needs no credentials, and those that it has do not count: its answer depends on
// its URL alone, so that caches can share it. next does not see the signature.
func (g *Guard) ProtectObject(next http.Handler) http.Handler {
	protected := g.Protect(next)
	if g.signing == nil {
		return protected
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !signing.IsSigned(r.URL.Query()) {
			protected.ServeHTTP(w, r)
			return
		}
		allowed, err := g.admitSigned(w, r)
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, allowed)
	})
}

// admitSigned returns a request with a signed URL as the handler sees it. It is counted by address, because nobody else
// can be told apart: if it is refused, like other failures.
func (g *Guard) admitSigned(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	rest, expires, err := g.signing.VerifyURL(r.URL.EscapedPath(), r.URL.RawQuery, time.Now())
	if err != nil {
		_, limited := g.limit(r.Context(), w, r, "failures:"+g.addressOf(r))
		return nil, errors.Join(limited, signatureRefused(err, expires))
	}
	ctx := context.WithValue(r.Context(), signedKey{}, SignedURL{Image: r.PathValue("id"), Expires: expires})
	ctx, err = g.limit(ctx, w, r, "address:"+g.addressOf(r))
	if err != nil {
		return nil, err
	}
	allowed := r.WithContext(ctx)
	target := *r.URL
	target.RawQuery = rest
	allowed.URL = &target
	return allowed, nil
}

// signatureRefused is the answer to a signed URL that is not valid, or no longer.
func signatureRefused(err error, expires time.Time) *refusal {
	if !errors.Is(err, signing.ErrExpired) {
		return &refusal{apierror.CodeSignatureInvalid, err.Error(), errSignatureInvalid}
	}
	return &refusal{apierror.CodeSignatureExpired, fmt.Sprintf("%v at %d", err, expires.Unix()), &apierror.Error{
		Status:  http.StatusForbidden,
		Code:    apierror.CodeSignatureExpired,
		Message: "This signed URL has expired; get a new one from where you got it (found is when it did, in Unix time)",
		Found:   expires.Unix(),
	}}
}

var errSignatureInvalid = &apierror.Error{
	Status: http.StatusForbidden,
	Code:   apierror.CodeSignatureInvalid,
	Message: "The signature is not valid for this URL; use a signed URL exactly as you got it, " +
		"without changing, adding or reordering anything",
}
