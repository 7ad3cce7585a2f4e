package auth

import (
	"errors"
	"net/url"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

// Settings of authentication, rate limits and CORS. The zero Settings allow every request.
type Settings struct {
	keysFile config.File
	keys     []apiKey // at the start

	issuer, audience, jwksURL string

	admins  []string
	limit   ratelimit.Limit
	proxies int64
	origins []string

	byteLimit ratelimit.Limit // in units of ratelimit.ByteUnit

	signing     signing.Settings
	urlLifetime time.Duration
}

// Settings of authentication and authorization.
var (
	apiKeysFile = config.FilePath{Name: "AUTH_API_KEYS_FILE", Contents: "a file of API keys",
		Doc: "API keys: a line for each, with the client's name and the SHA-256 of the key. " +
			"The file is read again when it changes."}
	jwtIssuer = config.Text{Name: "AUTH_JWT_ISSUER", Form: safeURL,
		Doc: "OpenID Connect issuer whose tokens (JWT) are accepted."}
	jwtAudience = config.Text{Name: "AUTH_JWT_AUDIENCE", RequiredWith: jwtIssuer,
		Form: config.Form{Expected: "the `aud` of tokens for this service"},
		Doc: "Audience (`aud`) that tokens must name. " +
			"Otherwise the issuer's tokens for other services would be accepted, too."}
	jwksURL = config.Text{Name: "AUTH_JWT_JWKS_URL", Form: safeURL,
		Doc: "Where to get the issuer's keys. By default the issuer's discovery document says where."}
	admins = config.List{Name: "AUTH_ADMINS",
		Doc: "Clients that see the images of all clients. " +
			"A client with a token is named by its issuer, a vertical bar and its subject."}
	urlSeconds = config.Int{Name: "SIGNED_URL_SECONDS", Default: 3600, Min: int64(signing.MinLifetime / time.Second),
		Max: int64(signing.MaxLifetime / time.Second), Unit: "seconds",
		Doc: "How long the signed URLs in a status are valid at least; they are valid for up to a quarter longer, so that " +
			"the same URL serves for a while and caches work."}
	trustedProxies = config.Int{Name: "TRUSTED_PROXIES", Default: 0, Min: 0, Max: 16,
		Doc: "Number of proxies in front of the function that append to `X-Forwarded-For`."}
	corsOrigins = config.List{Name: "CORS_ORIGINS",
		Form: config.Form{
			Expected: "*, or origins such as https://www.example.com or capacitor://localhost", Valid: isOrigin,
		},
		Doc: "Web sites, and apps made of web pages, whose scripts may use the service."}
)

// safeURL is the form of a URL whose contents cannot be changed in transit: an attacker who replaces the issuer's keys
// can impersonate any client.
var safeURL = config.Form{Expected: "an https:// URL", Valid: isSafeURL}

// ReadSettings reads AUTH_*, RATE_LIMIT*, SIGNED_URL_SECONDS, TRUSTED_PROXIES and CORS_ORIGINS, and the files of API
// keys and signing keys.
func ReadSettings(r *config.Reader) Settings {
	s := Settings{
		keysFile: apiKeysFile.Read(r),
		issuer:   jwtIssuer.Read(r),
		audience: jwtAudience.Read(r),
		jwksURL:  jwksURL.Read(r),
		admins:   admins.Read(r),
		limit:    ratelimit.ReadLimit(r),
		proxies:  trustedProxies.Read(r),
		origins:  corsOrigins.Read(r),
	}
	s.byteLimit = ratelimit.ReadByteLimit(r)
	s.signing = signing.ReadSettings(r)
	s.urlLifetime = time.Duration(urlSeconds.Read(r)) * time.Second
	s.readKeys(r)
	if !r.IsSet(jwtIssuer) && (r.IsSet(jwtAudience) || r.IsSet(jwksURL)) {
		r.Fault("%s is not set; expected the issuer of the tokens, as %s or %s is set", jwtIssuer, jwtAudience, jwksURL)
	}
	if len(s.admins) > 0 && !r.IsSet(apiKeysFile) && !r.IsSet(jwtIssuer) {
		r.Fault("%s is set, but clients cannot authenticate; expected %s or %s as well", admins, apiKeysFile, jwtIssuer)
	}
	if s.signing.IsSet() && !r.IsSet(apiKeysFile) && !r.IsSet(jwtIssuer) {
		r.Fault("AUTH_SIGNING_KEYS_FILE is set, but clients cannot authenticate, and need no signed URLs; expected %s or %s "+
			"as well", apiKeysFile, jwtIssuer)
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
		err = errors.New("it has no key")
	}
	if err != nil {
		r.Fault("%s is not a file of API keys: %v", s.keysFile, err)
	}
}

func isOrigin(text string) bool { return text == "*" || originForm.MatchString(text) }

// originForm is the form of an origin as browsers send it: apps have schemes of their own.
var originForm = lazyregexp.New(`^[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?$`)

func isSafeURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	local := slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && local
}

// Authenticates reports whether clients must authenticate.
func (s *Settings) Authenticates() bool { return s.authenticates() }

func (s *Settings) authenticates() bool { return s.keysFile.IsSet() || s.issuer != "" }

func (s *Settings) limits() bool { return s.limit != ratelimit.Limit{} }

func (s *Settings) limitsBytes() bool { return s.byteLimit != ratelimit.Limit{} }
