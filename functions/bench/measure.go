package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/plot"
)

// uploadOnly is the process of upload whose events nobody reads.
const uploadOnly = "upload-only"

// engineSizes are the megapixels that the engine is measured with.
var engineSizes = []float64{0.5, 1, 3, 6, 12, 24, 48}

// measureEngine measures thumbnails by the program of the engine, one thread each.
func (b *bench) measureEngine(ctx context.Context) error {
	t := &table{
		title:  "The engine alone",
		note:   "JPEG to a thumbnail of 200x200, in memory and on one thread, 15 times.",
		header: []string{"megapixels", "MB", "CPU ms, least", "median", "ms a megapixel", "peak MB"},
	}
	times := "15"
	if b.Quick {
		times = "1"
	}
	var curve []plot.Point
	for _, megapixels := range pick(b.Quick, engineSizes...) {
		b.say("engine: %g megapixels", megapixels)
		content := b.images.of(size{megapixels: megapixels}, 0).content
		name := filepath.Join(b.directory, "photo.jpg")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return err
		}
		run := exec.CommandContext(ctx, filepath.Join(b.directory, "bench"), name, times)
		run.Env = append(os.Environ(), "GOMAXPROCS=1")
		out, err := run.Output()
		if err != nil {
			return fmt.Errorf("%v: %w", run.Args, err)
		}
		var least, median float64
		var peak, length int
		if _, err := fmt.Sscanf(string(out), "min %f med %f rss %d out %d", &least, &median, &peak, &length); err != nil {
			return fmt.Errorf("%v: %q: %w", run.Args, out, err)
		}
		t.add(fmt.Sprint(megapixels), megabytes(len(content)), number(least), number(median), number(least/megapixels),
			fmt.Sprint(peak))
		curve = append(curve, plot.Point{X: megapixels, Y: least})
	}
	b.report.add(t)
	b.report.draw("megapixels", plot.Chart{
		Title: "CPU time of a thumbnail of 200x200", X: "megapixels of the JPEG", Y: "ms", LogX: true, LogY: true,
		Series: []plot.Series{{Name: "image-service", Points: curve}},
	})
	return nil
}

// measureUploads measures uploads that nobody makes thumbnails of, beside PUTs of the same bytes.
func (b *bench) measureUploads(ctx context.Context) error {
	err := b.startFunction(ctx, uploadOnly, ourUpload,
		"MINIO_BUCKET="+b.servers.bucket, "KAFKA_TOPIC="+b.asideTopic())
	if err != nil {
		return err
	}
	c := newClient(b.addresses[uploadOnly])
	defer c.close()
	t := &table{
		title: "Uploads beside bare PUTs of the same bytes",
		note: "No thumbnails are made. The CPU time of a PUT is that of the process with minio-go, that of an upload is " +
			"that of the process of `upload`.",
		header: []string{"image", "clients", "what", "a second", "of PUT", "p50 ms", "p99 ms", "CPU ms", "of PUT", "peak MB"},
	}
	for _, s := range pick(b.Quick, small, phone, large) {
		for _, clients := range pick(b.Quick, 1, 16) {
			if err := b.uploadsBesidePuts(ctx, t, c, s, clients); err != nil {
				return err
			}
		}
	}
	b.report.add(t)
	return nil
}

func (b *bench) uploadsBesidePuts(ctx context.Context, t *table, c *client, s size, clients int) error {
	var put *result
	for _, way := range []struct {
		name, process string
		do            func(context.Context, file) (timing, error)
	}{
		{"PUT", generator, func(ctx context.Context, f file) (timing, error) {
			began := time.Now()
			_, err := b.servers.put(ctx, f.content)
			return timing{answered: time.Since(began)}, err
		}},
		{"raw", uploadOnly, func(ctx context.Context, f file) (timing, error) {
			_, t, err := c.upload(ctx, f)
			return t, err
		}},
		{"form", uploadOnly, func(ctx context.Context, f file) (timing, error) {
			_, t, err := c.uploadForm(ctx, f)
			return t, err
		}},
	} {
		b.say("upload: %s, %d clients, %s", s.name, clients, way.name)
		b.images.of(s, 0)
		r, err := b.apply(ctx, load{clients: clients}, func(ctx context.Context, i int) (timing, error) {
			return way.do(ctx, b.images.of(s, i))
		})
		if err != nil {
			return err
		}
		if put == nil {
			put = r
		}
		t.add(s.name, fmt.Sprint(clients), way.name, number(r.perSecond()), number(r.perSecond()/put.perSecond()),
			number(milliseconds(percentile(r.answered, 50))), number(milliseconds(percentile(r.answered, 99))),
			number(r.cpuOf(way.process)), number(r.cpuOf(way.process)/put.cpuOf(generator)),
			megabytes(int(r.peak[way.process])))
		if err := b.servers.empty(ctx, b.servers.bucket); err != nil {
			return err
		}
	}
	return nil
}

