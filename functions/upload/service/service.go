// Package service is the upload function: it wires the packages beside it to each other and to the backends, and serves
// their routes.
//
// A 200 for an upload means that the image is stored in MinIO, that its status is queued, and that Kafka has
// acknowledged the event that leads to its thumbnail. If that fails, the answer says so, and nothing is left of the
// image, unless its event may still arrive. What a crash of the function or of a backend leaves undone, a sweep
// finishes. Bodies are streamed: how much memory they take together is a setting, and does not grow with their number
// or size.
package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/ratelimit"
	"gitlab.com/yourorg/image-service/functions/internal/status"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"gitlab.com/yourorg/image-service/functions/upload/deletion"
	"gitlab.com/yourorg/image-service/functions/upload/delivery"
	"gitlab.com/yourorg/image-service/functions/upload/fitness"
	"gitlab.com/yourorg/image-service/functions/upload/grant"
	"gitlab.com/yourorg/image-service/functions/upload/idempotency"
	"gitlab.com/yourorg/image-service/functions/upload/inbox"
	"gitlab.com/yourorg/image-service/functions/upload/ingest"
	"gitlab.com/yourorg/image-service/functions/upload/ondemand"
	"gitlab.com/yourorg/image-service/functions/upload/openapi"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
	"gitlab.com/yourorg/image-service/functions/upload/retry"
)

// Run serves the upload function on listener until ctx ends and the requests in progress are answered. getenv gives the
// settings; the error has everything that is wrong with them.
func Run(ctx context.Context, listener net.Listener, getenv func(string) string) (err error) {
	r := config.NewReader(getenv)
	settings := readSettings(r)
	if err := r.Err(); err != nil {
		return err
	}
	process := httpserver.New("upload", settings.process)
	backends, err := open(settings, process.Log, process.Metrics)
	if err != nil {
		return err
	}
	defer backends.close()
	waiting := publisher.Open(settings.backfill)
	publisher := publisher.Open(settings.publisher)
	defer func() { err = errors.Join(err, publisher.Close()) }() // before Redis, and after the last answer

	renderings := ondemand.New(backends.redis, waiting, backends.images.Bucket(), settings.renditions.Hash(), process.Log)
	defer func() { renderings.Close(); err = errors.Join(err, waiting.Close()) }()

	limiter := ratelimit.New(backends.redis, "image:limit:"+backends.images.Bucket()+":")
	guard := auth.New(settings.auth, process, limiter)
	watcher := status.NewWatcher(backends.redis, backends.images.Bucket())
	defer watcher.Close()
	context.AfterFunc(ctx, watcher.Close) // who waits for a status gets the one that there is
	gate := fitness.New(backends.images, settings.images.Endpoint, backends.redis, process.Log, process.Metrics)
	s := wire(settings, process, backends, publisher, renderings, guard, watcher, gate)
	// background ends with ctx, or if serving fails; tasks are what runs in it beside the requests.
	background, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer func() { stop(); tasks.Wait() }() // before the publisher is closed
	tasks.Go(func() { s.retrier.Run(process.Recording(background)) })
	tasks.Go(func() { gate.Run(background) })
	// Clients connect side by side, while the first image arrives. What fails is left to it, and to /ready.
	for _, connect := range []func(context.Context) error{backends.checkRedis, backends.images.Check, publisher.Check} {
		tasks.Go(func() { _ = connect(background) })
	}
	return process.Serve(ctx, listener, s.routes(),
		httpserver.Check{Backend: "redis", Ask: backends.checkRedis},
		httpserver.Check{Backend: "minio", Ask: func(ctx context.Context) error {
			if err := backends.images.Check(ctx); err != nil {
				return err
			}
			return gate.Ready(ctx)
		}},
		httpserver.Check{Backend: "kafka", Ask: publisher.Check})
}

// service is what the routes lead to.
type service struct {
	process    *httpserver.Process
	guard      *auth.Guard
	ingest     *ingest.Ingest
	delivery   *delivery.Delivery
	deleter    *deletion.Deleter
	grants     *grant.Grants
	retrier    *retry.Retrier
	page       http.Handler
	eventsOnly bool
}

