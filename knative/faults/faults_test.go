//go:build faults

package faults

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/redis/go-redis/v9"
)

// A fault is injected into a system under load.
type fault struct {
	name string
	// inject injects the fault and returns when it is over.
	inject func(*loadGenerator) error
	// after, if it is not nil, goes on when everything is processed and checked.
	after func(*loadGenerator)
	// build builds the functions; nil means withRace.
	build func() (string, error)
	// large adds images that are so large that they are stored while they arrive: whole, or in parts.
	large bool
	// mayCutOff allows requests without an answer, because the process that would give it is killed.
	mayCutOff bool
	// mayRegress allows a status to go back from processing to queued, because only Redis stores processing.
	mayRegress bool
	// losesEvents means that Kafka loses its data, and with it the announcements that are not delivered yet: replies of
	// functions are on the topic of the Broker. It does not excuse those of images that are accepted afterwards.
	losesEvents bool
	// mayNotRefuse forbids refused requests.
	mayNotRefuse bool
}

// recoverLimit bounds the time from the end of a fault to the next accepted upload.
const recoverLimit = 15 * time.Second

// span is the duration of most faults.
const span = 10 * time.Second

// longSpan is the duration of a fault that outlasts every request: the time limit of clients is shorter.
const longSpan = 32 * time.Second

var faults = []fault{
	{name: "upload killed repeatedly", mayCutOff: true, inject: func(l *loadGenerator) error {
		return l.killRepeatedly(l.upload.pods...)
	}},
	{name: "thumbnail killed repeatedly", inject: func(l *loadGenerator) error {
		return l.killRepeatedly(l.thumbnail.pods...)
	}},
	{name: "dispatcher killed repeatedly", inject: func(l *loadGenerator) error { return l.killRepeatedly(l.dispatcher) }},
	{name: "all of the service's processes killed repeatedly", mayCutOff: true, inject: func(l *loadGenerator) error {
		return l.killRepeatedly(append(append([]*pod{l.dispatcher}, l.upload.pods...), l.thumbnail.pods...)...)
	}},
	{name: "rolling restart (SIGTERM)", mayNotRefuse: true, inject: (*loadGenerator).rollingRestart},
	{name: "renditions change, one pod after the other, thumbnail killed repeatedly meanwhile",
		inject: (*loadGenerator).changeRenditions, after: (*loadGenerator).backfill},

	{name: "clocks step ten minutes ahead and back", build: withClockStep, inject: func(l *loadGenerator) error {
		return l.step(10*time.Minute, -10*time.Minute)
	}},
	{name: "the clock of every second pod steps an hour ahead", build: withClockStep,
		inject: func(l *loadGenerator) error {
			return l.step(time.Hour, 0)
		}},
	{name: "the clock of every second pod starts an hour behind", build: withClockStep, mayCutOff: true,
		inject: func(l *loadGenerator) error {
			return l.step(-time.Hour, 0, l.upload.pods[0], l.thumbnail.pods[0])
		}},
	{name: "outbox entries from clocks an hour ahead and behind", inject: (*loadGenerator).stepOutbox},

	{name: "redis killed, restarted with its data", mayRegress: true, inject: func(l *loadGenerator) error {
		return l.restart(l.redis, false)
	}},
	{name: "redis killed, restarted empty", mayRegress: true, inject: func(l *loadGenerator) error {
		return l.restart(l.redis, true)
	}},
	{name: "redis killed, restarted with its state of 10 s before", mayRegress: true,
		inject: (*loadGenerator).rollBackRedis},
	{name: "redis paused", mayRegress: true, inject: func(l *loadGenerator) error { return l.pause(l.redis, span) }},
	{name: "redis slow, 1 s per answer", mayRegress: true, inject: func(l *loadGenerator) error {
		return l.impair(l.redis, impairment{delay: time.Second}, span)
	}},
	{name: "redis at 200 bytes per second", mayRegress: true, inject: func(l *loadGenerator) error {
		return l.impair(l.redis, impairment{rate: 200}, span)
	}},
	{name: "redis cut off after 1000 bytes", mayRegress: true, inject: func(l *loadGenerator) error {
		return l.impair(l.redis, impairment{resetAfter: 1000}, span)
	}},
	{name: "redis half open", mayRegress: true, inject: func(l *loadGenerator) error {
		return l.impair(l.redis, impairment{blackhole: true}, span)
	}},
	{name: "redis with a changed password", mayRegress: true, inject: (*loadGenerator).changeRedisPassword},

	{name: "minio killed, restarted with its data", inject: func(l *loadGenerator) error {
		return l.restart(l.minio, false)
	}},
	{name: "minio paused, for 32 s, large images as well", large: true, inject: func(l *loadGenerator) error {
		return l.pause(l.minio, longSpan)
	}},
	{name: "minio slow, 1 s per answer", inject: func(l *loadGenerator) error {
		return l.impair(l.minio, impairment{delay: time.Second}, span)
	}},
	{name: "minio at 2 KB per second", inject: func(l *loadGenerator) error {
		return l.impair(l.minio, impairment{rate: 2000}, span)
	}},
	{name: "minio cut off after 3000 bytes", inject: func(l *loadGenerator) error {
		return l.impair(l.minio, impairment{resetAfter: 3000}, span)
	}},
	{name: "minio half open, for 32 s, large images as well", large: true, inject: func(l *loadGenerator) error {
		return l.impair(l.minio, impairment{blackhole: true}, longSpan)
	}},
	{name: "minio with a changed password", inject: (*loadGenerator).changeMinIOPassword},
	{name: "bucket deleted after all work was done", inject: (*loadGenerator).deleteBucket},
	{name: "minio's disk full", inject: func(l *loadGenerator) error { return l.fill(l.minio) }},

	{name: "kafka killed, restarted with its data", inject: func(l *loadGenerator) error {
		return l.restart(l.kafka, false)
	}},
	{name: "kafka killed, restarted empty", losesEvents: true, inject: func(l *loadGenerator) error {
		return l.restart(l.kafka, true)
	}},
	{name: "kafka paused", inject: func(l *loadGenerator) error { return l.pause(l.kafka, span) }},
	{name: "kafka slow, 1 s per answer", inject: func(l *loadGenerator) error {
		return l.impair(l.kafka, impairment{delay: time.Second}, span)
	}},
	{name: "kafka at 2 KB per second", inject: func(l *loadGenerator) error {
		return l.impair(l.kafka, impairment{rate: 2000}, span)
	}},
	{name: "kafka cut off after 3000 bytes", inject: func(l *loadGenerator) error {
		return l.impair(l.kafka, impairment{resetAfter: 3000}, span)
	}},
	{name: "kafka half open", inject: func(l *loadGenerator) error {
		return l.impair(l.kafka, impairment{blackhole: true}, span)
	}},
	{name: "kafka's disk full", inject: func(l *loadGenerator) error { return l.fill(l.kafka) }},
	{name: "topic deleted and created again", inject: (*loadGenerator).recreateTopic},
}

