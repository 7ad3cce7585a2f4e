package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// measureCounts counts what images cost the servers. Other work on the machine does not change it, except that images
// which take longer are waited for with more requests.
func (b *bench) measureCounts(ctx context.Context) error {
	images := 200
	if b.Quick {
		images = 5
	}
	b.say("counts: %d images", images)
	c := newClient(b.addresses[ourUpload])
	defer c.close()
	before, err := b.count(ctx)
	if err != nil {
		return err
	}
	for range images {
		if _, err := c.toThumbnail(ctx, b.images.of(small, 0)); err != nil {
			return err
		}
	}
	after, err := b.count(ctx)
	if err != nil {
		return err
	}
	t := &table{
		title: "What an image costs the servers",
		note: fmt.Sprintf("Of %d small images, one after the other, each waited for with `?wait=20`, and of what runs "+
			"beside: sweeps, commits of offsets, the servers' own work. Counts below 0.05 are left out.", images),
		header: []string{"what", "each image"},
	}
	for _, name := range after.names {
		each := (after.of[name] - before.of[name]) / float64(images)
		if each >= 0.05 {
			t.add(name, number(each))
		}
	}
	b.report.add(t)
	return b.servers.empty(ctx, b.settings["MINIO_BUCKET"])
}

// counts are what servers have counted, by name.
type counts struct {
	names []string // in order
	of    map[string]float64
}

func (c *counts) add(name string, value float64) {
	if _, known := c.of[name]; !known {
		c.names = append(c.names, name)
	}
	c.of[name] += value
}

// count asks the servers what they have done so far.
func (b *bench) count(ctx context.Context) (*counts, error) {
	c := &counts{of: map[string]float64{}}
	err := errors.Join(b.countObjects(ctx, c), b.countCommands(ctx, c), b.countRecords(c))
	slices.Sort(c.names)
	return c, err
}

var requestsForm = regexp.MustCompile(`(?m)^minio_api_requests_total\{.*?name="(\w+)".*\} (\S+)$`)

// countObjects counts requests to MinIO, by its metrics.
func (b *bench) countObjects(ctx context.Context, c *counts) error {
	url := b.servers.objects.EndpointURL().String() + "/minio/metrics/v3/api/requests"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	token := metricsToken(b.settings["MINIO_ACCESS_KEY"], b.settings["MINIO_SECRET_KEY"])
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: b.servers.transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	found := requestsForm.FindAllSubmatch(text, -1)
	if response.StatusCode != http.StatusOK || len(found) == 0 {
		return fmt.Errorf("metrics of MinIO: %s: %.300s", response.Status, text)
	}
	for _, match := range found {
		value, err := strconv.ParseFloat(string(match[2]), 64)
		if err != nil {
			return fmt.Errorf("metrics of MinIO: %w", err)
		}
		c.add("MinIO, requests "+string(match[1]), value)
	}
	return nil
}

// metricsToken returns a token for a minute, as `mc admin prometheus generate` does. It is signed by hand, because
// go-jose refuses keys that are as short as secrets of MinIO usually are.
func metricsToken(user, secret string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iss":"prometheus","sub":%q,"exp":%d}`, user, time.Now().Add(time.Minute).Unix())
	signed := encode([]byte(`{"alg":"HS512","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

var callsForm = regexp.MustCompile(`(?m)^cmdstat_([\w|]+):calls=(\d+)`)

// countCommands counts commands of Redis, scripts with the commands in them, and the memory of its keys.
func (b *bench) countCommands(ctx context.Context, c *counts) error {
	commands, err := b.servers.redis.Info(ctx, "commandstats").Result()
	if err != nil {
		return err
	}
	for _, match := range callsForm.FindAllStringSubmatch(commands, -1) {
		value, _ := strconv.ParseFloat(match[2], 64)
		c.add("Redis, commands", value)
		if strings.HasPrefix(match[1], "eval") {
			c.add("Redis, scripts among them", value)
		}
	}
	return b.countKeys(ctx, c)
}

// countKeys adds up the memory of keys. What Redis says about all of its memory varies more, by buffers of connections.
func (b *bench) countKeys(ctx context.Context, c *counts) error {
	keys := b.servers.redis.Scan(ctx, 0, "image:*", 1000).Iterator()
	for keys.Next(ctx) {
		bytes, err := b.servers.redis.MemoryUsage(ctx, keys.Val()).Result()
		if err != nil && !errors.Is(err, redis.Nil) { // a key that has expired since
			return err
		}
		c.add("Redis, bytes of keys", float64(bytes))
	}
	return keys.Err()
}

// countRecords counts what topics have: of the service, of the Broker, and of the offsets of consumers.
func (b *bench) countRecords(c *counts) error {
	brokers := map[int32]bool{}
	topics, err := b.servers.admin.DescribeTopics([]string{b.settings["KAFKA_TOPIC"]})
	if err != nil {
		return err
	}
	for _, partition := range topics[0].Partitions {
		brokers[partition.Leader] = true
	}
	var ids []int32
	for id := range brokers {
		ids = append(ids, id)
	}
	directories, err := b.servers.admin.DescribeLogDirs(ids)
	if err != nil {
		return err
	}
	for _, of := range directories {
		for _, directory := range of {
			for _, topic := range directory.Topics {
				for _, partition := range topic.Partitions {
					c.add("Kafka, bytes of "+b.kindOf(topic.Topic), float64(partition.Size))
				}
			}
		}
	}
	return nil
}

// kindOf returns what a topic is for.
func (b *bench) kindOf(topic string) string {
	switch {
	case topic == b.settings["KAFKA_TOPIC"]:
		return "the topic of uploads"
	case strings.HasPrefix(topic, "knative-broker-"):
		return "the topic of the Broker"
	case topic == "__consumer_offsets":
		return "offsets"
	}
	return "other topics"
}
