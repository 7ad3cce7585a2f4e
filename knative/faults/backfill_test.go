//go:build faults

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

// How many images the backfill has; FAULTS_BACKFILL sets it. The default lets all tests end in time.
const defaultBackfill = 200

// One upload begins in each uploadInterval; without the backfill there are so many.
const uploadInterval, uploadsWithout = 250 * time.Millisecond, 100

// backfillLimit bounds the time of the backfill.
const backfillLimit = 20 * time.Minute

// TestBackfillBesideUploads measures the time from an upload to its thumbnail before, during all of and after a
// backfill, and writes the distributions side by side. thumbnail-backfill is a process of its own with the lowest
// priority, as a small request of CPU makes it on a busy node. Every image gets its renditions, and no upload fails.
func TestBackfillBesideUploads(t *testing.T) {
	images := defaultBackfill
	if text := os.Getenv("FAULTS_BACKFILL"); text != "" {
		var err error
		if images, err = strconv.Atoi(text); err != nil {
			t.Fatalf("FAULTS_BACKFILL is %q, expected a number of images", text)
		}
	}
	if _, err := backfillCommand(); err != nil { // compiled before anything is measured
		t.Fatal(err)
	}
	s := newSystem(t, withoutRace)
	s.stopSweeps() // each scans the bucket, which a cluster does every quarter of an hour
	backfill := s.startLowPriority()
	photo := sample{"photo.jpg", noiseJPEG(s.random, 800, 600), "completed"}
	s.storeCompleted(photo, images)                                // before, too, the bucket has them
	s.uploadFor(photo, func(begun int) bool { return begun < 20 }) // so that caches and connections are warm
	alone := func(begun int) bool { return begun < uploadsWithout }
	before := s.uploadFor(photo, alone)

	const outcome = `backfill_images_total{outcome="made"}`
	made := func() int { return int(backfill.metrics(outcome)[outcome]) }
	began := time.Now()
	var announcing sync.WaitGroup
	announcing.Go(func() { s.announceBackfill(images) })
	during := s.uploadFor(photo, func(int) bool { return made() < images && time.Since(began) < backfillLimit })
	took := time.Since(began)
	announcing.Wait()
	if got := made(); got != images {
		t.Errorf("%d images were made within %v, want %d", got, took, images)
	}
	load, _ := os.ReadFile("/proc/loadavg")
	after := s.uploadFor(photo, alone)
	t.Logf("a backfill of %d images took %v; load %s\n%s", images, took.Round(time.Second), bytes.TrimSpace(load),
		sideBySide(before, during, after))
}

// startLowPriority has images of a backfill delivered to a process of the lowest priority.
func (s *system) startLowPriority() *pod {
	s.t.Helper()
	programs, err := withoutRace()
	if err != nil {
		s.t.Fatal(err)
	}
	local, err := dispatcher()
	if err != nil {
		s.t.Fatal(err)
	}
	thumbnail := filepath.Join(programs, "thumbnail")
	p, err := s.startPod("thumbnail-backfill", s.environment(), "nice", "-n", "19", thumbnail)
	if err != nil {
		s.t.Fatal(err)
	}
	s.dispatcher.stop(15, 20*time.Second)
	s.dispatcher, err = s.startPod("dispatcher-beside", s.environment(), filepath.Join(local, "local"),
		"--broker", "ADDRESS", "--running", "upload="+s.upload.link.address(),
		"--running", "thumbnail="+s.thumbnail.link.address(), "--running", "thumbnail-backfill="+p.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.broker = "http://" + s.dispatcher.address + "/image-service/images"
	return p
}

// uploadFor begins an upload in each interval while goes, and returns how long each took to its thumbnail, in order.
func (s *system) uploadFor(photo sample, goes func(begun int) bool) (took []time.Duration) {
	s.t.Helper()
	var wait sync.WaitGroup
	var lock sync.Mutex
	next := time.Now()
	for begun := 0; goes(begun); begun++ {
		wait.Go(func() {
			d, err := s.toThumbnail(photo)
			lock.Lock()
			defer lock.Unlock()
			if err != nil {
				s.t.Errorf("upload: %v", err)
				return
			}
			took = append(took, d)
		})
		next = next.Add(uploadInterval)
		time.Sleep(time.Until(next))
	}
	wait.Wait()
	slices.Sort(took)
	return took
}

// toThumbnail uploads a photograph, and returns how long it took until its status was completed.
func (s *system) toThumbnail(photo sample) (time.Duration, error) {
	began := time.Now()
	base := "http://" + s.upload.link.address()
	var answer struct {
		ImageID string `json:"image_id"`
		Status  string
	}
	read := func(response *http.Response, err error) error {
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", response.Status)
		}
		return json.NewDecoder(response.Body).Decode(&answer)
	}
	client := &http.Client{Timeout: requestLimit}
	err := read(client.Post(base+"/upload?filename=photo.jpg", "image/jpeg", bytes.NewReader(photo.content)))
	for err == nil && answer.Status != "completed" && time.Since(began) < time.Minute {
		err = read(client.Get(base + "/status/" + answer.ImageID + "?wait=20"))
	}
	if err == nil && answer.Status != "completed" {
		err = fmt.Errorf("%s is %s after a minute", answer.ImageID, answer.Status)
	}
	return time.Since(began), err
}

// storeCompleted stores images as the original system has left them: each with its thumbnail, and nothing else.
func (s *system) storeCompleted(photo sample, images int) {
	s.t.Helper()
	const others = 512 << 10 // the thumbnail and the renditions of an image; noise is large in any format
	if err := s.growDisk("minio", int64(images)*int64(len(photo.content)+others)); err != nil {
		s.t.Fatal(err)
	}
	thumbnail := noiseJPEG(s.random, 200, 150)
	var group errgroup.Group
	group.SetLimit(16)
	options := minio.PutObjectOptions{ContentType: "image/jpeg"}
	for range images {
		id := uuid.NewString()
		for name, file := range map[string][]byte{"photo.jpg": photo.content, "thumbnail_photo.jpg": thumbnail} {
			group.Go(func() error {
				content := bytes.NewReader(file)
				_, err := s.minioClient.PutObject(s.t.Context(), s.bucket, id+"/"+name, content, content.Size(), options)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
}

// announceBackfill runs the command, which announces all images that lack renditions.
func (s *system) announceBackfill(images int) {
	s.t.Helper()
	directory, err := backfillCommand()
	if err != nil {
		s.t.Error(err)
		return
	}
	command := exec.CommandContext(s.t.Context(), filepath.Join(directory, "backfill"))
	command.Env = append(s.environment(), "PATH="+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if want := fmt.Sprintf(" %d announced", images); err != nil || !strings.Contains(string(out), want) {
		s.t.Errorf("backfill: %v: %s; want%s", err, out, want)
	}
}

// sideBySide is a table of distributions, each of which is in order.
func sideBySide(before, during, after []time.Duration) string {
	var table strings.Builder
	fmt.Fprintf(&table, "%12s %12s %12s %12s\n", "", "before", "during", "after")
	fmt.Fprintf(&table, "%12s %12d %12d %12d\n", "uploads", len(before), len(during), len(after))
	for _, p := range []int{10, 50, 90, 95, 99, 100} {
		at := func(d []time.Duration) time.Duration {
			if len(d) == 0 {
				return 0
			}
			return d[(len(d)-1)*p/100].Round(time.Millisecond)
		}
		fmt.Fprintf(&table, "%11d%% %12v %12v %12v\n", p, at(before), at(during), at(after))
	}
	return table.String()
}