// TestFaults injects every fault under load, and compares the answers that clients got with the outcome of their
// images.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f.run(t)
		})
	}
}

func (f fault) run(t *testing.T) {
	t.Helper()
	if f.build == nil {
		f.build = withRace
	}
	files := samples(t)
	if f.large {
		padded := func(by int) []byte { return slices.Concat(files[0].content, make([]byte, by)) }
		files = append(files,
			sample{"whole.jpg", padded(1 << 20), "completed"}, sample{"parts.jpg", padded(12 << 20), "completed"})
	}
	l := newSystem(t, f.build).startLoad(files)
	if err := l.awaitAccepted(20); err != nil {
		t.Fatalf("before the fault: %v", err)
	}
	if err := f.inject(l); err != nil {
		t.Fatal(err)
	}
	l.faultOver()
	if f.losesEvents {
		l.mayBeUnannounced = len(l.acceptedUploads())
	}
	before := time.Now()
	if err := l.awaitAccepted(20); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	l.stopLoad()
	pending := l.drain(drainLimit)
	drained := time.Since(before)
	for _, image := range pending {
		t.Errorf("not processed after %v: %s", drainLimit, image)
	}
	l.checkInvariants(f, drained)
	if f.after != nil {
		f.after(l)
	}
}

// checkInvariants checks all invariants of a finished run and adds its row to the table.
func (l *loadGenerator) checkInvariants(f fault, drained time.Duration) {
	l.t.Helper()
	if err := retry(time.Minute, l.checkQuiescent); err != nil {
		l.t.Error(err)
	}
	result := row{
		fault: f.name, lost: l.checkImages(), conflicts: l.watcher.conflicts, accepted: len(l.acceptedUploads()),
		refused: l.refused, unanswered: l.unanswered, slowest: l.slowestRefusal, recovered: l.recovered, drained: drained,
	}
	for _, u := range l.acceptedUploads() {
		switch u.status {
		case "completed":
			result.completed++
		case "failed":
			result.failed++
		}
	}
	table.add(result)
	if l.unanswered > 0 && !f.mayCutOff {
		l.t.Errorf("%d requests got no answer, want 0", l.unanswered)
	}
	if l.regressed > 0 && !f.mayRegress {
		l.t.Errorf("%d statuses went back from processing to queued, want 0", l.regressed)
	}
	if l.recovered > recoverLimit {
		l.t.Errorf("the next upload was accepted %v after the fault, want at most %v", l.recovered, recoverLimit)
	}
	if f.mayNotRefuse && l.refused > 0 {
		l.t.Errorf("%d requests were refused, want 0", l.refused)
	}
	for i, violation := range l.violations {
		if l.t.Error(violation); i == 20 {
			break // more of them would not help
		}
	}
	l.t.Logf("%+v; slowest of all answers: %v", result, l.slowest)
}

