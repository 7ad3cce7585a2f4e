package service

import (
	"time"

	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/publisher"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
)

type settings struct {
	process   httpserver.Settings
	images    imagestore.Settings
	redis     connect.Redis
	publisher publisher.Settings
	auth      auth.Settings

	maxBytes      int64 // of an image, and of all images in a form
	limits        raster.Limits
	sourceBuckets []string // that an event may name objects in
	eventsOnly    bool     // whether only Knative's deliveries are served
	ages          relay.Ages
}

func readSettings(getenv func(string) string) (settings, error) {
	r := config.NewReader(getenv)
	s := settings{
		process:   httpserver.ReadSettings(r),
		images:    imagestore.ReadSettings(r),
		redis:     connect.ReadRedis(r),
		publisher: publisher.ReadSettings(r),
		auth:      auth.ReadSettings(r),
		maxBytes:  r.Int("MAX_UPLOAD_BYTES", 50<<20, 1, 5<<30),
		limits:    raster.Limits{Pixels: r.Int("MAX_IMAGE_PIXELS", raster.DefaultPixels, 1, 1<<32)},
	}
	s.images.Memory = r.Int("UPLOAD_MEMORY_BYTES", 48<<20, 32<<20, 1<<40)
	s.sourceBuckets = r.List("SOURCE_BUCKETS", s.images.Bucket)
	for _, bucket := range s.sourceBuckets {
		imagestore.CheckBucket(r, "SOURCE_BUCKETS", bucket)
	}
	s.eventsOnly = r.Bool("EVENTS_ONLY")
	s.ages = relay.Ages{
		Queued: time.Duration(r.Int("SWEEP_QUEUED_SECONDS", 60, 1, 3000)) * time.Second,
		Stored: time.Duration(r.Int("SWEEP_STORED_SECONDS", 600, 1, 3000)) * time.Second,
	}
	return s, r.Err()
}
