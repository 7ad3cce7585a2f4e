package service

import (
	"context"
	"errors"
	"io"
	"os"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
)

// Verify checks the bucket of the service, and repairs it if asked to; see relay.Verify. It reads the settings of Run.
// It serves nothing, and connects to Redis and Kafka only to repair.
func Verify(
	ctx context.Context, getenv func(string) string, repair bool, out, progress io.Writer,
) (good bool, err error) {
	return withRelay(getenv, repair, func(r *relay.Relay) (bool, error) { return r.Verify(ctx, repair, out, progress) })
}

// RetryFailed gives failed images of the bucket another try; see relay.RetryFailed. It reads the settings of Run. It
// serves nothing, and with dryRun connects to neither Redis nor Kafka.
func RetryFailed(
	ctx context.Context, getenv func(string) string, failures relay.Failures, dryRun bool, out, progress io.Writer,
) (good bool, err error) {
	if err := failures.Validate(); err != nil {
		return false, err
	}
	return withRelay(getenv, !dryRun, func(r *relay.Relay) (bool, error) {
		return r.RetryFailed(ctx, failures, dryRun, out, progress)
	})
}

// withRelay calls use with a relay that may announce images if announces is true.
func withRelay(
	getenv func(string) string, announces bool, use func(*relay.Relay) (bool, error),
) (good bool, err error) {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	backfill := publisher.ReadBackfillSettings(r)
	if err := r.Err(); err != nil {
		return false, err
	}
	backends, err := open(settings, httpserver.NewLogger(os.Stderr, "verify", settings.process.Log), nil)
	if err != nil {
		return false, err
	}
	defer backends.close()
	var announcements publisher.Publisher
	if announces {
		announcements = publisher.Open(settings.publisher)
		defer func() { err = errors.Join(err, announcements.Close()) }()
	}
	deleter := backends.newDeleter(announcements, settings.deletions, ownership.Policy{}, nil)
	verifier := backends.newRelay(announcements, deleter, settings.ages, nil)
	verifier.Renditions = settings.renditions
	if announces {
		verifier.Backfill = publisher.Open(backfill)
		defer func() { err = errors.Join(err, verifier.Backfill.Close()) }()
	}
	return use(verifier)
}
