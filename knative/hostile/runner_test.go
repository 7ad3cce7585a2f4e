//go:build hostile

package hostile

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// An attack is something that a hostile client does.
type attack struct {
	name string
	// do does it once, and returns the status of the answer, or cut.
	do func(p *process) int
	// answers are those that it may get, beside refused ones (see isBusy).
	answers []int
}

// cut is the answer of a server that ends the connection without one.
const cut = 0

// isBusy reports whether an answer asks to try again.
func isBusy(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

const (
	// rounds is how often an ordinary client does its work during each wave.
	rounds = 5
	// patience is how often an ordinary request may be refused as busy, before it counts as lost.
	patience = 1000
)

// A wave is the attacks that go on at the same time.
type wave struct {
	name    string
	attacks []attack
}

// run runs waves, one after the other, and then all at once.
func run(t *testing.T, p *process, ordinary func(p *process) int, waves []wave) {
	t.Helper()
	p.lastingly(t, ordinary)
	var all []attack
	for _, w := range waves {
		t.Run(w.name, func(t *testing.T) { p.withstand(t, ordinary, w.attacks) })
		all = append(all, w.attacks...)
	}
	t.Run("all at once", func(t *testing.T) { p.withstand(t, ordinary, all) })
}

// withstand attacks a function with as many requests at a time as its pod gets, less the one of an ordinary client,
// until that has done its work and every attack was made.
func (p *process) withstand(t *testing.T, ordinary func(p *process) int, attacks []attack) {
	t.Helper()
	p.forget()
	var done atomic.Bool
	var next atomic.Int64
	var attackers sync.WaitGroup
	answers := tally{counts: map[int]int{}}
	for range p.concurrency - 1 {
		attackers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if done.Load() && i >= max(len(attacks), p.concurrency) {
					return
				}
				a := attacks[i%len(attacks)]
				status := a.do(p)
				answers.add(status)
				if !isBusy(status) && !slices.Contains(a.answers, status) {
					t.Errorf("%s: got %d, want %v", a.name, status, a.answers)
				}
			}
		})
	}
	for range rounds {
		p.lastingly(t, ordinary)
	}
	done.Store(true)
	attackers.Wait()
	p.lastingly(t, ordinary)
	peak := p.peak()
	t.Logf("at most %3d of %d MiB; answers %v", peak>>20, p.memory>>20, answers.counts)
	if peak > p.bound() {
		t.Errorf("memory is at most %d MiB, want less than %d", peak>>20, p.bound()>>20)
	}
}

// lastingly does the work of an ordinary client, which tries again when it is told to.
func (p *process) lastingly(t *testing.T, ordinary func(p *process) int) {
	t.Helper()
	for range patience {
		status := ordinary(p)
		if status == http.StatusOK {
			return
		}
		if !isBusy(status) {
			t.Errorf("an ordinary request got %d, want 200", status)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("an ordinary request was refused as busy %d times, want it done", patience)
}

// A tally counts answers by status.
type tally struct {
	mutex  sync.Mutex
	counts map[int]int
}

func (t *tally) add(status int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.counts[status]++
}

// A request is the parts of one that matter here.
type request struct {
	method, path string
	header       http.Header
	body         io.Reader
	size         int64 // of the body; -1 for chunks
}

// post returns a POST whose body has a known length.
func post(path, contentType string, body []byte) request {
	header := http.Header{"Content-Type": {contentType}}
	return request{http.MethodPost, path, header, bytes.NewReader(body), int64(len(body))}
}

// stream returns a POST whose body comes in chunks.
func stream(path, contentType string, body ...io.Reader) request {
	return request{http.MethodPost, path, http.Header{"Content-Type": {contentType}}, io.MultiReader(body...), -1}
}

// get returns a GET with lines of header.
func get(path string, header http.Header) request {
	return request{method: http.MethodGet, path: path, header: header}
}

// sends returns an attack of one request, which is made anew each time.
func sends(r func() request) func(p *process) int {
	return func(p *process) int { return p.send(r()) }
}

// writes returns an attack by bytes that are not a request, or not the one that they seem to be.
func writes(text ...string) func(p *process) int {
	return func(p *process) int { return p.raw(text...) }
}

// client sends each request on a connection of its own, as a hostile one may.
var client = &http.Client{Transport: &http.Transport{
	DialContext: dialPatient, DisableKeepAlives: true, DisableCompression: true,
}}

// A patientConn takes no notice of a write that fails. A function may answer before it has read a body and close the
// connection: http.Transport would report the failed write, or the answer, whichever it sees first.
type patientConn struct{ net.Conn }

func dialPatient(ctx context.Context, network, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return patientConn{connection}, err
}

func (c patientConn) Write(b []byte) (int, error) {
	_, _ = c.Conn.Write(b)
	return len(b), nil
}

// send sends a request and returns the status of its answer, or cut.
func (p *process) send(r request) int {
	sent, err := http.NewRequest(r.method, "http://"+p.address+r.path, r.body)
	if err != nil {
		p.Error(err)
		return cut
	}
	if sent.Header = r.header; sent.Header == nil {
		sent.Header = http.Header{}
	}
	sent.ContentLength = r.size
	response, err := client.Do(sent)
	if err != nil {
		return cut
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return cut
	}
	return response.StatusCode
}

// dial connects to the function.
func (p *process) dial() net.Conn {
	connection, err := net.Dial("tcp", p.address)
	if err != nil {
		p.Error(err)
		return nil
	}
	_ = connection.SetDeadline(time.Now().Add(time.Minute)) // far beyond what the function allows
	return connection
}

// raw sends bytes as they are, and returns the status of the first answer, or cut.
func (p *process) raw(sent ...string) int {
	connection := p.dial()
	if connection == nil {
		return cut
	}
	defer connection.Close()
	go func() {
		for _, text := range sent {
			if _, err := io.WriteString(connection, text); err != nil {
				return
			}
		}
	}()
	return answerOn(connection)
}

// answerOn reads an answer to its end, and returns its status, or cut.
func answerOn(connection net.Conn) int {
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return cut
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// repeated returns a reader of text repeated times times, which takes no memory for that.
func repeated(text string, times int) io.Reader {
	return &repetition{text: text, left: len(text) * times}
}

type repetition struct {
	text     string
	at, left int
}

func (r *repetition) Read(p []byte) (n int, err error) {
	for n < len(p) && r.left > 0 {
		copied := copy(p[n:min(len(p), n+r.left)], r.text[r.at:])
		n, r.left, r.at = n+copied, r.left-copied, (r.at+copied)%len(r.text)
	}
	if n == 0 && r.left == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// lines returns count lines of text.
func lines(text string, count int) string { return strings.Repeat(text+"\r\n", count) }
