package connect_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// serve starts a server that sends the serial number of its client's certificate, "none" without one, and returns its
// address.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			plain, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer plain.Close()
				conn := tls.Server(plain, config)
				if conn.Handshake() != nil {
					return
				}
				serial := "none"
				if chain := conn.ConnectionState().PeerCertificates; len(chain) > 0 {
					serial = chain[0].SerialNumber.String()
				}
				_, _ = io.WriteString(conn, serial)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// receive connects and returns what the server sends.
func receive(t *testing.T, dialer *connect.Dialer, address string) (string, error) {
	t.Helper()
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, err := io.ReadAll(conn)
	return string(text), err
}

func readDialer(t *testing.T, settings map[string]string) *connect.Dialer {
	t.Helper()
	dialer, err := connect.From(func(name string) string { return settings[name] }, connect.ReadRedisTLS)
	if err != nil {
		t.Fatal(err)
	}
	return dialer
}

// A connection opens only if the server's certificate verifies completely.
func TestDial(t *testing.T) {
	t.Parallel()
	authority, other := testservers.NewAuthority(t), testservers.NewAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	authority.Write(file)
	trusting := readDialer(t, map[string]string{"REDIS_TLS": "true", "REDIS_CA_FILE": file})
	trustingSystem := readDialer(t, map[string]string{"REDIS_TLS": "true"})
	hour := time.Now().Add(time.Hour)
	server := func(certificate tls.Certificate, options ...func(*tls.Config)) string {
		config := &tls.Config{Certificates: []tls.Certificate{certificate}}
		for _, option := range options {
			option(config)
		}
		return serve(t, config)
	}
	maxTLS12 := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	maxTLS11 := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	requireCertificate := func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }
	for name, test := range map[string]struct {
		dialer  *connect.Dialer
		address string
		want    string // in the error; "" for none
	}{
		"trusted":                    {trusting, server(authority.Issue(2, hour)), ""},
		"only TLS 1.2":               {trusting, server(authority.Issue(2, hour), maxTLS12), ""},
		"only TLS 1.1":               {trusting, server(authority.Issue(2, hour), maxTLS11), "version"},
		"another authority":          {trusting, server(other.Issue(2, hour)), "unknown authority"},
		"authority not the system's": {trustingSystem, server(authority.Issue(2, hour)), "unknown authority"},
		"another name":               {trusting, server(authority.Issue(2, hour, "redis.example")), "127.0.0.1"},
		"expired":                    {trusting, server(authority.Issue(2, time.Now().Add(-time.Minute))), "expired"},
		"client certificate required": {
			trusting, server(authority.Issue(2, hour), requireCertificate), "certificate required",
		},
		"no server": {trusting, "127.0.0.1:1", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := receive(t, test.dialer, test.address)
			mustContain(t, err, test.want)
		})
	}
}

// A handshake that the server does not answer ends with its context.
func TestDialEnds(t *testing.T) {
	t.Parallel()
	unresponsive, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts connections
	if err != nil {
		t.Fatal(err)
	}
	defer unresponsive.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	dialer := readDialer(t, map[string]string{"REDIS_TLS": "true"})
	if _, err := dialer.DialContext(ctx, "tcp", unresponsive.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want %v", err, context.DeadlineExceeded)
	}
}

// A renewed certificate or authority is used by the next connection.
func TestRotation(t *testing.T) {
	t.Parallel()
	first, second := testservers.NewAuthority(t), testservers.NewAuthority(t)
	hour := time.Now().Add(time.Hour)
	directory := t.TempDir()
	ca := filepath.Join(directory, "ca.crt")
	certificate, key := filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	first.Write(ca)
	testservers.WritePair(t, certificate, key, first.Issue(10, hour))
	dialer := readDialer(t, map[string]string{
		"REDIS_TLS": "true", "REDIS_CA_FILE": ca, "REDIS_CERT_FILE": certificate, "REDIS_KEY_FILE": key,
	})
	server := func(authority *testservers.Authority) string {
		config := authority.Server()
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, authority.Pool()
		return serve(t, config)
	}
	before, after := server(first), server(second)
	check := func(when, address, want string) {
		t.Helper()
		if got, err := receive(t, dialer, address); got != want || (want == "") != (err != nil) {
			t.Errorf("%s: got %q, error %v; want %q", when, got, err, want)
		}
	}
	check("first authority", before, "10")
	check("server of the second authority", after, "")
	testservers.WritePair(t, certificate, key, first.Issue(11, hour))
	check("renewed certificate", before, "11")
	second.Write(ca)
	testservers.WritePair(t, certificate, key, second.Issue(12, hour))
	check("second authority", after, "12")
	check("server of the first authority", before, "")

	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	_, err := receive(t, dialer, after)
	mustContain(t, err, "REDIS_KEY_FILE cannot be read")
	testservers.WritePair(t, certificate, key, second.Issue(13, hour))
	check("key written again", after, "13")
}

