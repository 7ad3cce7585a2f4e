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

// A fault is something that happens to a site under load.
type fault struct {
	name string
	// strike does it and returns when it is over.
	strike func(*load) error
	// programs are the functions, if not the usual ones.
	programs func() (string, error)
	// large says that some images are so large that they stream.
	large bool
	// cuts says that callers may be left without an answer, because the process that was to give it is killed.
	cuts bool
	// forgets says that Redis, which alone knows what is being worked on, may say queued of it again.
	forgets bool
	// unnoticed says that no caller may notice anything.
	unnoticed bool
}

// How long it may take until an upload is taken again.
const recoverLimit = 15 * time.Second

// How long most faults last.
const span = 10 * time.Second

// long is longer than anybody may wait for an answer.
const long = 32 * time.Second

var faults = []fault{
	{name: "upload killed, again and again", cuts: true, strike: func(l *load) error { return l.killing(l.upload.pods...) }},
	{name: "thumbnail killed, again and again", strike: func(l *load) error { return l.killing(l.thumbnail.pods...) }},
	{name: "dispatcher killed, again and again", strike: func(l *load) error { return l.killing(l.dispatcher) }},
	{name: "everything of ours killed, again and again", cuts: true, strike: func(l *load) error {
		return l.killing(append(append([]*pod{l.dispatcher}, l.upload.pods...), l.thumbnail.pods...)...)
	}},
	{name: "rolling restart (SIGTERM)", unnoticed: true, strike: (*load).rolling},

	{name: "clocks step ten minutes ahead, and behind", programs: stepped, strike: func(l *load) error { return l.step(10*time.Minute, -10*time.Minute) }},
	{name: "the clock of every second pod steps an hour ahead", programs: stepped, strike: func(l *load) error { return l.step(time.Hour, 0) }},
	{name: "the clock of every second pod an hour behind, from its start", programs: stepped, cuts: true, strike: func(l *load) error {
		return l.step(-time.Hour, 0, l.upload.pods[0], l.thumbnail.pods[0])
	}},
	{name: "the outbox as if from clocks an hour ahead, and behind", strike: (*load).stepOutbox},

	{name: "redis killed, back with its data", forgets: true, strike: func(l *load) error { return l.restart(l.redis, false) }},
	{name: "redis killed, back empty", forgets: true, strike: func(l *load) error { return l.restart(l.redis, true) }},
	{name: "redis killed, back with what it had 10 s before", forgets: true, strike: (*load).setRedisBack},
	{name: "redis paused", forgets: true, strike: func(l *load) error { return l.pause(l.redis, span) }},
	{name: "redis slow, 1 s an answer", forgets: true, strike: func(l *load) error { return l.flawed(l.redis, flaw{delay: time.Second}, span) }},
	{name: "redis at 200 bytes a second", forgets: true, strike: func(l *load) error { return l.flawed(l.redis, flaw{rate: 200}, span) }},
	{name: "redis cut off after 1000 bytes", forgets: true, strike: func(l *load) error { return l.flawed(l.redis, flaw{cut: 1000}, span) }},
	{name: "redis half open", forgets: true, strike: func(l *load) error { return l.flawed(l.redis, flaw{silent: true}, span) }},
	{name: "redis with another password", forgets: true, strike: (*load).changeRedisPassword},

	{name: "minio killed, back with its data", strike: func(l *load) error { return l.restart(l.minio, false) }},
	{name: "minio paused, for 32 s, large images as well", large: true, strike: func(l *load) error { return l.pause(l.minio, long) }},
	{name: "minio slow, 1 s an answer", strike: func(l *load) error { return l.flawed(l.minio, flaw{delay: time.Second}, span) }},
	{name: "minio at 2 KB a second", strike: func(l *load) error { return l.flawed(l.minio, flaw{rate: 2000}, span) }},
	{name: "minio cut off after 3000 bytes", strike: func(l *load) error { return l.flawed(l.minio, flaw{cut: 3000}, span) }},
	{name: "minio half open, for 32 s, large images as well", large: true, strike: func(l *load) error { return l.flawed(l.minio, flaw{silent: true}, long) }},
	{name: "minio with another password", strike: (*load).changeMinIOPassword},
	{name: "bucket deleted, when all was done", strike: (*load).deleteTheBucket},
	{name: "minio's disk full", strike: func(l *load) error { return l.fill(l.minio) }},

	{name: "kafka killed, back with its data", strike: func(l *load) error { return l.restart(l.kafka, false) }},
	{name: "kafka killed, back empty", strike: func(l *load) error { return l.restart(l.kafka, true) }},
	{name: "kafka paused", strike: func(l *load) error { return l.pause(l.kafka, span) }},
	{name: "kafka slow, 1 s an answer", strike: func(l *load) error { return l.flawed(l.kafka, flaw{delay: time.Second}, span) }},
	{name: "kafka at 2 KB a second", strike: func(l *load) error { return l.flawed(l.kafka, flaw{rate: 2000}, span) }},
	{name: "kafka cut off after 3000 bytes", strike: func(l *load) error { return l.flawed(l.kafka, flaw{cut: 3000}, span) }},
	{name: "kafka half open", strike: func(l *load) error { return l.flawed(l.kafka, flaw{silent: true}, span) }},
	{name: "kafka's disk full", strike: func(l *load) error { return l.fill(l.kafka) }},
	{name: "topic deleted, and made again", strike: (*load).deleteTheTopic},
}

