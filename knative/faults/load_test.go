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

// A sample is a file with what becomes of it.
type sample struct {
	name    string
	content []byte
	want    string // "completed", "failed", or "" for one that is refused at once
}

// samples are of each format, and some that are damaged behind their header, or no images.
func samples(t *testing.T) (all []sample) {
	t.Helper()
	golden := "../../functions/internal/raster/testdata/golden/"
	for _, name := range []string{"baseline-420.jpg", "progressive-444-odd.jpg", "cmyk.jpg", "rgba.png", "palette-4.png", "gray-16.png",
		"moving.gif", "interlaced.gif", "lossy.webp", "lossless-alpha.webp", "moving.webp"} {
		content, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{name, content, "completed"})
	}
	return append(all,
		sample{"damaged.png", slices.Concat(all[3].content[:100], make([]byte, 200)), "failed"},
		sample{"notes.txt", []byte("This is no image, and never was one."), ""})
}

// A sent is an upload and what its client was told.
type sent struct {
	sample
	key  string // "" for none
	mode string

	imageID string    // "" until it is accepted
	when    time.Time // it was accepted
	status  string    // last told
	result  string    // told with it, once it is final
}

// load is clients that upload, and ask for what has become of it.
type load struct {
	*site
	samples []sample
	client  *http.Client
	wait    sync.WaitGroup
	stop    context.CancelFunc

	gate sync.RWMutex // whoever locks it has nobody upload, or ask for a status

	lock      sync.Mutex
	accepted  []*sent
	refused   int           // by 429 and 503
	cut       int           // no answer: the connection ended
	slowest   time.Duration // answer of any kind
	slowestNo time.Duration // 429 or 503
	mended    time.Time     // end of the fault; zero before it
	recovered time.Duration
	forgotten int // times that a status was "processing" and then "queued"
	wrong     []string
}

// What a caller waits for an answer before it counts as a hang.
const hang = 30 * time.Second

const clients = 6

// begin starts to upload files, which ends with the test or by stop.
func (s *site) begin(files []sample) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{site: s, samples: files, stop: stop}
	l.client = &http.Client{Timeout: hang, Transport: &http.Transport{MaxIdleConnsPerHost: 4 * clients}}
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
			l.poll(random.Float64)
			time.Sleep(10 * time.Millisecond)
		}
	})
	s.t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	l.wait.Wait()
	l.client.CloseIdleConnections()
}

func (l *load) complain(format string, args ...any) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// send uploads one image. Who has a key, or sends an event, tries until it is taken: that is what those are for.
func (l *load) send(ctx context.Context, random *rand.Rand) {
	u := &sent{sample: l.samples[random.IntN(len(l.samples))], mode: []string{"raw", "form", "event"}[random.IntN(3)]}
	if u.mode == "event" || random.IntN(2) == 0 {
		u.key = uuid.NewString()
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(300 * time.Millisecond) {
		if done := l.try(u); done || u.key == "" {
			break
		}
		if ctx.Err() != nil && time.Now().After(deadline) {
			l.complain("%s under a key was not taken in two minutes", u.name)
			return
		}
	}
	if u.imageID != "" && u.key != "" && random.IntN(4) == 0 {
		l.try(u) // the first answer may have been lost on its way
	}
}

// try sends an upload and takes down what it is told; true if it is not to be sent again.
func (l *load) try(u *sent) bool { return l.tryAt(l.address()+"/upload", u) }

func (l *load) tryAt(url string, u *sent) bool {
	request, err := u.request(url)
	if err != nil {
		l.complain("%v", err)
		return true
	}
	l.gate.RLock()
	defer l.gate.RUnlock()
	began := time.Now()
	response, err := l.client.Do(request)
	if err != nil {
		l.unanswered(err, time.Since(began))
		return false
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		l.unanswered(err, time.Since(began))
		return false
	}
	return l.answered(u, response, body, began)
}

// address is that of the upload function.
func (l *load) address() string { return "http://" + l.upload.link.address() }

func (u *sent) request(url string) (request *http.Request, err error) {
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
			for name, value := range map[string]string{"specversion": "1.0", "type": events.TypeImageReceived, "source": "/faults", "id": u.key, "subject": u.name} {
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

// hung complains of a request that had no answer in time.
func (l *load) hung(err error, took time.Duration) {
	if took >= hang {
		l.complain("no answer within %v: %v", hang, err)
	}
}

// unanswered counts an upload of which nobody knows what has become.
func (l *load) unanswered(err error, took time.Duration) {
	l.hung(err, took)
	l.lock.Lock()
	defer l.lock.Unlock()
	l.cut++
}

// answered compares an answer with the contract.
func (l *load) answered(u *sent, response *http.Response, body []byte, began time.Time) (done bool) {
	took := time.Since(began)
	var told struct {
		ImageID     string `json:"image_id"`
		Error, Code string
	}
	if err := json.Unmarshal(body, &told); err != nil {
		l.complain("%s answered with no JSON: %.200q", response.Status, body)
		return true
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.slowest = max(l.slowest, took)
	switch response.StatusCode {
	case http.StatusOK:
		l.accept(u, told.ImageID, began)
		return true
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		l.refused++
		l.slowestNo = max(l.slowestNo, took)
		if response.Header.Get("Retry-After") == "" || told.Code == "" || told.Error == "" {
			l.wrong = append(l.wrong, fmt.Sprintf("%s without Retry-After or a reason: %s", response.Status, body))
		}
		return false
	case http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		if u.want == "" {
			return true
		}
	}
	l.wrong = append(l.wrong, fmt.Sprintf("%s of %s (%s, key %q): %s", response.Status, u.name, u.mode, u.key, body))
	return true
}

func (l *load) accept(u *sent, imageID string, began time.Time) {
	if u.want == "" {
		l.wrong = append(l.wrong, fmt.Sprintf("%s was accepted", u.name))
	}
	if !l.mended.IsZero() && l.recovered == 0 && began.After(l.mended) {
		l.recovered = time.Since(l.mended)
	}
	if u.imageID != "" {
		if u.imageID != imageID {
			l.wrong = append(l.wrong, fmt.Sprintf("one key, two images: %s and %s", u.imageID, imageID))
		}
		return
	}
	u.imageID, u.when, u.status = imageID, time.Now(), "queued"
	l.accepted = append(l.accepted, u)
}

// mend notes that the fault is over.
func (l *load) mend() {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.mended = time.Now()
}

func (l *load) all() []*sent {
	l.lock.Lock()
	defer l.lock.Unlock()
	return slices.Clone(l.accepted)
}

// await waits until clients were told 200 so many times more.
func (l *load) await(more int) error {
	want := len(l.all()) + more
	return persist(time.Minute, func() error {
		if got := len(l.all()); got < want {
			return fmt.Errorf("%d uploads were taken, want %d", got, want)
		}
		return nil
	})
}
