package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// dialTimeout is for a connection and its handshake together.
const dialTimeout = 3 * time.Second

// A Dialer makes connections over TLS 1.2 or newer. The server has to show a certificate for the name or the address that
// is dialled.
type Dialer struct {
	authorities      config.File // instead of the system's, if set
	certificate, key config.File // the client's own, if set
}

// Files with certificates and keys.
const (
	authoritiesFile = "a PEM file with certificates"
	certificateFile = "a PEM file with a certificate"
	keyFile         = "a PEM file with a private key"
)

// Settings of TLS to Redis.
var (
	redisTLS = config.Bool{Name: "REDIS_TLS", Doc: "Connect to Redis over TLS."}
	redisCA  = config.FilePath{Name: "REDIS_CA_FILE", Contents: authoritiesFile,
		Doc: "Certificate authorities trusted to sign Redis' certificate, instead of the system's. Needs `REDIS_TLS`."}
	redisCertificate = config.FilePath{Name: "REDIS_CERT_FILE", Contents: certificateFile,
		Doc: "Client certificate, followed by its chain, for a Redis that asks for one. " +
			"Needs `REDIS_TLS` and `REDIS_KEY_FILE`."}
	redisKey = config.FilePath{Name: "REDIS_KEY_FILE", Contents: keyFile,
		Doc: "Private key of `REDIS_CERT_FILE`."}
)

// ReadRedis reads REDIS_TLS and the files that belong to it. It returns nil without TLS.
func ReadRedis(r *config.Reader) *Dialer {
	d := &Dialer{redisCA.Read(r), redisCertificate.Read(r), redisKey.Read(r)}
	return d.read(r, redisTLS.Read(r), redisTLS.Name+"=true")
}

// MinIOEndpoint is the address of MinIO. It says whether to use TLS as well.
var MinIOEndpoint = config.Text{Name: "MINIO_ENDPOINT", Required: true,
	Form: config.Form{Expected: "host:port, or https://host:port for TLS", Valid: isEndpoint},
	Doc:  "Address of MinIO."}

func isEndpoint(text string) bool { return config.IsAddress(MinIOAddress(text)) }

// MinIOAddress returns the host:port of an endpoint, which may be an http:// or https:// URL.
func MinIOAddress(endpoint string) string {
	host := strings.TrimPrefix(strings.TrimPrefix(endpoint, "https://"), "http://")
	return strings.TrimSuffix(host, "/")
}

var minioCA = config.FilePath{Name: "MINIO_CA_FILE", Contents: authoritiesFile,
	Doc: "Certificate authorities trusted to sign MinIO's certificate, instead of the system's. " +
		"Needs an https:// URL as `MINIO_ENDPOINT`."}

// ReadMinIO reads MINIO_CA_FILE. It returns nil if MINIO_ENDPOINT is not an https:// URL.
func ReadMinIO(r *config.Reader) *Dialer {
	d := &Dialer{authorities: minioCA.Read(r)}
	return d.read(r, strings.HasPrefix(MinIOEndpoint.Lookup(r), "https://"), "an https:// URL as "+MinIOEndpoint.Name)
}

// Settings of TLS to Kafka.
var (
	kafkaTLS = config.Bool{Name: "KAFKA_TLS", Doc: "Connect to Kafka over TLS."}
	kafkaCA  = config.FilePath{Name: "KAFKA_CA_FILE", Contents: authoritiesFile,
		Doc: "Certificate authorities trusted to sign the certificates of Kafka's brokers, instead of the " +
			"system's. Needs `KAFKA_TLS`."}
	kafkaCertificate = config.FilePath{Name: "KAFKA_CERT_FILE", Contents: certificateFile,
		Doc: "Client certificate, followed by its chain, for a Kafka that asks for one. " +
			"Needs `KAFKA_TLS` and `KAFKA_KEY_FILE`."}
	kafkaKey = config.FilePath{Name: "KAFKA_KEY_FILE", Contents: keyFile,
		Doc: "Private key of `KAFKA_CERT_FILE`."}
)

func readKafkaTLS(r *config.Reader) *Dialer {
	d := &Dialer{kafkaCA.Read(r), kafkaCertificate.Read(r), kafkaKey.Read(r)}
	return d.read(r, kafkaTLS.Read(r), kafkaTLS.Name+"=true")
}

// read checks the files. A file that is set while TLS is off is a fault, too: the operator who set it believes that the
// connection is encrypted.
func (d *Dialer) read(r *config.Reader, on bool, switchOn string) *Dialer {
	if on {
		_, err := d.config()
		r.Add(err)
		return d
	}
	for _, file := range []config.File{d.authorities, d.certificate, d.key} {
		if file.IsSet() {
			r.Fault("%s is set; expected %s with it", file, switchOn)
		}
	}
	return nil
}

// config is what the files say now. Its error has all that is wrong with them, and nothing of what is in them.
func (d *Dialer) config() (*tls.Config, error) {
	roots, rootsErr := d.roots()
	own, ownErr := d.own()
	if err := errors.Join(rootsErr, ownErr); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: own}, nil
}

// roots is nil for the system's.
func (d *Dialer) roots() (*x509.CertPool, error) {
	if !d.authorities.IsSet() {
		return nil, nil
	}
	text, err := d.authorities.Read()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate; expected PEM", d.authorities)
	}
	return roots, nil
}

// own is the client's certificate with the chain that leads to it.
func (d *Dialer) own() ([]tls.Certificate, error) {
	switch {
	case !d.certificate.IsSet() && !d.key.IsSet():
		return nil, nil
	case !d.certificate.IsSet():
		return nil, fmt.Errorf("%s is set; expected %s with it", d.key, d.certificate)
	case !d.key.IsSet():
		return nil, fmt.Errorf("%s is set; expected %s with it", d.certificate, d.key)
	}
	chain, chainErr := d.certificate.Read()
	key, keyErr := d.key.Read()
	if err := errors.Join(chainErr, keyErr); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s do not go together; expected a certificate and its private key, in PEM", d.certificate, d.key)
	}
	return []tls.Certificate{pair}, nil
}

// DialContext connects, and ends the handshake before it returns.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	config, err := d.config()
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: config}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return conn, nil
}

// Dial is DialContext for clients that have no context.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}
