package fakes

import (
	"time"

	"github.com/alicebob/miniredis/v2"
	"gitlab.com/yourorg/image-service/functions/fakes/journal"
)

func (s *Servers) startRedis() error {
	server, err := miniredis.Run()
	if err != nil {
		return err
	}
	s.closers = append(s.closers, server.Close)
	if s.directory.kept {
		kept, err := journal.Open(s.directory.in("redis.journal"), server)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, func() { _ = kept.Close() }) // what it says is in the log already
	}
	stop := make(chan struct{})
	go expireKeys(server, stop)
	s.closers = append(s.closers, func() { close(stop) })
	s.settings["REDIS_HOST"] = server.Host()
	s.settings["REDIS_PORT"] = server.Port()
	s.settings["REDIS_PASSWORD"] = ""
	s.unset("REDIS_USERNAME", "REDIS_TLS", "REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE",
		"REDIS_ADDRESSES", "REDIS_CLUSTER", "REDIS_SENTINEL_MASTER", "REDIS_SENTINEL_USERNAME", "REDIS_SENTINEL_PASSWORD")
	return nil
}

// expireKeys moves the server's clock once a second, until stop. By itself miniredis leaves that to tests; its ClockTTL
// would do it, too, but sorts all keys at each command.
func expireKeys(server *miniredis.Miniredis, stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for before := time.Now(); ; {
		select {
		case now := <-ticker.C:
			server.FastForward(now.Sub(before))
			before = now
		case <-stop:
			return
		}
	}
}