func wire(
	settings settings, process *httpserver.Process, backends *backends, publisher publisher.Publisher,
	renderings *ondemand.Queue, guard *auth.Guard, watcher *status.Watcher, gate *fitness.Gate,
) *service {
	policy := ownership.Policy{Enforced: guard.Authenticates()}
	deleter := backends.newDeleter(publisher, settings.deletions, policy, process.Metrics)
	relay := backends.newRelay(publisher, deleter, settings.ages, process.Metrics)
	limits := accept.Limits{Bytes: settings.maxBytes, Limits: settings.limits}
	acceptor := idempotency.New(
		accept.New(accept.Backends{
			Gate:   gate,
			Quota:  quota.New(backends.ledger, settings.quota, guard.IsAdmin),
			Grants: grant.NewLedger(backends.redis, backends.images.Bucket()),
			Images: backends.images,
			Relay:  relay,
			Outbox: backends.outbox,
		}, limits, process.Log),
		backends.images, backends.statuses, relay, backends.redis, settings.maxBytes)
	retrier := retry.New(retry.Backends{
		Queue:     backends.deferred,
		Images:    backends.images,
		Statuses:  backends.statuses,
		Acceptor:  acceptor,
		Relay:     relay,
		Publisher: publisher,
	}, settings.patience, process.Log, process.Metrics)
	return &service{
		process: process,
		guard:   guard,
		deleter: deleter,
		retrier: retrier,
		page: delivery.Page(delivery.PageSetting{
			Limits:   settings.limits,
			MaxBytes: settings.maxBytes,
			Lists:    settings.listed,
			Deletes:  deleter.Allowed(),
			NeedsKey: guard.Authenticates(),
		}),
		eventsOnly: settings.eventsOnly,
		grants:     &grant.Grants{Keys: guard.Signing(), MaxBytes: settings.maxBytes, Types: settings.limits.MIMETypes()},
		ingest: ingest.New(ingest.Backends{
			Acceptor:  acceptor,
			Durations: idempotency.NewDurations(backends.redis),
			Statuses:  backends.statuses,
			Sweeper:   sweepers{relay, retrier, deleter},
			Deferrer:  backends.deferred,
			Deleter:   deleter,
			Inbox:     inbox.New(publisher),
			Process:   process,
		}, ingest.Settings{
			MaxBytes:      settings.maxBytes,
			Bucket:        backends.images.Bucket(),
			SourceBuckets: settings.sourceBuckets,
			EventsOnly:    settings.eventsOnly,
			Policy:        policy,
		}),
		delivery: delivery.New(delivery.Backends{
			Images:      backends.images,
			Statuses:    backends.statuses,
			Outbox:      backends.outbox,
			Watcher:     watcher,
			References:  idempotency.NewReferences(backends.redis, backends.images.Bucket()),
			Index:       backends.index,
			Renditions:  settings.renditions,
			Signer:      delivery.Signer{Keys: guard.Signing(), Lifetime: guard.URLLifetime()},
			OnDemand:    renderings,
			IgnoreError: backends.ignoreError,
		}, policy, settings.maxWaiting),
	}
}

// sweepers sweep one beside the other, so that none takes the time of another.
type sweepers []ingest.Sweeper

// Sweep returns the errors of all.
func (s sweepers) Sweep(ctx context.Context) error {
	errs := make([]error, len(s))
	var sweeps sync.WaitGroup
	for i, sweeper := range s {
		sweeps.Go(func() { errs[i] = sweeper.Sweep(ctx) })
	}
	sweeps.Wait()
	return errors.Join(errs...)
}

// routes are the paths of the function. With authentication, the page is open to everybody, and the rest to clients.
func (s *service) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("/", httpserver.NotFound)
	if s.eventsOnly {
		httpserver.Route(mux, "/{$}", methods{http.MethodPost: s.protect(s.ingest.Deliver)})
		return mux
	}
	httpserver.Route(mux, "/{$}", methods{
		http.MethodGet:  s.page,
		http.MethodPost: s.protect(s.ingest.Deliver),
	})
	httpserver.Route(mux, "/openapi.json", methods{http.MethodGet: s.process.Handle(openapi.Document)})
	httpserver.Route(mux, "/api", methods{http.MethodGet: s.process.Handle(openapi.Page)})
	httpserver.Route(mux, "/upload", methods{http.MethodPost: s.protectGranted(s.ingest.Upload)})
	httpserver.Route(mux, "/status", methods{http.MethodGet: s.protect(s.delivery.EventStatus)})
	httpserver.Route(mux, "/status/{id}", methods{http.MethodGet: s.protectGranted(s.delivery.Status)})
	httpserver.Route(mux, "/status/{id}/events", methods{http.MethodGet: s.protectGranted(s.delivery.Events)})
	httpserver.Route(mux, "/events", methods{http.MethodGet: s.protectGranted(s.delivery.Events)})
	httpserver.Route(mux, "/images", methods{http.MethodGet: s.protect(s.delivery.List)})
	httpserver.Route(mux, "/images/{id}", methods{
		http.MethodGet:    s.protectObject(s.delivery.Original),
		http.MethodDelete: s.protect(s.deleter.Image),
	})
	httpserver.Route(mux, "/images/{id}/{rendition}", methods{http.MethodGet: s.protectObject(s.delivery.Rendition)})
	httpserver.Route(mux, "/thumbnails/{id}", methods{http.MethodGet: s.protectObject(s.delivery.Thumbnail)})
	httpserver.Route(mux, "/urls", methods{http.MethodPost: s.protect(s.delivery.Links)})
	httpserver.Route(mux, "/grants", methods{http.MethodPost: s.protect(s.grants.Make)})
	all := http.NewServeMux() // Serve adds the cluster's own paths to it, which scripts of other sites may not use
	all.Handle("/", s.guard.CORS(mux))
	return all
}

type methods = map[string]http.Handler

func (s *service) protect(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return s.guard.Protect(s.process.Handle(handle))
}

func (s *service) protectObject(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return s.guard.ProtectObject(s.process.Handle(handle))
}

func (s *service) protectGranted(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return s.guard.ProtectGranted(s.process.Handle(handle))
}
