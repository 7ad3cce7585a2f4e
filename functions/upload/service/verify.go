package service

import (
	"context"
	"errors"
	"io"
	"os"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
)

// Verify checks the bucket of the service, and repairs it if asked to; see relay.Verify. It reads the settings of Run.
// It serves nothing, and connects to Redis and Kafka only to repair.
func Verify(
	ctx context.Context, getenv func(string) string, repair bool, out, progress io.Writer,
) (good bool, err error) {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return false, err
	}
	backends, err := open(settings, httpserver.NewLogger(os.Stderr, "verify", settings.process.LogLevel), nil)
	if err != nil {
		return false, err
	}
	defer backends.close()
	var announcements publisher.Publisher
	if repair {
		announcements = publisher.Open(settings.publisher)
		defer func() { err = errors.Join(err, announcements.Close()) }()
	}
	return backends.newRelay(announcements, settings.ages, nil).Verify(ctx, repair, out, progress)
}