// checkQuiescent returns an error while work is left although every accepted image is final: a stored image without a
// result, which was not accepted, an entry in the outbox, or a result that was not announced.
func (l *loadGenerator) checkQuiescent() error {
	all, err := l.inventory()
	if err != nil {
		return err
	}
	if key := originalWithoutResult(all); key != "" {
		return fmt.Errorf("%s is stored but has no result", key)
	}
	switch left, err := l.outbox(); {
	case err != nil:
		return fmt.Errorf("read the outbox: %w", err)
	case left > 0:
		return fmt.Errorf("%d images are still in the outbox", left)
	}
	if count := l.unannounced(); count > 0 {
		return fmt.Errorf("the results of %d images were not announced", count)
	}
	return nil
}

// killRepeatedly kills random pods at random times.
func (l *loadGenerator) killRepeatedly(pods ...*pod) error {
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(time.Duration(l.random.IntN(800)) * time.Millisecond)
		l.kill(pods[l.random.IntN(len(pods))])
	}
	return nil
}

// rollingRestart replaces all pods one at a time, as a new revision does: no new connections, then SIGTERM.
func (l *loadGenerator) rollingRestart() error {
	for _, service := range []*service{l.upload, l.thumbnail} {
		for _, p := range service.pods {
			service.without(p)
			p.roll()
			service.without(nil)
		}
	}
	l.dispatcher.roll()
	return nil
}

// restart kills a server and starts it again after a pause, with or without its data.
func (l *loadGenerator) restart(b *backend, empty bool) error {
	b.kill()
	time.Sleep(span / 2)
	if empty {
		if err := b.empty(); err != nil {
			return err
		}
	}
	if err := b.start(); err != nil {
		return err
	}
	if b == l.kafka && empty {
		return l.makeTopics(l.topics()...)
	}
	return nil
}

// rollBackRedis kills Redis and restarts it with its state of some seconds before, like a failover to a lagging
// replica. Images that were queued in that state have been processed since.
func (l *loadGenerator) rollBackRedis() error {
	before := l.t.TempDir()
	l.signal(l.thumbnail, syscall.SIGSTOP)
	time.Sleep(time.Second)
	err := os.CopyFS(before, os.DirFS(l.redis.data))
	l.signal(l.thumbnail, syscall.SIGCONT)
	if err != nil {
		return err
	}
	time.Sleep(span)
	l.redis.kill()
	if err := l.redis.empty(); err != nil {
		return err
	}
	if err := os.CopyFS(l.redis.data, os.DirFS(before)); err != nil {
		return err
	}
	return l.redis.start()
}

func (l *loadGenerator) signal(s *service, signal syscall.Signal) {
	for _, p := range s.pods {
		p.signal(signal)
	}
}

func (l *loadGenerator) pause(b *backend, span time.Duration) error {
	b.pause()
	time.Sleep(span)
	b.resume()
	return b.awaitReady()
}

func (l *loadGenerator) impair(b *backend, f impairment, span time.Duration) error {
	b.link.impairment.Store(&f)
	time.Sleep(span)
	b.link.impairment.Store(&impairment{})
	return nil
}

// changeRedisPassword changes the password for a while, and disconnects all clients.
func (l *loadGenerator) changeRedisPassword() error {
	for _, password := range []string{"another", l.password} {
		if err := l.redisClient.ConfigSet(l.t.Context(), "requirepass", password).Err(); err != nil {
			return err
		}
		if password != l.password {
			// Not the connection of the suite, which restores the password.
			_ = l.redisClient.ClientKillByFilter(l.t.Context(), "TYPE", "normal").Err()
			time.Sleep(span)
		}
	}
	return nil
}

// changeMinIOPassword restarts MinIO with another password, and later with the original one.
func (l *loadGenerator) changeMinIOPassword() error {
	own := l.minio.env
	defer func() { l.minio.env = own }()
	changed := append([]string{"MINIO_ROOT_USER=" + minioUser, "MINIO_ROOT_PASSWORD=another-secret"}, own[2:]...)
	for _, env := range [][]string{changed, own} {
		l.minio.env = env
		l.minio.kill()
		if err := l.minio.start(); err != nil {
			return err
		}
		if &env[0] != &own[0] {
			time.Sleep(span)
		}
	}
	return nil
}

