package fakes

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// preconditions gives gofakes3 those that it lacks, and that imagestore relies on: If-None-Match: * of
// CompleteMultipartUpload, and If-Match of GetObject.
type preconditions struct {
	*s3mem.Backend
	s3 http.Handler

	lock       sync.Mutex
	completing map[[2]string]int // bucket and key, to the number of uploads that are completed there with the precondition
}

func newPreconditions() *preconditions {
	p := &preconditions{Backend: s3mem.New(), completing: map[[2]string]int{}}
	p.s3 = gofakes3.New(p).Server()
	return p
}

func (p *preconditions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && query.Has("uploadId") && r.Header.Get("If-None-Match") == "*":
		key := splitPath(r.URL.Path)
		p.count(key, 1)
		defer p.count(key, -1)
	case r.Method == http.MethodGet && r.Header.Get("If-Match") != "" && !p.matches(r):
		w.Header().Set("X-Amz-Request-Id", "fake")
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, "<Error><Code>PreconditionFailed</Code></Error>") // the client may have gone
		return
	}
	p.s3.ServeHTTP(w, r)
}

func splitPath(path string) (key [2]string) {
	bucket, object, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return [2]string{bucket, object}
}

func (p *preconditions) count(key [2]string, by int) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.completing[key] += by; p.completing[key] == 0 {
		delete(p.completing, key)
	}
}

// PutObject is called for the end of an upload with a bytes.Reader and without conditions.
func (p *preconditions) PutObject(
	bucket, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions,
) (gofakes3.PutObjectResult, error) {
	if _, isUpload := input.(*bytes.Reader); isUpload && conditions == nil && p.isCompleting(bucket, key) {
		nothing := "*"
		conditions = &gofakes3.PutConditions{IfNoneMatch: &nothing}
	}
	return p.Backend.PutObject(bucket, key, meta, input, size, conditions)
}

func (p *preconditions) isCompleting(bucket, key string) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.completing[[2]string{bucket, key}] > 0
}

// matches reports whether the object has the ETag that the request expects. One that does not exist is not its concern.
func (p *preconditions) matches(r *http.Request) bool {
	key := splitPath(r.URL.Path)
	object, err := p.HeadObject(key[0], key[1])
	return err != nil || `"`+hex.EncodeToString(object.Hash)+`"` == r.Header.Get("If-Match")
}
