package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Settings of the mechanism OAUTHBEARER.
var (
	oauthTokenURL = config.Text{Name: "KAFKA_SASL_OAUTH_TOKEN_URL",
		Form: config.Form{Expected: "an https:// URL without a user, query or fragment", Valid: isTokenURL},
		Doc: "Token endpoint of the authorization server, for the mechanism `OAUTHBEARER`: tokens are requested by the " +
			"client credentials grant, RFC 6749, section 4.4."}
	oauthScopes = config.List{Name: "KAFKA_SASL_OAUTH_SCOPES",
		Form: config.Form{Expected: "scopes", Valid: scope.MatchString},
		Doc:  "Scopes to request."}
	oauthExtensions = config.List{Name: "KAFKA_SASL_OAUTH_EXTENSIONS",
		Form: config.Form{Expected: "name=value, the name of letters and not auth", Valid: isExtension},
		Doc:  "SASL extensions of the login, such as `logicalCluster=lkc-1,identityPoolId=pool-1` for Confluent Cloud."}
	oauthAssertion = config.FilePath{Name: "KAFKA_SASL_OAUTH_ASSERTION_FILE", Contents: "a file with a token (JWT)",
		Doc: "Token that proves the client's identity instead of `KAFKA_SASL_PASSWORD`, RFC 7523, section 2.2, such as the " +
			"service account token of Azure's workload identity. It is read again for each request."}
	oauthCA = config.FilePath{Name: "KAFKA_SASL_OAUTH_CA_FILE", Contents: authoritiesFile,
		Doc: "Certificate authorities trusted to sign the certificate of the token endpoint, instead of the system's. " +
			"Connections to an endpoint with a private authority do not use a proxy."}
)

// oauthSettings returns the settings that only the mechanism OAUTHBEARER uses.
func oauthSettings() []config.Setting {
	return []config.Setting{oauthTokenURL, oauthScopes, oauthExtensions, oauthAssertion, oauthCA}
}

func isTokenURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && config.IsAddress(u.Host) && u.User == nil &&
		u.RawQuery == "" && u.Fragment == ""
}

// scope is a scope-token of RFC 6749, section 3.3.
var scope = lazyregexp.New(`^[!#-\[\]-~]+$`)

// Names and values of extensions, RFC 7628, section 3.1; Kafka takes letters only.
var (
	extensionName  = lazyregexp.New(`^[A-Za-z]+$`)
	extensionValue = lazyregexp.New(`^[\x21-\x7E \t\r\n]+$`)
)

func isExtension(text string) bool {
	name, value, _ := strings.Cut(text, "=")
	return extensionName.MatchString(name) && name != "auth" && extensionValue.MatchString(value)
}

// readOAuth reads the settings of the client credentials grant. The login of Kafka is that of the client.
func readOAuth(r *config.Reader, clientID, clientSecret string) *tokens {
	o := &oauth{
		config: clientcredentials.Config{
			ClientID: clientID, ClientSecret: clientSecret,
			TokenURL: oauthTokenURL.Read(r), Scopes: oauthScopes.Read(r),
		},
		assertion: oauthAssertion.Read(r),
		client:    tokenClient(r, oauthCA.Read(r)),
	}
	extensions := map[string]string{}
	for _, text := range oauthExtensions.Read(r) {
		name, value, _ := strings.Cut(text, "=")
		extensions[name] = value
	}
	return &tokens{fetch: o.fetch, extensions: extensions}
}

// tokenClient returns a client that follows no redirects, because the request has the client's secret. It reads the
// authorities again for each connection.
func tokenClient(r *config.Reader, authorities config.File) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if authorities.IsSet() {
		dialer := &Dialer{authorities: authorities}
		_, err := dialer.config()
		r.Add(err)
		transport.Proxy, transport.DialTLSContext = nil, dialer.DialContext
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// oauth requests tokens by the client credentials grant.
type oauth struct {
	config    clientcredentials.Config
	assertion config.File // replaces the secret of the client
	client    *http.Client
}

func (o *oauth) fetch(ctx context.Context) (bearer, error) {
	begin := time.Now()
	grant, err := o.grant()
	if err != nil {
		return bearer{}, err
	}
	token, err := grant.Token(context.WithValue(ctx, oauth2.HTTPClient, o.client))
	if err != nil {
		return bearer{}, fmt.Errorf("request to %s: %w", oauthTokenURL, withoutResponse(err))
	}
	return newBearer(token.AccessToken, begin, token.Expiry), nil
}

// grant returns the request for a token.
func (o *oauth) grant() (*clientcredentials.Config, error) {
	if !o.assertion.IsSet() {
		return &o.config, nil
	}
	assertion, err := o.assertion.Read()
	if err != nil {
		return nil, err
	}
	return &clientcredentials.Config{
		ClientID: o.config.ClientID, TokenURL: o.config.TokenURL, Scopes: o.config.Scopes,
		AuthStyle: oauth2.AuthStyleInParams,
		EndpointParams: url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {strings.TrimSpace(string(assertion))},
		},
	}, nil
}

// withoutResponse removes what may have a secret: the body of the response, which an endpoint may put the request into.
func withoutResponse(err error) error {
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) {
		return fmt.Errorf("got status %d and error code %q", refusal.Response.StatusCode, refusal.ErrorCode)
	}
	return err
}
