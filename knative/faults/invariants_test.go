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
	"gitlab.com/yourorg/image-service/events"
)

// statusOrder orders the statuses: an image only moves to a higher one.
var statusOrder = map[string]int{"queued": 1, "processing": 2, "completed": 3, "failed": 3}

func (u *submission) final() bool { return statusOrder[u.status] == 3 }

// pollStatuses reads the statuses of all images that are not final, and of some that are, which must not change.
func (l *loadGenerator) pollStatuses(random func() float64) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	for _, u := range l.acceptedUploads() {
		if !l.isFinal(u) || random() < 0.01 {
			l.fetchStatus(u)
		}
	}
}

func (l *loadGenerator) isFinal(u *submission) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return u.final()
}

// fetchStatus reads the status of an image once. A 503 is allowed; a wrong status is not.
func (l *loadGenerator) fetchStatus(u *submission) {
	began := time.Now()
	response, err := l.client.Get(l.address() + "/status/" + u.imageID)
	if err != nil {
		l.checkHang(err, time.Since(began))
		time.Sleep(100 * time.Millisecond)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return
	}
	var answer struct {
		Status string
		Result json.RawMessage
		At     float64 `json:"processed_at"`
	}
	var result struct{ Renditions []events.Rendition }
	if response.StatusCode == http.StatusGone && l.isDeleted(u) {
		return
	}
	err = json.Unmarshal(body, &answer)
	if err == nil && answer.Result != nil {
		err = json.Unmarshal(answer.Result, &result)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		l.violation("status of accepted image %s: got %s %s", u.imageID, response.Status, body)
		return
	}
	l.observe(u, answer.Status, fmt.Sprintf("%s at %.3f", answer.Result, answer.At), result.Renditions, began)
}

// observe records a status that was requested at the given time. It ignores requests that were sent before the last
// answer arrived, because their answers may be older.
func (l *loadGenerator) observe(u *submission, status, result string, renditions []events.Rendition, asked time.Time) {
	l.lock.Lock()
	defer l.lock.Unlock()
	switch {
	case asked.Before(u.when), u.deleted:
		return
	case u.status == "processing" && status == "queued":
		l.regressed++
	case statusOrder[status] < statusOrder[u.status]:
		l.violations = append(l.violations, fmt.Sprintf("status of %s went from %s to %s", u.imageID, u.status, status))
	case u.final() && (u.status != status || u.result != result):
		l.violations = append(l.violations, fmt.Sprintf("final status of %s changed from %s, %s to %s, %s",
			u.imageID, u.status, u.result, status, result))
	}
	u.status, u.result, u.renditions, u.when = status, result, renditions, time.Now()
}

// drainLimit bounds the time from the end of a fault and of the load until every accepted image is final.
const drainLimit = 90 * time.Second

// drain waits until every accepted image is final, and returns those that are not at the limit.
func (l *loadGenerator) drain(limit time.Duration) (pending []string) {
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		pending = nil
		for _, u := range l.acceptedUploads() {
			if !l.isFinal(u) {
				l.fetchStatus(u)
			}
			if !l.isFinal(u) {
				pending = append(pending, u.imageID+" ("+u.name+", "+u.mode+") "+u.status)
			}
		}
		if len(pending) == 0 || time.Now().After(deadline) {
			return pending
		}
	}
}

// stored describes an object of the bucket, including its deleted versions.
type stored struct {
	versions int
	removed  bool
	etag     string
	size     int64
}

// An inventory has everything that was ever stored for images, by image ID and the name of the object.
type inventory map[string]map[string]stored

// inventory lists the bucket.
func (s *system) inventory() (inventory, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	found := inventory{}
	everything := minio.ListObjectsOptions{Recursive: true, WithVersions: true}
	for object := range s.minioClient.ListObjects(ctx, s.bucket, everything) {
		if object.Err != nil {
			return nil, object.Err
		}
		imageID, name, _ := strings.Cut(object.Key, "/")
		if !events.IsImageID(imageID) {
			continue // the note of an event that waits, or an object of another system
		}
		if found[imageID] == nil {
			found[imageID] = map[string]stored{}
		}
		entry := found[imageID][name]
		if object.IsDeleteMarker {
			entry.removed = true
		} else {
			entry.versions++
			entry.etag, entry.size = object.ETag, object.Size
		}
		found[imageID][name] = entry
	}
	return found, nil
}

// checkImages compares the bucket, the statuses and the events with the accepted uploads, and returns how many images
// are lost.
func (l *loadGenerator) checkImages() (lost int) {
	all, err := l.inventory()
	if err != nil {
		l.violation("list the bucket: %v", err)
		return 0
	}
	for _, u := range l.uploads(true) { // see checkDeleted
		delete(all, u.imageID)
	}
	for _, u := range l.acceptedUploads() {
		if err := l.checkImage(u, all[u.imageID]); err != nil {
			l.violation("%s (%s, %s, key %q): %v", u.imageID, u.name, u.mode, u.key, err)
			lost++
		}
	}
	l.checkBucket(all)
	l.checkUnaccepted(all)
	return lost
}

// checkImage checks one accepted image: original and renditions are stored once, and the status is the expected one.
func (l *loadGenerator) checkImage(u *submission, objects map[string]stored) error {
	for _, name := range []string{u.name, "thumbnail_" + u.name} {
		if found := objects[name]; found.versions != 1 || found.removed {
			return fmt.Errorf("%s has %d versions, removed: %v; want 1 version", name, found.versions, found.removed)
		}
	}
	if u.status != u.want {
		return fmt.Errorf("status is %s, %s; want %s", u.status, u.result, u.want)
	}
	if err := l.checkRenditions(u, objects); err != nil {
		return err
	}
	return l.checkOriginal(u, u.imageID+"/"+u.name)
}

// checkOriginal checks that the stored original equals the uploaded file.
func (s *system) checkOriginal(u *submission, key string) error {
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
		return errors.New("the stored original differs from the uploaded file")
	}
	return nil
}

// checkBucket checks what holds for every image, accepted or not: no object was replaced, and only one result was
// announced.
func (l *loadGenerator) checkBucket(all inventory) {
	for imageID, objects := range all {
		for name, found := range objects {
			if found.versions > 1 {
				l.violation("%s/%s was stored %d times, want once", imageID, name, found.versions)
			}
		}
	}
	l.watcher.Lock()
	defer l.watcher.Unlock()
	for _, example := range l.watcher.examples {
		l.violation("one image has two results:\n%s", example)
	}
}

// originalWithoutResult returns the key of an original without a result, or "" if every original has one. It includes
// originals whose upload was not answered with 200: the service cannot tell them from accepted ones.
func originalWithoutResult(all inventory) string {
	for imageID, objects := range all {
		for name, found := range objects {
			if !isRendition(name) && !found.removed && objects["thumbnail_"+name].versions == 0 {
				return imageID + "/" + name
			}
		}
	}
	return ""
}

// unannounced returns the number of accepted images whose result was not announced, without those that a fault which
// loses events excuses.
func (l *loadGenerator) unannounced() (count int) {
	l.watcher.Lock()
	defer l.watcher.Unlock()
	for _, u := range l.acceptedUploads()[l.mayBeUnannounced:] {
		if l.watcher.events[u.imageID] == "" {
			count++
		}
	}
	return count
}

// outbox returns the number of images in the outbox.
func (s *system) outbox() (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.redisClient.ZCard(ctx, "image:outbox:"+s.bucket).Result()
}
