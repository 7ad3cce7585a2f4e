// Package connect opens connections to MinIO, Redis and Kafka: over TLS with verified certificates, and with a login.
// The functions use it, and so do programs and tests beside them that reach the same servers, such as knative/local.
//
// A server's certificate and the name in it are always verified; no setting turns that off. Certificate files are read
// again for each connection, so that a new connection uses what cert-manager, or another tool that renews them, wrote
// last. The package does not retry and does not pool: the clients of the three servers do.
package connect

import "gitlab.com/yourorg/image-service/functions/internal/config"

// Settings is the reader that the Read functions of this package take settings from and report faults to.
type Settings = *config.Reader

// From reads settings outside of a function, as in From(os.Getenv, ReadKafka). The error lists everything that is wrong
// with them.
func From[T any](getenv func(string) string, read func(Settings) T) (T, error) {
	r := config.NewReader(getenv)
	value := read(r)
	return value, r.Err()
}
