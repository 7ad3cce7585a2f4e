package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// Names of the processes that do the least that upload and thumbnail can do.
const (
	floorUpload    = "floor of upload"
	floorThumbnail = "floor of thumbnail"
)

// measureFloor measures what an image costs the functions beside what it must cost.
func (b *bench) measureFloor(ctx context.Context) error {
	if err := b.startFloor(ctx); err != nil {
		return err
	}
	t := &table{
		title: "What an image costs beside what it must cost",
		note: "CPU ms of an image, and images a second. The floor is two processes with the settings of `upload` and " +
			"`thumbnail`, and without statuses, events, limits and checks: one receives a body by net/http and puts it by " +
			"minio-go, the other gets the object, makes the thumbnail with the same engine, and puts it.",
		header: []string{
			"image", "clients", "what", "upload", "of the floor", "thumbnail", "of the floor", "both", "of the floor",
			"images/s", "of the floor", "peak MB of upload", "of thumbnail",
		},
	}
	for _, s := range pick(b.Quick, small, phone, large) {
		for _, clients := range pick(b.Quick, 1, 16) {
			if err := b.besideFloor(ctx, t, s, load{clients: clients}); err != nil {
				return err
			}
		}
	}
	b.report.add(t)
	return nil
}

func (b *bench) besideFloor(ctx context.Context, t *table, s size, l load) error {
	var floor []float64 // of the header's columns that are compared
	for _, way := range []struct {
		name, upload, thumbnail string
		measure                 func(context.Context, size, load) (*result, error)
	}{
		{"floor", floorUpload, floorThumbnail, b.leastWork},
		{"functions", ourUpload, ourThumbnail, b.toThumbnails},
	} {
		b.say("floor: %s, %d clients, %s", s.name, l.clients, way.name)
		r, err := way.measure(ctx, s, l)
		if err != nil {
			return err
		}
		figures := []float64{r.cpuOf(way.upload), r.cpuOf(way.thumbnail), r.cpuOf(way.upload, way.thumbnail), r.perSecond()}
		if floor == nil {
			floor = figures
		}
		cells := []string{s.name, fmt.Sprint(l.clients), way.name}
		for i := range figures {
			cells = append(cells, number(figures[i]), number(figures[i]/floor[i]))
		}
		t.add(append(cells, megabytes(int(r.peak[way.upload])), megabytes(int(r.peak[way.thumbnail])))...)
	}
	return nil
}

// leastWork measures a load of images that the processes of the floor receive, store and make thumbnails of.
func (b *bench) leastWork(ctx context.Context, s size, l load) (*result, error) {
	upload, thumbnail := newClient(b.addresses[floorUpload]), newClient(b.addresses[floorThumbnail])
	defer upload.close()
	defer thumbnail.close()
	b.images.of(s, 0)
	r, err := b.apply(ctx, l, func(ctx context.Context, i int) (timing, error) {
		began := time.Now()
		a, t, err := upload.upload(ctx, b.images.of(s, i))
		if err == nil {
			_, err = thumbnail.request(ctx, http.MethodPost, "/thumbnail?key="+a.ImageID, "", nil, &answer{})
		}
		t.completed = time.Since(began)
		return t, err
	})
	if err != nil {
		return nil, err
	}
	return r, b.servers.empty(ctx, b.servers.bucket)
}

// startFloor starts this program as the processes of the floor, with the settings of the functions' manifests.
func (b *bench) startFloor(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	for name, function := range map[string]string{floorUpload: ourUpload, floorThumbnail: ourThumbnail} {
		command := []string{program, "--floor"}
		if err := b.startProgram(ctx, name, function, command, "MINIO_BUCKET="+b.servers.bucket); err != nil {
			return err
		}
	}
	return nil
}

// serveFloor is a process of the floor.
func serveFloor(ctx context.Context, getenv func(string) string) error {
	s := &servers{bucket: getenv("MINIO_BUCKET")}
	if err := s.openMinIO(getenv); err != nil {
		return err
	}
	server := &http.Server{Addr: "127.0.0.1:" + getenv("PORT"), Handler: s.floor(), ReadHeaderTimeout: time.Minute}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// floor does the least that the functions can do.
func (s *servers) floor() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(r *http.Request) (answer, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			a, err := do(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(a) // the client sees that it ends early
		})
	}
	handle("GET /health", func(*http.Request) (answer, error) { return answer{}, nil })
	handle("POST /upload", func(r *http.Request) (answer, error) {
		key, err := s.putFrom(r.Context(), r.Body, r.ContentLength)
		return answer{ImageID: key}, err
	})
	handle("POST /thumbnail", func(r *http.Request) (answer, error) {
		return answer{}, s.makeThumbnail(r.Context(), r.FormValue("key"))
	})
	return mux
}

// makeThumbnail stores the thumbnail of an object.
func (s *servers) makeThumbnail(ctx context.Context, key string) error {
	core := minio.Core{Client: s.objects} // Client itself would read by a goroutine
	object, _, _, err := core.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	picture, err := raster.Open(object, raster.Limits{Pixels: 1 << 30, BufferedPixels: 1 << 30, Memory: 1 << 40})
	if err != nil {
		return err
	}
	made, err := picture.Render(ctx, raster.Target{Box: raster.Box{Width: 200, Height: 200}})
	if err != nil {
		return err
	}
	_, err = s.put(ctx, made[0].Bytes)
	return err
}
