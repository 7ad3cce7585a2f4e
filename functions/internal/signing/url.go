package signing

import (
	"errors"
	"hash/fnv"
	"net/url"
	"strconv"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// Lifetimes of signed URLs.
const (
	MinLifetime = time.Minute
	MaxLifetime = 7 * 24 * time.Hour
)

// Reasons why a signed URL is refused.
var (
	ErrInvalid = errors.New("the signature is not that of this URL")
	ErrExpired = errors.New("what was signed has expired")
)

const urlLabel = "image-service: signed URL, version 1" // is part of every signature, and must not change

// signedQuery is the query of a signed URL, to the letter: what is signed, and the signature. No other parameter, order
// or escape is accepted, so that there is one URL for one grant.
var signedQuery = lazyregexp.New(
	`^((?:v=([A-Za-z0-9_-]{1,64})&)?expires=([1-9][0-9]{0,11}))&signature=([A-Za-z0-9_-]{43})$`)

// IsSigned reports whether a query is meant as that of a signed URL.
func IsSigned(query url.Values) bool { return query.Has("signature") }

// URL signs the URL of a path for GET and HEAD until a time. hash is the parameter v of a rendition; "" for none.
func (k *Keys) URL(path, hash string, expires time.Time) string {
	query := "expires=" + strconv.FormatInt(expires.Unix(), 10)
	if hash != "" {
		query = "v=" + hash + "&" + query
	}
	return path + "?" + query + "&signature=" + k.sign(urlLabel, urlText(path, query))
}

// urlText is what the signature of a URL is of.
func urlText(path, query string) string { return "GET " + path + "?" + query }

// VerifyURL checks a signed URL, given by its path and query as they were sent. It returns the query without the
// signature and its time, and when the URL expires. The error is ErrInvalid or ErrExpired.
func (k *Keys) VerifyURL(path, query string, now time.Time) (rest string, expires time.Time, err error) {
	parts := signedQuery.FindStringSubmatch(query)
	if parts == nil || !k.verify(urlLabel, urlText(path, parts[1]), parts[4]) {
		return "", expires, ErrInvalid
	}
	seconds, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil {
		return "", expires, ErrInvalid
	}
	expires = time.Unix(seconds, 0)
	if !now.Before(expires) {
		return "", expires, ErrExpired
	}
	if parts[2] != "" {
		rest = "v=" + parts[2]
	}
	return rest, expires, nil
}

// Expiry returns when the URLs of an image expire that are asked for now and have to be valid for a lifetime. It stays
// the same for a quarter of the lifetime, so that everybody gets the same URLs and caches work; the URLs are valid for
// up to a quarter longer than asked. When it changes differs from image to image, so that caches do not miss all at
// once.
func Expiry(now time.Time, lifetime time.Duration, imageID string) time.Time {
	step := max(1, int64(lifetime/time.Second)/4)
	h := fnv.New32a()
	_, _ = h.Write([]byte(imageID)) // it never fails
	offset := int64(h.Sum32()) % step
	earliest := now.Unix() + int64(lifetime/time.Second) - offset
	return time.Unix((earliest+step-1)/step*step+offset, 0)
}
