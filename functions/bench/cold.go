package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/events"
)

// A coldStart is how long a new process of a function took to its first 200, and to the answer of its first image.
type coldStart struct{ answered, done time.Duration }

// measureCold measures how long a new process of each function takes, by turns.
func (b *bench) measureCold(ctx context.Context) error {
	times := 15
	if b.Quick {
		times = 1
	}
	b.say("cold: %d processes of each function", times)
	first := map[string]func(context.Context, string, string) error{ourUpload: b.firstUpload, ourThumbnail: b.firstEvent}
	answered, done := map[string][]time.Duration{}, map[string][]time.Duration{}
	for range times {
		for name, use := range first {
			c, err := b.startCold(ctx, name, use)
			if err != nil {
				return fmt.Errorf("a new process of %s: %w", name, err)
			}
			answered[name], done[name] = append(answered[name], c.answered), append(done[name], c.done)
		}
	}
	t := &table{
		title: "A new process",
		note: fmt.Sprintf("%d processes of each function, one at a time: from the start to the first 200, and until its "+
			"first image, a small JPEG, was answered.", times),
		header: []string{"function", "first 200: p50 ms", "most", "first image: p50 ms", "most"},
	}
	for _, name := range []string{ourUpload, ourThumbnail} {
		cells := []string{name}
		for _, all := range [][]time.Duration{answered[name], done[name]} {
			slices.Sort(all)
			cells = append(cells, number(milliseconds(percentile(all, 50))), number(milliseconds(percentile(all, 100))))
		}
		t.add(cells...)
	}
	b.report.add(t)
	return nil
}

// startCold starts a process of a function, uses it once, and stops it.
func (b *bench) startCold(
	ctx context.Context, function string, use func(ctx context.Context, address, key string) error,
) (c coldStart, err error) {
	key, err := b.servers.put(ctx, b.images.of(small, 0).content)
	if err != nil {
		return c, err
	}
	const name = "cold"
	began := time.Now()
	err = b.startFunction(ctx, name, function, "MINIO_BUCKET="+b.servers.bucket, "KAFKA_TOPIC="+b.asideTopic())
	if err != nil {
		return c, err
	}
	c.answered = time.Since(began)
	if err := use(ctx, b.addresses[name], key); err != nil {
		return c, err
	}
	c.done = time.Since(began)
	return c, b.end(name)
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
