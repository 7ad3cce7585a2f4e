package auth

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// The issuer has this long to return its keys. A client with a token that needs them waits for it.
	issuerTimeout = 3 * time.Second
	// A response of the issuer, or its failure, is used again for this long: anybody can make up tokens with unknown
	// keys, and each would cause a request.
	issuerCacheTime = 10 * time.Second
	// The keys of an issuer are a few kilobytes.
	maxIssuerResponse = 1 << 20
)

// newIssuerClient returns a client for requests to an issuer. It follows no redirects.
func newIssuerClient() *http.Client {
	return &http.Client{
		Transport: &cachingTransport{
			next: http.DefaultTransport, maxAge: issuerCacheTime, cache: map[string]cachedResponse{},
		},
		Timeout: issuerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the issuer redirects to another URL, which is not followed")
		},
	}
}

// A cachingTransport requests a URL at most once within maxAge. In between it repeats the outcome, be it an error.
type cachingTransport struct {
	next   http.RoundTripper
	maxAge time.Duration

	lock  sync.Mutex
	cache map[string]cachedResponse // of the two URLs of an issuer
}

type cachedResponse struct {
	at   time.Time
	code int
	body []byte
	err  error
}

func (c *cachingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.lock.Lock()
	defer c.lock.Unlock() // during the request, too: concurrent callers wait for its outcome
	last, known := c.cache[r.URL.String()]
	if !known || time.Since(last.at) >= c.maxAge {
		last = c.fetch(r)
		c.cache[r.URL.String()] = last
	}
	if last.err != nil {
		return nil, last.err
	}
	return &http.Response{
		Status: http.StatusText(last.code), StatusCode: last.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(last.body)), ContentLength: int64(len(last.body)),
	}, nil
}

func (c *cachingTransport) fetch(r *http.Request) cachedResponse {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return cachedResponse{at: time.Now(), err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerResponse))
	return cachedResponse{time.Now(), response.StatusCode, body, err}
}
