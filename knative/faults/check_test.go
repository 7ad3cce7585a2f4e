//go:build faults

package faults

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// rank is the order that a status goes in.
var rank = map[string]int{"queued": 1, "processing": 2, "completed": 3, "failed": 3}

func (u *sent) final() bool { return rank[u.status] == 3 }

// poll asks for the status of images that are not done, and of some that are: what is final stays.
func (l *load) poll(random func() float64) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	for _, u := range l.all() {
		if !l.done(u) || random() < 0.01 {
			l.look(u)
		}
	}
}

func (l *load) done(u *sent) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return u.final()
}

// look asks for a status once. That it can not be told is no lie.
func (l *load) look(u *sent) {
	began := time.Now()
	response, err := l.client.Get(l.address() + "/status/" + u.imageID)
	if err != nil {
		l.hung(err, time.Since(began))
		time.Sleep(100 * time.Millisecond)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return
	}
	var told struct {
		Status string
		Result json.RawMessage
		At     float64 `json:"processed_at"`
	}
	if err := json.Unmarshal(body, &told); err != nil || response.StatusCode != http.StatusOK {
		l.complain("status of %s, which was accepted: %s %s", u.imageID, response.Status, body)
		return
	}
	l.told(u, told.Status, fmt.Sprintf("%s at %.3f", told.Result, told.At), began)
}

// told takes down a status that was asked for at a time. Answers to questions before the last answer may be older.
func (l *load) told(u *sent, status, result string, asked time.Time) {
	l.lock.Lock()
	defer l.lock.Unlock()
	switch {
	case asked.Before(u.when):
		return
	case u.status == "processing" && status == "queued":
		l.forgotten++
	case rank[status] < rank[u.status]:
		l.wrong = append(l.wrong, fmt.Sprintf("status of %s was %s, and then %s", u.imageID, u.status, status))
	case u.final() && (u.status != status || u.result != result):
		l.wrong = append(l.wrong, fmt.Sprintf("%s was %s, %s, and then %s, %s", u.imageID, u.status, u.result, status, result))
	}
	u.status, u.result, u.when = status, result, time.Now()
}

// How long a site may take, once a fault is over and no more uploads come, until all is done.
const settleLimit = 90 * time.Second

// settle waits until all that was accepted before is done, and returns what is not.
func (l *load) settle(limit time.Duration) (waiting []string) {
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		waiting = nil
		for _, u := range l.all() {
			if !l.done(u) {
				l.look(u)
			}
			if !l.done(u) {
				waiting = append(waiting, u.imageID+" ("+u.name+", "+u.mode+") "+u.status)
			}
		}
		if len(waiting) == 0 || time.Now().After(deadline) {
			return waiting
		}
	}
}

// stored is what the bucket has under a key, or had.
type stored struct {
	versions int
	removed  bool
}

// inventory lists the bucket with all that was ever in it.
func (s *site) inventory() (map[string]stored, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	found := map[string]stored{}
	for object := range s.minioClient.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		entry := found[object.Key]
		if object.IsDeleteMarker {
			entry.removed = true
		} else {
			entry.versions++
		}
		found[object.Key] = entry
	}
	return found, nil
}

// check compares what is stored, told and announced with what was sent; it returns how many images are lost.
func (l *load) check() (lost int) {
	inventory, err := l.inventory()
	if err != nil {
		l.complain("list the bucket: %v", err)
		return 0
	}
	for _, u := range l.all() {
		if err := l.verify(u, inventory); err != nil {
			l.complain("%s (%s, %s, key %q): %v", u.imageID, u.name, u.mode, u.key, err)
			lost++
		}
	}
	l.checkAll(inventory)
	return lost
}

// verify looks at one image that was accepted.
func (l *load) verify(u *sent, inventory map[string]stored) error {
	original, result := u.imageID+"/"+u.name, u.imageID+"/thumbnail_"+u.name
	for _, key := range []string{original, result} {
		if found := inventory[key]; found.versions != 1 || found.removed {
			return fmt.Errorf("%s is there %d times, removed: %v", key, found.versions, found.removed)
		}
	}
	if u.status != u.want {
		return fmt.Errorf("it is %s, %s; want %s", u.status, u.result, u.want)
	}
	return l.compare(u, original)
}

// compare reads the original back.
func (s *site) compare(u *sent, key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	object, err := s.minioClient.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	content, err := io.ReadAll(object)
	if err != nil {
		return err
	}
	if sha256.Sum256(content) != sha256.Sum256(u.content) {
		return errors.New("the original is not what was sent")
	}
	return nil
}

// checkAll holds what is so of all images, accepted or not: nothing that was stored was replaced, and one result was told.
func (l *load) checkAll(inventory map[string]stored) {
	for key, found := range inventory {
		if found.versions > 1 {
			l.complain("%s was stored %d times", key, found.versions)
		}
	}
	l.heard.Lock()
	defer l.heard.Unlock()
	for _, example := range l.heard.examples {
		l.complain("two results were announced:\n%s", example)
	}
}

// unsettled is the key of an original without a result, "" if there is none. It need not have been accepted: nobody can tell
// it from what was.
func unsettled(inventory map[string]stored) string {
	for key, found := range inventory {
		imageID, name, _ := strings.Cut(key, "/")
		if !strings.HasPrefix(name, "thumbnail_") && !found.removed && inventory[imageID+"/thumbnail_"+name].versions == 0 {
			return key
		}
	}
	return ""
}

// unheard is how many images are done and were not announced as such.
func (l *load) unheard() (count int) {
	l.heard.Lock()
	defer l.heard.Unlock()
	for _, u := range l.all() {
		if l.heard.events[u.imageID] == "" {
			count++
		}
	}
	return count
}

// outbox is how many images still wait for an announcement.
func (s *site) outbox() (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.redisClient.ZCard(ctx, "image:outbox:"+s.bucket).Result()
}
