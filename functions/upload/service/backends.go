package service

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/deferral"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/outbox"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/deletion"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
)

// backends are the clients of MinIO and Redis, and what is built on them alone.
type backends struct {
	images   *imagestore.Store
	redis    redis.UniversalClient
	statuses *status.Store
	outbox   *outbox.Outbox
	deferred *deferral.Queue
	ledger   *quota.Ledger
	index    *imageindex.Index

	log     *slog.Logger
	ignored *prometheus.CounterVec
}

// open opens the clients, and waits for no connection. registerer may be nil, and then nothing is measured.
func open(s settings, log *slog.Logger, registerer prometheus.Registerer) (*backends, error) {
	images, err := imagestore.Open(s.images)
	if err != nil {
		return nil, err
	}
	client := connect.OpenRedis(s.redis)
	b := &backends{
		images:   images,
		redis:    client,
		statuses: status.New(client, images).For(s.renditions),
		deferred: deferral.New(client, images),
		ledger:   quota.NewLedger(client, images.Bucket()),
		index:    imageindex.New(client, images.Bucket(), s.listed, ownership.Owns),
		log:      log,
		ignored: promauto.With(registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "redis_errors_ignored_total",
			Help: "Errors of Redis after which the service went on, by the operation that failed.",
		}, []string{"operation"}),
	}
	b.outbox = outbox.New(client, images.Bucket(), func(err error) {
		b.ignoreError(context.Background(), acknowledge, err)
	})
	for _, operation := range []string{acknowledge, restoreStatus, findReference, unlist} {
		b.ignored.WithLabelValues(operation) // so that rate() sees the first one
	}
	return b, nil
}

// The operations whose errors are ignored.
const (
	acknowledge   = "acknowledge"    // the image is announced once more
	restoreStatus = "restore_status" // the next reader rebuilds the status
	unlist        = "unlist"         // the next page that comes to the image that is gone takes it out
	findReference = "find_reference" // an event that refers to an image is not known by its source and ID
)

// ignoreError logs and counts an error of Redis that no caller can do anything about.
func (b *backends) ignoreError(ctx context.Context, operation string, err error) {
	b.ignored.WithLabelValues(operation).Inc()
	b.log.WarnContext(ctx, "redis_error_ignored", "event.action", operation, "error.message", err.Error())
}

func (b *backends) checkRedis(ctx context.Context) error {
	return connect.CheckRedis(ctx, b.redis, b.images.Bucket())
}

// newRelay returns a relay; announcements may be nil if it is never to announce.
func (b *backends) newRelay(
	announcements publisher.Publisher, deleter *deletion.Deleter, ages relay.Ages, registerer prometheus.Registerer,
) *relay.Relay {
	return relay.New(relay.Backends{
		Images:    b.images,
		Statuses:  b.statuses,
		Outbox:    b.outbox,
		Ledger:    b.ledger,
		Index:     b.index,
		Deleter:   deleter,
		Publisher: announcements,
	}, ages, b.log, registerer)
}

// newDeleter returns a Deleter; announcements may be nil if it is never to delete. What keeps something of an image
// adds a step to it.
func (b *backends) newDeleter(
	announcements publisher.Publisher, rules deletion.Rules, policy ownership.Policy, registerer prometheus.Registerer,
) *deletion.Deleter {
	return deletion.New(deletion.Backends{
		Images:    b.images,
		Statuses:  b.statuses,
		Outbox:    b.outbox,
		Deferred:  b.deferred,
		Ledger:    b.ledger,
		Redis:     b.redis,
		Publisher: announcements,
		Steps: []deletion.Step{
			func(ctx context.Context, imageID string) error { return idempotency.Forget(ctx, b.redis, imageID) },
			func(ctx context.Context, imageID string) error {
				return b.index.Remove(ctx, imageindex.Everybody, imageID)
			},
		},
	}, rules, policy, b.log, registerer)
}

// close closes the clients, after all announcements are acknowledged in Redis. An error is only logged: the process
// ends anyway.
func (b *backends) close() {
	b.outbox.Close()
	if err := b.redis.Close(); err != nil {
		b.log.Warn("redis_close_failed", "error.message", err.Error())
	}
}
