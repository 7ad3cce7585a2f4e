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

// dialTimeout bounds a connection and its handshake together.
const dialTimeout = 3 * time.Second

// A Dialer opens connections over TLS 1.2 or newer. The server's certificate must be valid for the name or the address
// that is dialled.
type Dialer struct {
	authorities      config.File // trusted certificate authorities; the system's if not set
	certificate, key config.File // the client's own; none if not set
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

// ReadRedisTLS reads REDIS_TLS and the files that belong to it. It returns nil without TLS.
func ReadRedisTLS(r *config.Reader) *Dialer {
	on := redisTLS.Read(r)
	d := &Dialer{redisCA.Read(r), redisCertificate.Read(r), redisKey.Read(r)}
	return d.read(r, on, redisTLS.Name+"=true")
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
	on := kafkaTLS.Read(r)
	d := &Dialer{kafkaCA.Read(r), kafkaCertificate.Read(r), kafkaKey.Read(r)}
	return d.read(r, on, kafkaTLS.Name+"=true")
}

// read reports faults in the files. A file that is set while TLS is off is a fault as well, because the operator who
// set it expects an encrypted connection. setting is what turns TLS on.
func (d *Dialer) read(r *config.Reader, on bool, setting string) *Dialer {
	if on {
		_, err := d.config()
		r.Add(err)
		return d
	}
	for _, file := range []config.File{d.authorities, d.certificate, d.key} {
		if file.IsSet() {
			r.Fault("%s is set; expected %s with it", file, setting)
		}
	}
	return nil
}

// config reads the files as they are now. Its error lists everything that is wrong with them and quotes none of their
// contents.
func (d *Dialer) config() (*tls.Config, error) {
	roots, rootsErr := d.roots()
	pair, pairErr := d.pair()
	if err := errors.Join(rootsErr, pairErr); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: pair}, nil
}

// roots returns nil for the system's authorities.
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

// pair returns the client's certificate with its chain and key, none if it is not set.
func (d *Dialer) pair() ([]tls.Certificate, error) {
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
	loaded, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s do not match; expected a certificate and its private key, in PEM",
			d.certificate, d.key)
	}
	return []tls.Certificate{loaded}, nil
}

// DialContext connects and completes the handshake before it returns.
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

// Dial is DialContext for clients without a context, such as sarama.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}