// Every fault, under load. What clients were told in it is held against what has become of their images.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			f.run(t)
		})
	}
}

func (f fault) run(t *testing.T) {
	if f.programs == nil {
		f.programs = programs
	}
	files := samples(t)
	if f.large {
		files = append(files, sample{"large.jpg", slices.Concat(files[0].content, make([]byte, 12<<20)), "completed"})
	}
	l := newSite(t, f.programs).begin(files)
	if err := l.await(20); err != nil {
		t.Fatalf("before the fault: %v", err)
	}
	if err := f.strike(l); err != nil {
		t.Fatal(err)
	}
	l.mend()
	before := time.Now()
	if err := l.await(20); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	l.end()
	waiting := l.settle(settleLimit)
	settled := time.Since(before)
	for _, image := range waiting {
		t.Errorf("not done after %v: %s", settleLimit, image)
	}
	l.conclude(f, settled)
}

// conclude checks everything and adds to the table.
func (l *load) conclude(f fault, settled time.Duration) {
	l.t.Helper()
	if err := persist(time.Minute, l.tidy); err != nil {
		l.t.Error(err)
	}
	made := row{fault: f.name, lost: l.check(), different: l.heard.different, accepted: len(l.accepted), refused: l.refused, cut: l.cut,
		slowest: l.slowestNo, recovered: l.recovered, settled: settled}
	for _, u := range l.accepted {
		switch u.status {
		case "completed":
			made.completed++
		case "failed":
			made.failed++
		}
	}
	table.add(made)
	if l.cut > 0 && !f.cuts {
		l.t.Errorf("%d requests were cut off without an answer", l.cut)
	}
	if l.forgotten > 0 && !f.forgets {
		l.t.Errorf("%d times processing was followed by queued", l.forgotten)
	}
	if l.recovered > recoverLimit {
		l.t.Errorf("%v passed until an upload was taken again", l.recovered)
	}
	if f.unnoticed && l.refused > 0 {
		l.t.Errorf("%d requests were refused", l.refused)
	}
	for i, wrong := range l.wrong {
		if l.t.Error(wrong); i == 20 {
			break // they repeat themselves
		}
	}
	l.t.Logf("%+v; slowest answer of all %v", made, l.slowest)
}

// tidy tells what is still to be done when no image waits any more: an image without a result that was not accepted, a
// result that nobody was told of, an entry in the outbox.
func (l *load) tidy() error {
	inventory, err := l.inventory()
	if err != nil {
		return err
	}
	if key := unsettled(inventory); key != "" {
		return fmt.Errorf("%s is stored, and has no result", key)
	}
	if left, err := l.outbox(); err != nil || left > 0 {
		return fmt.Errorf("%d images are still in the outbox, %v", left, err)
	}
	if count := l.unheard(); count > 0 {
		return fmt.Errorf("the results of %d images were not announced", count)
	}
	return nil
}

// killing kills one of the pods after the other, at any instant.
func (l *load) killing(pods ...*pod) error {
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(time.Duration(l.random.IntN(800)) * time.Millisecond)
		l.kill(pods[l.random.IntN(len(pods))])
	}
	return nil
}

// rolling replaces all pods twice, one at a time, as a new revision does: no new connections, then SIGTERM.
func (l *load) rolling() error {
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

// restart kills a server and starts it again after a while.
func (l *load) restart(b *backend, empty bool) error {
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
		return l.makeTopics(l.topic, l.topic+".dead")
	}
	return nil
}