// loadHeader is the header of the tables of loads, after the columns that say which.
var loadHeader = []string{
	"images/s", "200: p50 ms", "p99", "completed: p50 ms", "p99", "own CPU ms", "upload", "thumbnail", "Broker", "servers",
	"clients", "peak MB of upload", "of thumbnail", "refused",
}

// cells are the cells of a result for loadHeader.
func (r *result) cells() []string {
	ms := func(ordered []time.Duration, percent int) string {
		return number(milliseconds(percentile(ordered, percent)))
	}
	return []string{
		number(r.perSecond()), ms(r.answered, 50), ms(r.answered, 99), ms(r.complete, 50), ms(r.complete, 99),
		number(r.cpuOf(ourUpload, ourThumbnail)), number(r.cpuOf(ourUpload)), number(r.cpuOf(ourThumbnail)),
		number(r.cpuOf(broker)), number(r.cpuOf(serverNames...)), number(r.cpuOf(generator)),
		megabytes(int(r.peak[ourUpload])), megabytes(int(r.peak[ourThumbnail])), fmt.Sprint(r.refused),
	}
}

// measureClosed measures clients that wait for their thumbnails before they upload the next image, and the servers
// without the functions beside each.
func (b *bench) measureClosed(ctx context.Context) error {
	t := &table{
		title: "The whole way: closed model",
		note: "Each client uploads an image, waits for the status `completed`, and begins anew. CPU ms are for each image; " +
			"servers are MinIO, Kafka and Redis. The servers alone are the same clients, without functions and Broker, who " +
			"have the servers do less than an image needs: 2 PUTs, a GET, 3 records and 4 commands.",
		header: append([]string{"image", "clients", "of the servers alone"}, loadHeader...),
	}
	growth := newGrowth()
	for _, s := range pick(b.Quick, small, phone, large, mixed) {
		for _, clients := range b.levels(s) {
			b.say("closed: %s, %d clients", s.name, clients)
			r, err := b.toThumbnails(ctx, s, load{clients: clients})
			if err != nil {
				return err
			}
			alone, err := b.serversAlone(ctx, s, clients)
			if err != nil {
				return err
			}
			growth.add(s, r, alone)
			share := number(r.perSecond() / alone.perSecond())
			t.add(append([]string{s.name, fmt.Sprint(clients), share}, r.cells()...)...)
		}
	}
	b.report.add(t)
	growth.report(&b.report)
	return nil
}

// levels are the numbers of clients; of mixed images more, to draw curves of.
func (b *bench) levels(s size) []int {
	if s == mixed {
		return pick(b.Quick, 1, 2, 4, 8, 16, 32, 64, 128)
	}
	return pick(b.Quick, 1, 16, 128)
}

// toThumbnails measures a load of uploads that wait for their thumbnails.
func (b *bench) toThumbnails(ctx context.Context, s size, l load) (*result, error) {
	c := newClient(b.addresses[ourUpload])
	defer c.close()
	b.images.of(s, 0)
	r, err := b.apply(ctx, l, func(ctx context.Context, i int) (timing, error) {
		return c.toThumbnail(ctx, b.images.of(s, i))
	})
	if err != nil {
		return nil, err
	}
	return r, b.servers.empty(ctx, b.settings["MINIO_BUCKET"])
}

func (b *bench) serversAlone(ctx context.Context, s size, clients int) (*result, error) {
	topic := b.asideTopic()
	r, err := b.apply(ctx, load{clients: clients}, func(ctx context.Context, i int) (timing, error) {
		return timing{}, b.servers.imageAlone(ctx, topic, b.images.of(s, i))
	})
	if err != nil {
		return nil, err
	}
	return r, b.servers.empty(ctx, b.servers.bucket)
}

// measureOpen measures uploads at fixed rates, which are parts of what 16 clients reach in the closed model.
func (b *bench) measureOpen(ctx context.Context) error {
	t := &table{
		title: "The whole way: open model",
		note: "Uploads begin at a fixed rate, a part of what 16 clients reached in the closed model just before. Latency " +
			"counts from when an upload was due.",
		header: append([]string{"image", "rate", "of 16 clients"}, loadHeader...),
	}
	for _, s := range pick(b.Quick, small, phone, mixed) {
		b.say("open: %s, to find the rate", s.name)
		most, err := b.toThumbnails(ctx, s, load{clients: 16})
		if err != nil {
			return err
		}
		for _, share := range pick(b.Quick, 0.25, 0.5, 0.75, 0.9) {
			rate := share * most.perSecond()
			b.say("open: %s, %.1f a second", s.name, rate)
			r, err := b.toThumbnails(ctx, s, load{rate: rate})
			if err != nil {
				return err
			}
			t.add(append([]string{s.name, number(rate), number(share)}, r.cells()...)...)
		}
	}
	b.report.add(t)
	return nil
}
