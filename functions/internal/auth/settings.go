package auth

import (
	"errors"
	"net/url"
	"regexp"
	"slices"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
)

// Settings say who may do what. The zero Settings let everybody do everything.
type Settings struct {
	keysFile config.File
	keys     []apiKey // as the file was at the start

	issuer, audience, jwksURL string

	admins  []string
	limit   ratelimit.Limit
	proxies int64
	origins []string
}

// ReadSettings reads AUTH_*, RATE_LIMIT*, TRUSTED_PROXIES and CORS_ORIGINS, and the file with the keys.
func ReadSettings(r *config.Reader) Settings {
	s := Settings{
		keysFile: r.File("AUTH_API_KEYS_FILE"),
		issuer:   r.Text("AUTH_JWT_ISSUER", ""),
		audience: r.Text("AUTH_JWT_AUDIENCE", ""),
		jwksURL:  r.Text("AUTH_JWT_JWKS_URL", ""),
		admins:   r.List("AUTH_ADMINS", ""),
		limit:    ratelimit.ReadLimit(r),
		proxies:  r.Int("TRUSTED_PROXIES", 0, 0, 16),
		origins:  r.List("CORS_ORIGINS", ""),
	}
	s.readKeys(r)
	s.checkIssuer(r)
	for _, origin := range s.origins {
		if origin != "*" && !originForm.MatchString(origin) {
			r.Fault("CORS_ORIGINS has %q; expected *, or origins such as https://www.example.com", origin)
		}
	}
	if len(s.admins) > 0 && !s.authenticates() {
		r.Fault("AUTH_ADMINS is set, and nobody can prove who they are; expected AUTH_API_KEYS_FILE or AUTH_JWT_ISSUER as well")
	}
	return s
}

func (s *Settings) readKeys(r *config.Reader) {
	if !s.keysFile.IsSet() {
		return
	}
	text, err := s.keysFile.Read()
	if err != nil {
		r.Add(err)
		return
	}
	if s.keys, err = parseKeys(text); err == nil && len(s.keys) == 0 {
		err = errors.New("there is no key in it")
	}
	if err != nil {
		r.Fault("%s is no file of keys: %v", s.keysFile, err)
	}
}

func (s *Settings) checkIssuer(r *config.Reader) {
	switch {
	case s.issuer == "" && (s.audience != "" || s.jwksURL != ""):
		r.Fault("AUTH_JWT_ISSUER is not set; expected the issuer of the tokens, as AUTH_JWT_AUDIENCE or AUTH_JWT_JWKS_URL is set")
	case s.issuer != "" && s.audience == "":
		r.Fault("AUTH_JWT_AUDIENCE is not set; expected what tokens for this service have as aud, or those for others would do as well")
	}
	if s.issuer != "" && !isSafeURL(s.issuer) {
		r.Fault("AUTH_JWT_ISSUER is %s; expected an https:// URL", config.Quote(s.issuer))
	}
	if s.jwksURL != "" && !isSafeURL(s.jwksURL) {
		r.Fault("AUTH_JWT_JWKS_URL is %s; expected an https:// URL", config.Quote(s.jwksURL))
	}
}

var originForm = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]{1,5})?$|^https?://\[[0-9a-f:]+\](:[0-9]{1,5})?$`)

// isSafeURL tells whether what is read there is what its owner wrote: whoever can change the keys can be anybody.
func isSafeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

func (s *Settings) authenticates() bool { return s.keysFile.IsSet() || s.issuer != "" }

func (s *Settings) limits() bool { return s.limit != ratelimit.Limit{} }
