package service

import (
	"time"

	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imageindex"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/upload/deletion"
	"gitlab.com/yourorg/image-service/functions/upload/quota"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
)

type settings struct {
	process   httpserver.Settings
	images    imagestore.Settings
	redis     connect.Redis
	publisher publisher.Settings
	backfill  publisher.Settings // of images that may wait
	auth      auth.Settings

	maxBytes      int64 // of an image, and of all images in a form
	limits        raster.Limits
	renditions    *rendition.Set
	sourceBuckets []string // that an event may name objects in
	eventsOnly    bool     // whether only Knative's deliveries are served
	ages          relay.Ages
	patience      time.Duration // with an object that an event names
	maxWaiting    int64         // requests that wait for a status
	quota         quota.Limits  // of each client
	listed        bool          // whether there is an index of images
	deletions     deletion.Rules
}

// Settings that only this function reads.
var (
	uploadMemory = config.Int{Name: "UPLOAD_MEMORY_BYTES", Default: 48 << 20, Min: 32 << 20, Max: 1 << 40, Unit: "bytes",
		Doc: "Most memory that the bodies of all uploads in one process take together."}
	sourceBuckets = config.List{Name: "SOURCE_BUCKETS",
		DefaultFrom: &imagestore.BucketSetting, Form: imagestore.BucketForm,
		Doc: "Buckets that `image.received` may name objects in."}
	eventsOnly = config.Bool{Name: "EVENTS_ONLY",
		Doc: "Accept events at `POST /` and serve no other route. " +
			"The component `authentication` sets it for `upload-events`."}
	sweepQueued = config.Int{Name: "SWEEP_QUEUED_SECONDS", Default: 60, Min: 1, Max: 3000, Unit: "seconds",
		Doc: "How long publishing an event may take before a sweep repeats it."}
	sweepStored = config.Int{Name: "SWEEP_STORED_SECONDS", Default: 600, Min: 1, Max: 3000, Unit: "seconds",
		Doc: "How long an image may be stored without a result, or without news of it, before a sweep takes its " +
			"event for lost."}
	objectWait = config.Int{Name: "OBJECT_WAIT_SECONDS", Default: 900, Min: 1, Max: 86400, Unit: "seconds",
		Doc: "How long an event waits for the object that it names. Then the image has failed, with the reason " +
			"`object_not_found`."}
	maxWaiting = config.Int{Name: "MAX_WAITING", Default: 32, Min: 0, Max: 100_000,
		Doc: "Most requests of one process that wait for a status, or read a stream of events, at a time. Beyond that " +
			"a wait is answered at once, and a stream refused. Each counts for Knative's `containerConcurrency`."}
)

// Settings returns the settings of the function, in words.
func Settings() []config.Description {
	return config.Describe(func(r *config.Reader) { readSettings(r) })
}

func readSettings(r *config.Reader) settings {
	s := settings{
		process:   httpserver.ReadSettings(r),
		images:    imagestore.ReadSettings(r),
		redis:     connect.ReadRedis(r),
		publisher: publisher.ReadSettings(r),
		backfill:  publisher.ReadBackfillSettings(r),
		auth:      auth.ReadSettings(r),
		maxBytes:  limits.UploadBytes.Read(r),
		limits:    limits.ReadImage(r),
	}
	s.renditions = rendition.Read(r, s.limits)
	s.deletions = deletion.ReadRules(r)
	s.quota = quota.ReadLimits(r, s.auth.Authenticates())
	s.images.Memory = uploadMemory.Read(r)
	s.sourceBuckets = sourceBuckets.Read(r)
	s.eventsOnly = eventsOnly.Read(r)
	s.deletions.EventsOnly = s.eventsOnly
	s.ages = relay.Ages{
		Queued: time.Duration(sweepQueued.Read(r)) * time.Second,
		Stored: time.Duration(sweepStored.Read(r)) * time.Second,
	}
	s.deletions.Overdue = s.ages.Queued
	s.patience = time.Duration(objectWait.Read(r)) * time.Second
	s.maxWaiting = maxWaiting.Read(r)
	s.listed = s.lists(imageindex.ModeSetting.Read(r))
	return s
}

// lists reports whether images are indexed. A function that serves events only lists nothing, and its clients do not
// authenticate; but those of the function that shares its bucket do.
func (s settings) lists(mode string) bool {
	return mode == imageindex.All || mode == imageindex.Own && (s.auth.Authenticates() || s.eventsOnly)
}