// All faults are reported at once, by the names of the settings. Nothing of a file's contents, its path or a password
// is.
func TestFaults(t *testing.T) {
	t.Parallel()
	authority, directory := testservers.NewAuthority(t), t.TempDir()
	junk := filepath.Join(directory, "junk")
	text := "topsecret\n-----BEGIN topsecret-----\nAAAA\n-----END topsecret-----\n"
	if err := os.WriteFile(junk, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, key := filepath.Join(directory, "crt"), filepath.Join(directory, "key")
	otherKey := filepath.Join(directory, "other")
	testservers.WritePair(t, filepath.Join(directory, "unused"), otherKey, authority.Issue(1, time.Now().Add(time.Hour)))
	testservers.WritePair(t, certificate, key, authority.Issue(1, time.Now().Add(time.Hour)))
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string // none for no fault
	}{
		"no settings": {nil, nil},
		"files without TLS": {
			map[string]string{
				"REDIS_CA_FILE": certificate, "MINIO_CA_FILE": certificate, "KAFKA_CERT_FILE": certificate, "KAFKA_KEY_FILE": key,
			},
			[]string{
				"REDIS_CA_FILE is set; expected REDIS_TLS=true with it",
				"MINIO_CA_FILE is set; expected an https:// URL as MINIO_ENDPOINT with it",
				"KAFKA_CERT_FILE is set; expected KAFKA_TLS=true",
				"KAFKA_KEY_FILE is set; expected KAFKA_TLS=true",
			},
		},
		"TLS not a boolean": {
			map[string]string{"REDIS_TLS": "yes", "KAFKA_TLS": "1"},
			[]string{`REDIS_TLS is "yes"; expected true or false`, `KAFKA_TLS is "1"`},
		},
		"missing files": {
			map[string]string{
				"REDIS_TLS": "true", "REDIS_CA_FILE": "topsecret", "REDIS_CERT_FILE": "topsecret",
				"REDIS_KEY_FILE": strings.Repeat("topsecret", 99), "MINIO_ENDPOINT": "https://minio:9000", "MINIO_CA_FILE": "/",
			},
			[]string{
				"REDIS_CA_FILE cannot be read: no such file", "REDIS_CERT_FILE cannot be read: no such file",
				"REDIS_KEY_FILE cannot be read: file name too long", "MINIO_CA_FILE cannot be read",
			},
		},
		"not certificates": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_CA_FILE": junk, "KAFKA_CERT_FILE": junk, "KAFKA_KEY_FILE": junk},
			[]string{"KAFKA_CA_FILE has no certificate; expected PEM", "KAFKA_CERT_FILE and KAFKA_KEY_FILE do not match"},
		},
		"key of another certificate": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_CERT_FILE": certificate, "KAFKA_KEY_FILE": otherKey},
			[]string{"KAFKA_CERT_FILE and KAFKA_KEY_FILE do not match"},
		},
		"one of two": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_CERT_FILE": certificate, "REDIS_TLS": "true", "REDIS_KEY_FILE": key},
			[]string{
				"KAFKA_CERT_FILE is set; expected KAFKA_KEY_FILE with it",
				"REDIS_KEY_FILE is set; expected REDIS_CERT_FILE with it",
			},
		},
		"unknown mechanism": {
			map[string]string{"KAFKA_SASL_MECHANISM": "GSSAPI"},
			[]string{
				`KAFKA_SASL_MECHANISM is "GSSAPI"; expected SCRAM-SHA-512`,
				"KAFKA_SASL_USERNAME is not set", "KAFKA_SASL_PASSWORD is not set",
			},
		},
		"PLAIN without TLS": {
			map[string]string{"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": "topsecret"},
			[]string{"KAFKA_SASL_MECHANISM is PLAIN, which sends the password as it is; expected KAFKA_TLS=true with it"},
		},
		"tokens without TLS": {
			map[string]string{
				"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_OAUTH_TOKEN_URL": "http://me:topsecret@issuer/",
			},
			[]string{
				`KAFKA_SASL_OAUTH_TOKEN_URL is "...@issuer/"; expected an https:// URL without a user`,
				"KAFKA_SASL_USERNAME is not set", "KAFKA_SASL_PASSWORD is not set",
				"KAFKA_SASL_MECHANISM is OAUTHBEARER, which sends a token as it is; expected KAFKA_TLS=true with it",
			},
		},
		"OAuth without an endpoint": {
			map[string]string{
				"KAFKA_TLS": "true", "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_OAUTH_CA_FILE": junk,
				"KAFKA_SASL_OAUTH_EXTENSIONS": "auth=1, pool-id=2, empty=, logicalCluster=lkc-1",
				"KAFKA_SASL_OAUTH_SCOPES":     "kafka, a b",
			},
			[]string{
				"KAFKA_SASL_OAUTH_TOKEN_URL is not set; expected an https:// URL",
				"KAFKA_SASL_OAUTH_CA_FILE has no certificate; expected PEM",
				`KAFKA_SASL_OAUTH_EXTENSIONS has "auth=1"`, `KAFKA_SASL_OAUTH_EXTENSIONS has "pool-id=2"`,
				`KAFKA_SASL_OAUTH_EXTENSIONS has "empty="`, `KAFKA_SASL_OAUTH_SCOPES has "a b"; expected scopes`,
			},
		},
		"a password and an assertion": {
			map[string]string{
				"KAFKA_TLS": "true", "KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_USERNAME": "me",
				"KAFKA_SASL_PASSWORD": "topsecret", "KAFKA_SASL_OAUTH_TOKEN_URL": "https://issuer/token",
				"KAFKA_SASL_OAUTH_ASSERTION_FILE": "/token",
			},
			[]string{"KAFKA_SASL_PASSWORD and KAFKA_SASL_OAUTH_ASSERTION_FILE are set; expected one of them"},
		},
		"MSK without a region": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM"},
			[]string{"AWS_REGION is not set; expected a region of AWS"},
		},
		"MSK with a bad region": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM", "AWS_REGION": "evil.example/?"},
			[]string{`AWS_REGION is "evil.example/?"; expected a region of AWS`},
		},
		"MSK with credentials of others": {
			map[string]string{
				"KAFKA_TLS": "true", "KAFKA_SASL_MECHANISM": "AWS_MSK_IAM", "AWS_REGION": "eu-central-1",
				"KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": "topsecret",
				"KAFKA_SASL_OAUTH_TOKEN_URL": "https://issuer/token",
			},
			[]string{
				"KAFKA_SASL_USERNAME is set, and KAFKA_SASL_MECHANISM is AWS_MSK_IAM, which does not use it; expected one of them",
				"KAFKA_SASL_PASSWORD is set, and KAFKA_SASL_MECHANISM is AWS_MSK_IAM",
				"KAFKA_SASL_OAUTH_TOKEN_URL is set, and KAFKA_SASL_MECHANISM is AWS_MSK_IAM",
			},
		},
		"a password and settings of tokens": {
			map[string]string{
				"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": "topsecret",
				"KAFKA_SASL_OAUTH_SCOPES": "kafka",
			},
			[]string{"KAFKA_SASL_OAUTH_SCOPES is set, and KAFKA_SASL_MECHANISM is SCRAM-SHA-512, which does not use it"},
		},
		"a region without MSK": {map[string]string{"AWS_REGION": "evil.example/?"}, nil},
		"password without a mechanism": {
			map[string]string{"KAFKA_SASL_PASSWORD": "topsecret"},
			[]string{"KAFKA_SASL_PASSWORD is set; expected KAFKA_SASL_MECHANISM with it"},
		},
		"an endpoint without a mechanism": {
			map[string]string{"KAFKA_SASL_OAUTH_TOKEN_URL": "https://issuer/token"},
			[]string{"KAFKA_SASL_OAUTH_TOKEN_URL is set; expected KAFKA_SASL_MECHANISM with it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := faults(test.settings)
			if (got == "") != (len(test.want) == 0) {
				t.Errorf("got faults %q, want %q", got, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("got faults %q, want %q in them", got, want)
				}
			}
			if strings.Contains(got, "topsecret") || strings.Contains(got, directory) {
				t.Errorf("faults %q contain a file's contents, its path or a password", got)
			}
		})
	}
}

func faults(settings map[string]string) string {
	_, err := connect.From(func(name string) string { return settings[name] }, func(r connect.Settings) any {
		return []any{connect.ReadRedisTLS(r), connect.ReadMinIO(r), connect.ReadKafka(r)}
	})
	if err == nil {
		return ""
	}
	return err.Error()
}