// setRedisBack kills Redis and starts it with what it had before, as a replica has that is behind and takes over. Images that
// waited then are done by now.
func (l *load) setRedisBack() error {
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

func (l *load) signal(s *service, signal syscall.Signal) {
	for _, p := range s.pods {
		p.signal(signal)
	}
}

func (l *load) pause(b *backend, span time.Duration) error {
	b.pause()
	time.Sleep(span)
	b.resume()
	return b.await()
}

func (l *load) flawed(b *backend, f flaw, span time.Duration) error {
	b.link.flaw.Store(&f)
	time.Sleep(span)
	b.link.flaw.Store(&flaw{})
	return nil
}

// changeRedisPassword has Redis know nobody for a while, and end who is connected.
func (l *load) changeRedisPassword() error {
	for _, password := range []string{"another", l.password} {
		if err := l.redisClient.ConfigSet(l.t.Context(), "requirepass", password).Err(); err != nil {
			return err
		}
		if password != l.password {
			_ = l.redisClient.ClientKillByFilter(l.t.Context(), "TYPE", "normal").Err() // not us, who have to put it back
			time.Sleep(span)
		}
	}
	return nil
}

// changeMinIOPassword starts MinIO with another password, and then with its own.
func (l *load) changeMinIOPassword() error {
	own := l.minio.env
	defer func() { l.minio.env = own }()
	for _, env := range [][]string{append([]string{"MINIO_ROOT_USER=" + minioUser, "MINIO_ROOT_PASSWORD=another-secret"}, own[2:]...), own} {
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

// fill fills a server's disk. When there is room again it is restarted, if it gave up.
func (l *load) fill(b *backend) error {
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
		return b.await()
	}
}

func (l *load) deleteTheTopic() error {
	if err := l.deleteTopic(l.topic); err != nil {
		return err
	}
	time.Sleep(span)
	return l.makeTopics(l.topic)
}

// deleteTheBucket removes the bucket while the functions, which have made it, run, and Redis remembers what was in it. With
// images in it that would be the loss of what nothing else has, so it waits until those that are there are done with, and
// does not count them. Whoever sends one of them again, under its key, sends a new image.
func (l *load) deleteTheBucket() error {
	lost, err := l.loseTheBucket()
	for _, u := range lost {
		again := &sent{sample: u.sample, key: u.key, mode: u.mode}
		for again.key != "" && !l.try(again) {
			time.Sleep(300 * time.Millisecond)
		}
	}
	return err
}

func (l *load) loseTheBucket() (lost []*sent, err error) {
	l.gate.Lock()
	defer l.gate.Unlock()
	if waiting := l.settle(settleLimit); len(waiting) > 0 {
		return nil, fmt.Errorf("not done: %v", waiting)
	}
	if err := persist(settleLimit, func() error {
		if count := l.unheard(); count > 0 {
			return fmt.Errorf("%d images are done and were not announced as such", count)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	lost = l.all()
	l.lock.Lock()
	l.accepted = nil
	l.lock.Unlock()
	l.heard.Lock()
	clear(l.heard.events)
	l.heard.Unlock()
	return lost, l.minioClient.RemoveBucketWithOptions(l.t.Context(), l.bucket, minio.RemoveBucketOptions{ForceDelete: true})
}

// step moves the clocks of the first pod of each function, and of the second, and after a while back. Some pods are
// killed then, so that their clocks are off from the start. MinIO does not talk to one that is more than a quarter of an
// hour off.
func (l *load) step(first, second time.Duration, killed ...*pod) error {
	if err := l.setClocks(first, second, killed...); err != nil {
		return err
	}
	time.Sleep(span)
	return l.setClocks(0, 0)
}

func (l *load) setClocks(first, second time.Duration, killed ...*pod) error {
	for _, service := range []*service{l.upload, l.thumbnail} {
		for i, p := range service.pods {
			off := []time.Duration{first, second}[i]
			if err := os.WriteFile(p.clock, []byte(off.String()), 0o600); err != nil {
				return err
			}
			if slices.Contains(killed, p) {
				l.kill(p)
			}
			if err := persist(span, func() error { return hasClock(p, off) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasClock looks at the time that a pod's answers have in their head.
func hasClock(p *pod, off time.Duration) error {
	answer, err := http.Get("http://" + p.address + "/health")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if is := time.Until(date); err == nil && (is-off).Abs() > time.Minute {
		err = fmt.Errorf("the clock is %s off; expected %s", is, off)
	}
	return err
}

// stepOutbox writes into the outbox as if by a Redis whose clock was an hour off
func (l *load) stepOutbox() error {
	ctx, outbox := l.t.Context(), "image:outbox:"+l.bucket
	l.kafka.link.flaw.Store(&flaw{silent: true}) // so that it has something in it
	for end := time.Now().Add(span); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		waiting, err := l.redisClient.ZRange(ctx, outbox, 0, -1).Result()
		if err != nil {
			return err
		}
		for i, id := range waiting {
			off := time.Hour * time.Duration(1-2*(i%2))
			score := float64(time.Now().Add(off).UnixMilli()) / 1000
			if err := l.redisClient.ZAddXX(ctx, outbox, redis.Z{Score: score, Member: id}).Err(); err != nil {
				return err
			}
		}
	}
	l.kafka.link.flaw.Store(&flaw{})
	return nil
}
