//go:build faults

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
)

// A sample is a file to upload and its expected outcome.
type sample struct {
	name    string
	content []byte
	want    string // final status; "" if the upload is refused
}

// samples returns images of every format, a damaged one with a valid header, and a file that is not an image.
func samples(t *testing.T) (all []sample) {
	t.Helper()
	golden := "../../functions/internal/raster/testdata/golden/"
	for _, name := range []string{
		"baseline-420.jpg", "progressive-444-odd.jpg", "cmyk.jpg", "rgba.png", "palette-4.png", "gray-16.png",
		"moving.gif", "interlaced.gif", "lossy.webp", "lossless-alpha.webp", "moving.webp",
	} {
		content, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{name, content, "completed"})
	}
	return append(all,
		sample{"damaged.png", slices.Concat(all[3].content[:100], make([]byte, 200)), "failed"},
		sample{"notes.txt", []byte("This is not an image."), ""})
}

// A submission is an upload and the last answers that its client got.
type submission struct {
	sample
	key  string // idempotency key or event ID; "" for none
	mode string // "raw", "form" or "event"

	imageID string    // "" until it is accepted
	when    time.Time // time of the last answer
	status  string    // last status
	result  string    // result and time of that status

	renditions []events.Rendition // in that result

	deleted bool // its deletion was requested
}

// A loadGenerator is a set of clients that upload images and poll their statuses.
type loadGenerator struct {
	*system
	samples []sample
	client  *http.Client
	wait    sync.WaitGroup
	cancel  context.CancelFunc

	gate sync.RWMutex // locked to suspend all clients

	// mayBeUnannounced is how many of the accepted images, from the first, a fault excuses from being announced.
	mayBeUnannounced int

	lock           sync.Mutex
	accepted       []*submission
	refused        int           // answers 429 and 503
	unanswered     int           // requests without an answer: the connection was closed
	slowest        time.Duration // slowest answer of any kind
	slowestRefusal time.Duration // slowest 429 or 503
	overAt         time.Time     // end of the fault; zero until then
	recovered      time.Duration // from the end of the fault to the next accepted upload
	regressed      int           // statuses that went back from processing to queued
	violations     []string      // violated invariants
}

// requestLimit is the time limit of a request. A request that reaches it violates an invariant.
const requestLimit = 30 * time.Second

// clients is the number of concurrent uploads.
const clients = 6

// startLoad starts the clients, which upload the files until end is called or the test ends.
func (s *system) startLoad(files []sample) *loadGenerator {
	ctx, stop := context.WithCancel(context.Background())
	l := &loadGenerator{system: s, samples: files, cancel: stop}
	l.client = &http.Client{Timeout: requestLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 4 * clients}}
	random := rand.New(rand.NewPCG(s.random.Uint64(), 0))
	for range clients {
		random := rand.New(rand.NewPCG(s.random.Uint64(), 0))
		l.wait.Go(func() {
			for ctx.Err() == nil {
				l.send(ctx, random)
				time.Sleep(time.Duration(50+random.IntN(150)) * time.Millisecond)
			}
		})
	}
	l.wait.Go(func() {
		for ctx.Err() == nil {
			l.pollStatuses(random.Float64)
			time.Sleep(10 * time.Millisecond)
		}
	})
	s.t.Cleanup(l.stopLoad)
	return l
}

func (l *loadGenerator) stopLoad() {
	l.cancel()
	l.wait.Wait()
	l.client.CloseIdleConnections()
}

func (l *loadGenerator) violation(format string, args ...any) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.violations = append(l.violations, fmt.Sprintf(format, args...))
}

// send uploads one image. Uploads with an idempotency key, and events, are retried until they are accepted.
func (l *loadGenerator) send(ctx context.Context, random *rand.Rand) {
	mode := []string{"raw", "form", "event"}[random.IntN(3)]
	u := &submission{sample: l.samples[random.IntN(len(l.samples))], mode: mode}
	if u.mode == "event" || random.IntN(2) == 0 {
		u.key = uuid.NewString()
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		if done := l.try(u); done || u.key == "" {
			break
		}
		if ctx.Err() != nil && time.Now().After(deadline) {
			l.violation("%s with an idempotency key was not accepted within two minutes", u.name)
			return
		}
	}
	if u.imageID != "" && u.key != "" && random.IntN(4) == 0 {
		l.try(u) // as a client does that lost the answer
	}
}

// try sends an upload once and records the answer. It returns true if the upload must not be retried.
func (l *loadGenerator) try(u *submission) bool { return l.tryAt(l.address()+"/upload", u) }

func (l *loadGenerator) tryAt(url string, u *submission) bool {
	request, err := u.request(url)
	if err != nil {
		l.violation("%v", err)
		return true
	}
	l.gate.RLock()
	defer l.gate.RUnlock()
	began := time.Now()
	response, err := l.client.Do(request)
	if err != nil {
		l.countUnanswered(err, time.Since(began))
		return false
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		l.countUnanswered(err, time.Since(began))
		return false
	}
	return l.checkAnswer(u, response, body, began)
}

