//go:build linux && !race

package main

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"
)

// together is a body that sends its first bytes at once, and the rest when all uploads have sent theirs.
type together struct {
	first, rest io.Reader
	begun       *sync.WaitGroup
	waited      bool
}

func (b *together) Read(p []byte) (int, error) {
	if n, err := b.first.Read(p); err != io.EOF {
		return n, err
	}
	if !b.waited {
		b.waited = true
		b.begun.Done()
		b.begun.Wait()
	}
	return b.rest.Read(p)
}

// 64 uploads of 25 MB at once, all begun before any goes on, in each form of a body: their memory is bounded by a
// setting and does not grow with their number. It is too slow for the race detector, as 10 GB pass through this
// process; .ci/run has a step for it.
func TestMemory(t *testing.T) {
	t.Parallel()
	const uploads, size, bound = 64, 25_000_000, 200_000_000
	content := photo(size)
	formBody, formType := formOf(t, content)
	for name, body := range map[string]struct {
		content     []byte
		contentType string
		known       bool
	}{
		"raw":                   {content, "image/jpeg", true},
		"raw of unknown length": {content, "image/jpeg", false},
		"form":                  {formBody, formType, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "GOMEMLIMIT=170MiB") // as in its manifest
			var begun, all sync.WaitGroup
			begun.Add(uploads)
			for range uploads {
				all.Go(func() {
					first, rest := bytes.NewReader(body.content[:100_000]), bytes.NewReader(body.content[100_000:])
					var content io.Reader = &together{first: first, rest: rest, begun: &begun}
					for range 10 { // on a slow machine, the service may be busy
						request, err := http.NewRequest(http.MethodPost, p.URL+"/upload", content)
						if err != nil {
							t.Error(err)
							return
						}
						request.Header.Set("Content-Type", body.contentType)
						if body.known {
							request.ContentLength = int64(len(body.content))
						}
						response, err := http.DefaultClient.Do(request)
						if err != nil {
							t.Error(err)
							return
						}
						answer, _ := io.ReadAll(response.Body)
						response.Body.Close()
						if response.StatusCode == http.StatusOK {
							return
						}
						if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
							t.Errorf("%s %s", response.Status, answer)
							return
						}
						content = bytes.NewReader(body.content)
					}
					t.Error("the service was busy ten times, want the upload accepted")
				})
			}
			all.Wait()
			peak := p.Peak()
			t.Logf("%d uploads of %d MB at once took at most %d MB", uploads, size/1_000_000, peak/1_000_000)
			if peak > bound {
				t.Errorf("memory is at most %d MB, want less than %d", peak/1_000_000, bound/1_000_000)
			}
		})
	}
}
