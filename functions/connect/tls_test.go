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

// serve is a server that says which certificate its client showed, "none" without one, and its address.
func serve(t *testing.T, config func() *tls.Config) string {
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
				conn := tls.Server(plain, config())
				if conn.Handshake() != nil {
					return
				}
				said := "none"
				if shown := conn.ConnectionState().PeerCertificates; len(shown) > 0 {
					said = shown[0].SerialNumber.String()
				}
				_, _ = io.WriteString(conn, said)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// ask connects, and returns what the server says.
func ask(t *testing.T, dialer *connect.Dialer, address string) (string, error) {
	t.Helper()
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	said, err := io.ReadAll(conn)
	return string(said), err
}

func dialerOf(t *testing.T, settings map[string]string) *connect.Dialer {
	t.Helper()
	dialer, err := connect.From(func(name string) string { return settings[name] }, connect.ReadRedisTLS)
	if err != nil {
		t.Fatal(err)
	}
	return dialer
}

// Whose certificate is not checked to the end is not talked to.
func TestDial(t *testing.T) {
	t.Parallel()
	authority, other := testservers.NewAuthority(t), testservers.NewAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	authority.Write(file)
	trusting := dialerOf(t, map[string]string{"REDIS_TLS": "true", "REDIS_CA_FILE": file})
	hour := time.Now().Add(time.Hour)
	with := func(certificate tls.Certificate, change func(*tls.Config)) string {
		config := &tls.Config{Certificates: []tls.Certificate{certificate}}
		if change != nil {
			change(config)
		}
		return serve(t, func() *tls.Config { return config })
	}
	for name, test := range map[string]struct {
		dialer  *connect.Dialer
		address string
		want    string // in the error; "" for none
	}{
		"trusted":               {trusting, with(authority.Issue(2, hour), nil), ""},
		"only TLS 1.2":          {trusting, with(authority.Issue(2, hour), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), ""},
		"only TLS 1.1":          {trusting, with(authority.Issue(2, hour), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), "version"},
		"another authority":     {trusting, with(other.Issue(2, hour), nil), "unknown authority"},
		"not the system's":      {dialerOf(t, map[string]string{"REDIS_TLS": "true"}), with(authority.Issue(2, hour), nil), "unknown authority"},
		"another name":          {trusting, with(authority.Issue(2, hour, "redis.example"), nil), "127.0.0.1"},
		"expired":               {trusting, with(authority.Issue(2, time.Now().Add(-time.Minute)), nil), "expired"},
		"wants to see who asks": {trusting, with(authority.Issue(2, hour), func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), "certificate required"},
		"nobody there":          {trusting, "127.0.0.1:1", "refused"},
	} {
		_, err := ask(t, test.dialer, test.address)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
	}
}

// A handshake that goes nowhere ends with its context.
func TestDialEnds(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := dialerOf(t, map[string]string{"REDIS_TLS": "true"}).DialContext(ctx, "tcp", silent.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("DialContext() = %v", err)
	}
}

// What is renewed while we run is used by the next connection.
func TestRotation(t *testing.T) {
	t.Parallel()
	first, second := testservers.NewAuthority(t), testservers.NewAuthority(t)
	hour := time.Now().Add(time.Hour)
	directory := t.TempDir()
	ca, certificate, key := filepath.Join(directory, "ca.crt"), filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	first.Write(ca)
	testservers.WritePair(t, certificate, key, first.Issue(10, hour))
	dialer := dialerOf(t, map[string]string{"REDIS_TLS": "true", "REDIS_CA_FILE": ca, "REDIS_CERT_FILE": certificate, "REDIS_KEY_FILE": key})
	by := func(authority *testservers.Authority) string {
		config := authority.Server()
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, authority.Pool()
		return serve(t, func() *tls.Config { return config })
	}
	before, after := by(first), by(second)
	check := func(when, address, want string) {
		t.Helper()
		if got, err := ask(t, dialer, address); got != want || (want == "") != (err != nil) {
			t.Errorf("%s: %q, %v; want %q", when, got, err, want)
		}
	}
	check("before", before, "10")
	check("the server was first", after, "")
	testservers.WritePair(t, certificate, key, first.Issue(11, hour))
	check("another certificate", before, "11")
	second.Write(ca)
	testservers.WritePair(t, certificate, key, second.Issue(12, hour))
	check("another authority", after, "12")
	check("the authority that was", before, "")

	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, dialer, after); err == nil || !strings.Contains(err.Error(), "REDIS_KEY_FILE can not be read") {
		t.Errorf("without a key: %v", err)
	}
	testservers.WritePair(t, certificate, key, second.Issue(13, hour))
	check("and again", after, "13")
}