// address returns the base URL of the upload function.
func (l *loadGenerator) address() string { return "http://" + l.upload.link.address() }

func (u *submission) request(url string) (request *http.Request, err error) {
	switch u.mode {
	case "raw":
		request, err = http.NewRequest(http.MethodPost, url+"?filename="+u.name, bytes.NewReader(u.content))
	case "form":
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, _ := form.CreateFormFile("file", u.name)
		_, _ = part.Write(u.content)
		form.Close()
		if request, err = http.NewRequest(http.MethodPost, url, &body); err == nil {
			request.Header.Set("Content-Type", form.FormDataContentType())
		}
	case "event":
		if request, err = http.NewRequest(http.MethodPost, url, bytes.NewReader(u.content)); err == nil {
			for name, value := range map[string]string{
				"specversion": "1.0", "type": events.TypeImageReceived, "source": "/faults", "id": u.key, "subject": u.name,
			} {
				request.Header.Set("Ce-"+name, value)
			}
			request.Header.Set("Content-Type", "application/octet-stream")
		}
	}
	if err == nil && u.key != "" && u.mode != "event" {
		request.Header.Set("Idempotency-Key", u.key)
	}
	return request, err
}

// checkHang reports a request that got no answer within the time limit.
func (l *loadGenerator) checkHang(err error, took time.Duration) {
	if took >= requestLimit {
		l.violation("no answer within %v: %v", requestLimit, err)
	}
}

// countUnanswered counts an upload without an answer, whose outcome its client does not know.
func (l *loadGenerator) countUnanswered(err error, took time.Duration) {
	l.checkHang(err, took)
	l.lock.Lock()
	defer l.lock.Unlock()
	l.unanswered++
}

// checkAnswer checks an answer against the HTTP contract. It returns true if the upload must not be retried.
func (l *loadGenerator) checkAnswer(u *submission, response *http.Response, body []byte, began time.Time) (done bool) {
	took := time.Since(began)
	var answer struct {
		ImageID     string `json:"image_id"`
		Error, Code string
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		l.violation("%s with a body that is not JSON: %.200q", response.Status, body)
		return true
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.slowest = max(l.slowest, took)
	switch response.StatusCode {
	case http.StatusOK:
		l.recordAccepted(u, answer.ImageID, began)
		return true
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		l.refused++
		l.slowestRefusal = max(l.slowestRefusal, took)
		if response.Header.Get("Retry-After") == "" || answer.Code == "" || answer.Error == "" {
			l.violations = append(l.violations, fmt.Sprintf("%s without Retry-After, code or error: %s", response.Status, body))
		}
		return false
	case http.StatusGone:
		if u.deleted {
			return true
		}
	case http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		if u.want == "" {
			return true
		}
	}
	l.violations = append(l.violations, fmt.Sprintf("unexpected %s for %s (%s, key %q): %s",
		response.Status, u.name, u.mode, u.key, body))
	return true
}

// recordAccepted records an answer of 200. The caller holds the lock.
func (l *loadGenerator) recordAccepted(u *submission, imageID string, began time.Time) {
	if u.want == "" {
		l.violations = append(l.violations, fmt.Sprintf("%s was accepted, want it refused", u.name))
	}
	if !l.overAt.IsZero() && l.recovered == 0 && began.After(l.overAt) {
		l.recovered = time.Since(l.overAt)
	}
	if u.imageID != "" {
		if u.imageID != imageID {
			l.violations = append(l.violations,
				fmt.Sprintf("one idempotency key made two images: %s and %s", u.imageID, imageID))
		}
		return
	}
	u.imageID, u.when, u.status = imageID, time.Now(), "queued"
	l.accepted = append(l.accepted, u)
}

// faultOver records the end of the fault.
func (l *loadGenerator) faultOver() {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.overAt = time.Now()
}

// acceptedUploads returns the accepted uploads whose images are to be kept.
func (l *loadGenerator) acceptedUploads() []*submission {
	return l.uploads(false)
}

// uploads returns the accepted uploads whose images are to be deleted, or the others.
func (l *loadGenerator) uploads(deleted bool) []*submission {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.DeleteFunc(slices.Clone(l.accepted), func(u *submission) bool { return u.deleted != deleted })
}

// countAccepted returns how many uploads have been accepted, deleted ones included.
func (l *loadGenerator) countAccepted() int {
	l.lock.Lock()
	defer l.lock.Unlock()
	return len(l.accepted)
}

// awaitAccepted waits until the given number of further uploads has been accepted.
func (l *loadGenerator) awaitAccepted(more int) error {
	want := l.countAccepted() + more
	return retry(time.Minute, func() error {
		if got := l.countAccepted(); got < want {
			return fmt.Errorf("%d uploads were accepted, want %d", got, want)
		}
		return nil
	})
}
