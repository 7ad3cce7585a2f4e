// Package fakes starts in-process servers that speak the protocols of MinIO, Redis and Kafka, in milliseconds and with
// nothing installed, for knative/local and for tests. The clients that talk to them are those of production.
//
// A server is started only if the environment does not name a real one. The fakes check no passwords. Objects and
// records are in files, in a temporary directory or in one that stays, so that memory does not limit them. The fakes
// are never linked into a function, which a test holds.
package fakes

import (
	"errors"
	"fmt"
	"path/filepath"

	"gitlab.com/yourorg/image-service/functions/fakes/objects"
)

// Servers are the three servers that the functions need, each a fake or a real one.
type Servers struct {
	settings  map[string]string // of the fakes
	getenv    func(string) string
	directory *directory
	objects   *objects.Store // nil if MinIO is real
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

// Open is Start for fakes that keep their state in a directory, which is created if it is missing: what they
// acknowledged is there when it is opened again, however the process ended. One process uses it at a time. It is an
// error if it has other files, is damaged or of another version, or if there is no fake.
func Open(getenv func(string) string, path string) (*Servers, error) {
	if getenv("MINIO_ENDPOINT") != "" && getenv("REDIS_HOST") != "" && getenv("KAFKA_BOOTSTRAP_SERVERS") != "" {
		return nil, errors.New("MINIO_ENDPOINT, REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS name servers that keep everything " +
			"themselves; unset those that are to be built in")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d, err := keep(path)
	if err != nil {
		return nil, err
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

// Directory returns where the fakes have their files, and whether these stay.
func (s *Servers) Directory() (path string, kept bool) { return s.directory.path, s.directory.kept }

// Keys returns the keys of the objects in a bucket. It reports false if MinIO is real.
func (s *Servers) Keys(bucket string) (keys []string, fake bool) {
	if s.objects == nil {
		return nil, false
	}
	return s.objects.Keys(bucket), true
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
