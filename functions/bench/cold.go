package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/events"
)

// A starter is a program whose start is measured.
type starter struct {
	name     string
	function string // whose settings it has
	program  string
	// use sends the first image to an address, or the key of one that is stored; nil for a program without images.
	use func(ctx context.Context, address, key string) error

	answered, done []time.Duration // from the start to the first 200, and to the answer of the first image
}

// measureCold measures how long new processes take, by turns.
func (b *bench) measureCold(ctx context.Context) error {
	starters, err := b.starters(ctx)
	if err != nil {
		return err
	}
	times := 25
	if b.Quick {
		times = 1
	}
	b.say("cold: %d processes of each program", times)
	for range times {
		for _, s := range starters {
			if err := b.startCold(ctx, s); err != nil {
				return fmt.Errorf("a new process of %s: %w", s.name, err)
			}
		}
	}
	t := &table{
		title: "A new process",
		note: fmt.Sprintf("%d processes of each program, by turns, one at a time: from the start to the first 200, and "+
			"until the first image, a small JPEG, was answered. The first program answers by net/http and does nothing "+
			"else; the packages are the same program, which imports what the function imports of other modules.", times),
		header: []string{"program", "first 200: p50 ms", "most", "first image: p50 ms", "most"},
	}
	for _, s := range starters {
		cells := []string{s.name}
		for _, all := range [][]time.Duration{s.answered, s.done} {
			if len(all) == 0 {
				cells = append(cells, "-", "-")
				continue
			}
			slices.Sort(all)
			cells = append(cells, number(milliseconds(percentile(all, 50))), number(milliseconds(percentile(all, 100))))
		}
		t.add(cells...)
	}
	b.report.add(t)
	return nil
}

// starters returns the functions, and what they are compared with.
func (b *bench) starters(ctx context.Context) ([]*starter, error) {
	nothing, err := b.buildLeast(ctx, "nothing", nil)
	if err != nil {
		return nil, err
	}
	all := []*starter{{name: "nothing", function: ourUpload, program: nothing}}
	for _, function := range []struct {
		name string
		use  func(ctx context.Context, address, key string) error
	}{{ourUpload, b.firstUpload}, {ourThumbnail, b.firstEvent}} {
		packages, err := otherModules(ctx, b.root, "./functions/"+function.name)
		if err != nil {
			return nil, err
		}
		least, err := b.buildLeast(ctx, function.name, packages)
		if err != nil {
			return nil, err
		}
		all = append(all,
			&starter{name: "packages of " + function.name, function: function.name, program: least},
			&starter{name: function.name, function: function.name, program: filepath.Join(b.directory, function.name),
				use: function.use})
	}
	return all, nil
}

// startCold starts a process, uses it once, and stops it.
func (b *bench) startCold(ctx context.Context, s *starter) error {
	key, err := b.servers.put(ctx, b.images.of(small, 0).content)
	if err != nil {
		return err
	}
	address, env, err := b.prepare(s.function, "MINIO_BUCKET="+b.servers.bucket, "KAFKA_TOPIC="+b.asideTopic())
	if err != nil {
		return err
	}
	name := "new " + s.name // beside the one that runs
	began := time.Now()
	if err := b.startAt(ctx, name, address, env, s.program); err != nil {
		return err
	}
	s.answered = append(s.answered, time.Since(began))
	if s.use != nil {
		if err := s.use(ctx, address, key); err != nil {
			return err
		}
		s.done = append(s.done, time.Since(began))
	}
	return b.end(name)
}

func (b *bench) firstUpload(ctx context.Context, address, _ string) error {
	c := newClient(address)
	defer c.close()
	_, _, err := c.upload(ctx, b.images.of(small, 0))
	return err
}

// firstEvent delivers the event of an image that is stored, as the Broker does.
func (b *bench) firstEvent(ctx context.Context, address, key string) error {
	id, name := path.Split(key)
	id = path.Clean(id)
	data, err := json.Marshal(events.ImageUploaded{
		ImageID: id, ObjectName: key, Filename: name, Bucket: b.servers.bucket, Timestamp: float64(time.Now().Unix()),
	})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {events.TypeImageUploaded},
		"Ce-Source": {events.SourceUpload}, "Ce-Id": {id},
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if got := response.Header.Get("Ce-Type"); err == nil && got != events.TypeImageThumbnailed {
		return fmt.Errorf("the event is answered with %s and %q, expected %q: %.300s",
			response.Status, got, events.TypeImageThumbnailed, text)
	}
	return err
}
