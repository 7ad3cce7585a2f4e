//go:build linux && !race

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers/pod"
)

// The memory of the pod, and how many requests it gets at once, by knative/base/300-dead-letters.yaml. Below 80 % of
// the limit nothing is killed while the kernel accounts for what the Go runtime does not.
const (
	memoryLimit = 256 << 20
	goLimit     = "GOMEMLIMIT=180MiB"
	atOnce      = 16
)

// process is the function as Knative runs it: a process of its own, whose memory can be measured.
type process struct {
	*pod.Pod
	t testing.TB
}

func start(t *testing.T) *process {
	t.Helper()
	getenv := testservers.Start(t, testservers.As("image-dead-letters"))
	return &process{pod.Start(t, getenv, goLimit), t}
}

// ask sends a request until it is not refused for memory, or for another redrive, and returns whether it was accepted.
func (p *process) ask(method, path string, header http.Header, body []byte, known bool) bool {
	const patience = 5 * time.Minute // on a slow machine, the others may take all memory for a while
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		request, err := http.NewRequest(method, p.URL+path, bytes.NewReader(body))
		if err != nil {
			p.t.Error(err)
			return false
		}
		if request.Header = header.Clone(); !known {
			request.ContentLength = -1
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			p.t.Error(err)
			return false
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		switch response.StatusCode {
		case http.StatusOK:
			return true
		case http.StatusServiceUnavailable, http.StatusTooManyRequests:
			continue
		}
		p.t.Errorf("%s %s: %s %.300s", method, path, response.Status, answer)
		return false
	}
	p.t.Errorf("%s %s: busy for %v, want it accepted", method, path, patience)
	return false
}

// As many letters at once as a pod gets, of the kinds that cost most for their size, with pages and redrives between
// them: memory stays below 80 % of the pod's limit.
func TestMemory(t *testing.T) {
	t.Parallel()
	const bound = memoryLimit / 5 * 4
	const structured = "application/cloudevents+json"
	const begin = `{"specversion":"1.0","id":"1","source":"/s","type":"t"`
	event := http.Header{
		"Content-Type": {"image/png"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"},
	}
	manyHeaders := event.Clone()
	for i := range 14_000 {
		manyHeaders.Set(fmt.Sprintf("Ce-%x", i), "x")
	}
	zeros := make([]byte, 1<<20)
	kinds := []struct {
		name   string
		header http.Header
		body   []byte
		known  bool
	}{
		{"binary", event, zeros, true},
		{"unknown length", event, zeros, false},
		{"too large", event, make([]byte, 20<<20), false},
		{"many members", http.Header{"Content-Type": {structured}},
			[]byte(begin + strings.Repeat(`,"a":1`, 170_000) + "}"), true},
		{"data of many members", http.Header{"Content-Type": {structured}},
			[]byte(begin + `,"data":{"a":1` + strings.Repeat(`,"a":1`, 170_000) + "}}"), true},
		{"deep", http.Header{"Content-Type": {structured}},
			[]byte(begin + `,"data":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}"), true},
		{"base64", http.Header{"Content-Type": {structured}},
			[]byte(begin + `,"data_base64":"` + base64.StdEncoding.EncodeToString(zeros) + `"}`), true},
		{"many headers", manyHeaders, nil, true},
	}
	p := start(t)
	for _, kind := range kinds {
		p.together(func() { p.ask(http.MethodPost, "/", kind.header, kind.body, kind.known) })
		t.Logf("%d of %q: at most %d MiB", atOnce, kind.name, p.Peak()>>20)
	}
	next := make(chan int, atOnce*len(kinds))
	for i := range cap(next) {
		next <- i
	}
	p.together(func() {
		for range kinds {
			switch i := <-next; i % (len(kinds) + 2) {
			case len(kinds):
				p.ask(http.MethodGet, "/?limit=500", nil, nil, true)
			case len(kinds) + 1:
				p.ask(http.MethodPost, "/redrive?type=t", nil, nil, true)
			default:
				kind := kinds[i%(len(kinds)+2)]
				p.ask(http.MethodPost, "/", kind.header, kind.body, kind.known)
			}
		}
	})
	peak := p.Peak()
	t.Logf("all together: at most %d MiB", peak>>20)
	if peak > bound {
		t.Errorf("memory is at most %d MiB, want less than %d", peak>>20, bound>>20)
	}
}

func (p *process) together(do func()) {
	var all sync.WaitGroup
	for range atOnce {
		all.Go(do)
	}
	all.Wait()
}