// fill fills the disk of a server for a while. A server that exited because of it is restarted afterwards.
func (l *loadGenerator) fill(b *backend) error {
	if err := b.fill(); err != nil {
		return err
	}
	time.Sleep(span)
	if err := b.unfill(); err != nil {
		return err
	}
	select {
	case <-b.running.ended:
		return b.start()
	default:
		return b.awaitReady()
	}
}

func (l *loadGenerator) recreateTopic() error {
	if err := l.deleteTopic(l.topic); err != nil {
		return err
	}
	time.Sleep(span)
	return l.makeTopics(l.topic)
}

// deleteBucket deletes the bucket while the functions, which created it, are running and Redis still has the statuses
// of its images. The bucket is the source of truth, so the images in it are lost: it waits until they are processed,
// and does not count them. A client that uploads one of them again under its idempotency key uploads a new image.
func (l *loadGenerator) deleteBucket() error {
	lost, err := l.removeDrainedBucket()
	for _, u := range lost {
		again := &submission{sample: u.sample, key: u.key, mode: u.mode}
		for again.key != "" && !l.try(again) {
			time.Sleep(300 * time.Millisecond)
		}
	}
	return err
}

func (l *loadGenerator) removeDrainedBucket() (lost []*submission, err error) {
	l.gate.Lock()
	defer l.gate.Unlock()
	if pending := l.drain(drainLimit); len(pending) > 0 {
		return nil, fmt.Errorf("not processed: %v", pending)
	}
	if err := retry(drainLimit, l.checkIdle); err != nil {
		return nil, err
	}
	lost = l.acceptedUploads()
	l.lock.Lock()
	l.accepted = nil
	l.lock.Unlock()
	l.watcher.forget()
	all := minio.RemoveBucketOptions{ForceDelete: true}
	return lost, l.minioClient.RemoveBucketWithOptions(l.t.Context(), l.bucket, all)
}

// checkIdle returns an error while work is left or in progress. A task that was delivered twice may still be: it would
// store its files in the next bucket.
func (l *loadGenerator) checkIdle() error {
	if err := l.checkQuiescent(); err != nil {
		return err
	}
	for _, p := range l.thumbnail.pods {
		if active := p.metrics("active_tasks"); active["active_tasks"] > 0 || len(active) == 0 {
			return fmt.Errorf("active tasks of %s: %v", p.address, active)
		}
	}
	return nil
}

// step sets the clock errors of the first and the second pod of each function, and resets them after a while. The
// pods killed are restarted, so that their clocks are off from the start. MinIO refuses requests whose clock is off
// by more than 15 minutes.
func (l *loadGenerator) step(first, second time.Duration, killed ...*pod) error {
	if err := l.setClocks(first, second, killed...); err != nil {
		return err
	}
	time.Sleep(span)
	return l.setClocks(0, 0)
}

func (l *loadGenerator) setClocks(first, second time.Duration, killed ...*pod) error {
	for _, service := range []*service{l.upload, l.thumbnail} {
		for i, p := range service.pods {
			off := []time.Duration{first, second}[i]
			if err := os.WriteFile(p.clock, []byte(off.String()), 0o600); err != nil {
				return err
			}
			if slices.Contains(killed, p) {
				l.kill(p)
			}
			if err := retry(span, func() error { return hasClock(p, off) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasClock returns an error unless the Date header of a pod's answer is off by the given duration.
func hasClock(p *pod, off time.Duration) error {
	answer, err := http.Get("http://" + p.address + "/health")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if is := time.Until(date); err == nil && (is-off).Abs() > time.Minute {
		err = fmt.Errorf("the clock is off by %s, want %s", is, off)
	}
	return err
}

// stepOutbox changes the scores in the outbox as if the clock of Redis had been off by an hour.
func (l *loadGenerator) stepOutbox() error {
	ctx, outbox := l.t.Context(), "image:outbox:"+l.bucket
	l.kafka.link.impairment.Store(&impairment{blackhole: true}) // keeps entries in the outbox
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		pending, err := l.redisClient.ZRange(ctx, outbox, 0, -1).Result()
		if err != nil {
			return err
		}
		for i, id := range pending {
			off := time.Hour * time.Duration(1-2*(i%2))
			score := float64(time.Now().Add(off).UnixMilli()) / 1000
			if err := l.redisClient.ZAddXX(ctx, outbox, redis.Z{Score: score, Member: id}).Err(); err != nil {
				return err
			}
		}
	}
	l.kafka.link.impairment.Store(&impairment{})
	return nil
}
