// Package fakes starts in-process servers that speak the protocols of MinIO, Redis and Kafka, in milliseconds and with
// nothing installed, for knative/local and for tests. The clients that talk to them are those of production.
//
// A server is started only if the environment does not name a real one. The fakes check no passwords. Objects and
// records are in files, in a temporary directory or in one that stays, so that memory does not limit them. The fakes are
// never linked into a function, which a test holds.
package fakes

import "fmt"

// Servers are the three servers that the functions need, each a fake or a real one.
type Servers struct {
	settings  map[string]string // of the fakes
	getenv    func(string) string
	directory *directory
	closers   []func()
}

// Start starts a fake for each of MINIO_ENDPOINT, REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS that getenv does not set. They
// forget everything when they are closed.
func Start(getenv func(string) string) (*Servers, error) {
	d, err := temporary()
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	return start(getenv, d)
}

func start(getenv func(string) string, d *directory) (*Servers, error) {
	s := &Servers{settings: map[string]string{}, getenv: getenv, directory: d}
	for _, server := range []struct {
		setting string
		start   func() error
	}{
		{"MINIO_ENDPOINT", s.startMinIO},
		{"REDIS_HOST", s.startRedis},
		{"KAFKA_BOOTSTRAP_SERVERS", s.startKafka},
	} {
		if getenv(server.setting) != "" {
			continue
		}
		if err := server.start(); err != nil {
			s.Close()
			return nil, fmt.Errorf("start a fake for %s: %w", server.setting, err)
		}
	}
	return s, nil
}

// Getenv returns the setting called name: a fake's, or else the environment's.
func (s *Servers) Getenv(name string) string {
	if value, set := s.settings[name]; set {
		return value
	}
	return s.getenv(name)
}

// Close stops the fakes.
func (s *Servers) Close() {
	for _, closer := range s.closers {
		closer()
	}
	s.directory.close()
}

// unset hides settings for a real server, such as TLS, from the clients of a fake.
func (s *Servers) unset(names ...string) {
	for _, name := range names {
		s.settings[name] = ""
	}
}