// All that is wrong is said at once, by the names of the settings, and nothing of what is in the files.
func TestFaults(t *testing.T) {
	t.Parallel()
	authority, directory := testservers.NewAuthority(t), t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	junk := file("junk", "topsecret\n-----BEGIN topsecret-----\nAAAA\n-----END topsecret-----\n")
	certificate, key, anotherKey := filepath.Join(directory, "crt"), filepath.Join(directory, "key"), filepath.Join(directory, "other")
	testservers.WritePair(t, filepath.Join(directory, "unused"), anotherKey, authority.Issue(1, time.Now().Add(time.Hour)))
	testservers.WritePair(t, certificate, key, authority.Issue(1, time.Now().Add(time.Hour)))
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string
	}{
		"not on, and files": {
			map[string]string{"REDIS_CA_FILE": certificate, "MINIO_CA_FILE": certificate, "KAFKA_CERT_FILE": certificate, "KAFKA_KEY_FILE": key},
			[]string{"REDIS_CA_FILE is set; expected REDIS_TLS=true with it", "MINIO_CA_FILE is set; expected an https:// URL as MINIO_ENDPOINT with it",
				"KAFKA_CERT_FILE is set; expected KAFKA_TLS=true", "KAFKA_KEY_FILE is set; expected KAFKA_TLS=true"},
		},
		"neither on nor off": {map[string]string{"REDIS_TLS": "yes", "KAFKA_TLS": "1"}, []string{`REDIS_TLS is "yes"; expected true or false`, `KAFKA_TLS is "1"`}},
		"no files": {
			map[string]string{"REDIS_TLS": "true", "REDIS_CA_FILE": "topsecret", "REDIS_CERT_FILE": "topsecret", "REDIS_KEY_FILE": strings.Repeat("topsecret", 99), "MINIO_ENDPOINT": "https://minio:9000", "MINIO_CA_FILE": "/"},
			[]string{"REDIS_CA_FILE can not be read: no such file", "REDIS_CERT_FILE can not be read: no such file", "REDIS_KEY_FILE can not be read: file name too long", "MINIO_CA_FILE can not be read"},
		},
		"no certificates": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_CA_FILE": junk, "KAFKA_CERT_FILE": junk, "KAFKA_KEY_FILE": junk},
			[]string{"KAFKA_CA_FILE has no certificate; expected PEM", "KAFKA_CERT_FILE and KAFKA_KEY_FILE do not go together"},
		},
		"another's key": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_CERT_FILE": certificate, "KAFKA_KEY_FILE": anotherKey},
			[]string{"KAFKA_CERT_FILE and KAFKA_KEY_FILE do not go together"},
		},
		"one of two": {
			map[string]string{"KAFKA_TLS": "true", "KAFKA_CERT_FILE": certificate, "REDIS_TLS": "true", "REDIS_KEY_FILE": key},
			[]string{"KAFKA_CERT_FILE is set; expected KAFKA_KEY_FILE with it", "REDIS_KEY_FILE is set; expected REDIS_CERT_FILE with it"},
		},
		"an unknown mechanism": {
			map[string]string{"KAFKA_SASL_MECHANISM": "GSSAPI"},
			[]string{`KAFKA_SASL_MECHANISM is "GSSAPI"; expected SCRAM-SHA-512`, "KAFKA_SASL_USERNAME is not set", "KAFKA_SASL_PASSWORD is not set"},
		},
		"PLAIN in the open": {
			map[string]string{"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "me", "KAFKA_SASL_PASSWORD": "topsecret"},
			[]string{"KAFKA_SASL_MECHANISM is PLAIN, which sends the password as it is; expected KAFKA_TLS=true with it"},
		},
		"no mechanism": {map[string]string{"KAFKA_SASL_PASSWORD": "topsecret"}, []string{"expected KAFKA_SASL_MECHANISM with it"}},
	} {
		err := faults(test.settings)
		if err == nil {
			t.Errorf("%s: no fault", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %s in it", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), directory) {
			t.Errorf("%s: %v\ntells what is in a file or a password", name, err)
		}
	}
	if err := faults(nil); err != nil {
		t.Errorf("no settings: %v", err)
	}
}

func faults(settings map[string]string) error {
	_, err := connect.From(func(name string) string { return settings[name] }, func(r connect.Settings) any {
		return []any{connect.ReadRedisTLS(r), connect.ReadMinIO(r), connect.ReadKafka(r)}
	})
	return err
}
