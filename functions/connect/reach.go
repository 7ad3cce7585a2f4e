// Package connect is how a process gets to MinIO, Redis and Kafka: encrypted, with certificates that are checked, and as
// whom. It is for the functions, and for whoever has to go the same way beside them, such as knative/local and tests.
//
// A certificate is always checked, and so is the name in it; there is no setting that turns this off. Files are read
// again for each connection, so that a new one uses what cert-manager, or who else renews them, has put there.
package connect

import "gitlab.com/yourorg/image-service/functions/internal/config"

// Settings are what the functions under Read... read, and note faults with.
type Settings = *config.Reader

// From is for who is no function: it reads settings with getenv, as in From(os.Getenv, ReadKafka). The error has
// everything that is wrong with them.
func From[T any](getenv func(string) string, read func(Settings) T) (T, error) {
	r := config.NewReader(getenv)
	value := read(r)
	return value, r.Err()
}
