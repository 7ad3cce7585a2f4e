package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The keys of an issuer are a few kilobytes.
const maxIssuerResponse = 1 << 20

// An issuerClient gets the keys of an issuer, which is trusted to name its keys; still, its answers are bounded.
type issuerClient struct {
	url     string
	jwksURL string // "" if the discovery document of the issuer has it
	http    *http.Client
}

func newIssuerClient(url, jwksURL string) issuerClient {
	return issuerClient{url: url, jwksURL: jwksURL, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the issuer redirects to another URL, which is not followed")
		},
	}}
}

// keys returns the public keys that the issuer signs tokens with. Other keys of its set are ignored, as RFC 7517,
// section 5, recommends. A set without any key is valid: all were withdrawn.
func (i issuerClient) keys(ctx context.Context) ([]jose.JSONWebKey, error) {
	jwksURL, err := i.keysURL(ctx)
	if err != nil {
		return nil, fmt.Errorf("discover issuer: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := i.get(ctx, jwksURL, &set); err != nil {
		return nil, fmt.Errorf("get the issuer's keys: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New("get the issuer's keys: the document has no member keys, expected a JSON Web Key Set")
	}
	keys := make([]jose.JSONWebKey, 0, len(set.Keys))
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && signsTokens(&key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && len(set.Keys) > 0 {
		return nil, fmt.Errorf("get the issuer's keys: got %d keys, expected at least one that is public and for "+
			"signatures with one of %v", len(set.Keys), algorithms)
	}
	return keys, nil
}

func signsTokens(key *jose.JSONWebKey) bool {
	return key.IsPublic() && (key.Use == "" || key.Use == "sig") &&
		(key.Algorithm == "" || slices.Contains(algorithms, jose.SignatureAlgorithm(key.Algorithm)))
}

// keysURL returns the configured URL of the keys, or the one in the discovery document:
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
func (i issuerClient) keysURL(ctx context.Context) (string, error) {
	if i.jwksURL != "" {
		return i.jwksURL, nil
	}
	var document struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	err := i.get(ctx, strings.TrimSuffix(i.url, "/")+"/.well-known/openid-configuration", &document)
	switch {
	case err != nil:
		return "", err
	case document.Issuer != i.url:
		return "", fmt.Errorf("its name is %.90q, expected %q", document.Issuer, i.url)
	case !isSafeURL(document.KeysURL):
		return "", fmt.Errorf("its jwks_uri is %.90q, expected an https:// URL", document.KeysURL)
	}
	return document.KeysURL, nil
}

// get decodes the JSON document at url, of at most maxIssuerResponse bytes.
func (i issuerClient) get(ctx context.Context, url string, document any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Cache-Control", "no-cache")
	response, err := i.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: got %s, expected 200", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerResponse+1))
	switch {
	case err != nil:
		return fmt.Errorf("GET %s: %w", url, err)
	case len(body) > maxIssuerResponse:
		return fmt.Errorf("GET %s: got more than %d bytes", url, maxIssuerResponse)
	}
	if err := json.Unmarshal(body, document); err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	return nil
}
