package fakes

import (
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"github.com/johannesboyne/gofakes3"
	"gitlab.com/yourorg/image-service/functions/fakes/objects"
)

// preconditions gives gofakes3 those that it lacks, and that imagestore relies on: If-None-Match: * of
// CompleteMultipartUpload, and If-Match of GetObject. It has HeadObject describe the version that it names.
type preconditions struct {
	store *objects.Store
	s3    http.Handler
}

func newPreconditions(store *objects.Store) *preconditions {
	return &preconditions{store, gofakes3.New(store).Server()}
}

func (p *preconditions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && query.Has("uploadId") && r.Header.Get("If-None-Match") == "*":
		p.store.ExpectNoObject(gofakes3.UploadID(query.Get("uploadId")))
	case r.Method == http.MethodGet && r.Header.Get("If-Match") != "" && !p.matches(r):
		w.Header().Set("X-Amz-Request-Id", "fake")
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, "<Error><Code>PreconditionFailed</Code></Error>") // the client may have gone
		return
	case r.Method == http.MethodHead && query.Has("versionId"): // of which gofakes3 describes the latest version
		r = r.Clone(r.Context())
		r.Method = http.MethodGet // without a body all the same, as w is that of a HEAD
	}
	p.s3.ServeHTTP(w, r)
}

// matches reports whether the object has the ETag that the request expects. One that does not exist is not its concern.
func (p *preconditions) matches(r *http.Request) bool {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	object, err := p.store.HeadObject(bucket, key)
	return err != nil || `"`+hex.EncodeToString(object.Hash)+`"` == r.Header.Get("If-Match")
}
