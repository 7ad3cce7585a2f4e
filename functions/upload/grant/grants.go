package grant

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// What a grant may allow, and what it allows by default.
const (
	maxImages       = 1000
	minSeconds      = 60
	maxSeconds      = 24 * 60 * 60
	defaultSeconds  = 15 * 60
	maxRequestBytes = 8 << 10
)

// Grants makes grants. It is safe for concurrent use.
type Grants struct {
	Keys     *signing.Keys // nil if nothing is signed
	MaxBytes int64         // of an image
	Types    []string      // content types of the formats that are accepted
}

// A Request is what a client asks for: the body of POST /grants. What is left out has a default.
type Request struct {
	MaxBytes  *int64   `json:"max_bytes"`
	Types     []string `json:"types"`
	Images    *int64   `json:"images"`
	ExpiresIn *int64   `json:"expires_in"` // in seconds
}

// answer is a grant that was made.
type answer struct {
	Grant     string   `json:"grant"`
	UploadURL string   `json:"upload_url"`
	MaxBytes  int64    `json:"max_bytes"`
	Types     []string `json:"types"`
	Images    int64    `json:"images"`
	Expires   int64    `json:"expires"`
}

// Make is POST /grants: a grant for uploads in the name of the client that asks for it.
func (g *Grants) Make(w http.ResponseWriter, r *http.Request) error {
	if err := httpserver.CheckQuery(r); err != nil {
		return err
	}
	if g.Keys == nil {
		return signing.ErrNothingSigned
	}
	var asked Request
	const example = `{"max_bytes":5000000,"types":["image/jpeg"],"images":1,"expires_in":900}`
	if err := body.JSON(w, r, maxRequestBytes, &asked, example); err != nil {
		return err
	}
	allowed, err := g.Allow(asked)
	if err != nil {
		return err
	}
	allowed.Client = ownership.Of(r.Context())
	text, err := g.Keys.Grant(allowed)
	if err != nil {
		return err
	}
	jsonhttp.Write(w, http.StatusOK, answer{
		Grant: text, UploadURL: httpserver.Prefix(r) + "/upload?grant=" + text, MaxBytes: allowed.MaxBytes,
		Types: allowed.Types, Images: allowed.Images, Expires: allowed.Expires,
	})
	return nil
}

// Allow returns the grant that is asked for, with the defaults and without a client. The error is an apierror.Error.
func (g *Grants) Allow(asked Request) (allowed signing.Grant, err error) {
	if allowed.MaxBytes, err = within("max_bytes", asked.MaxBytes, g.MaxBytes, 1, g.MaxBytes); err != nil {
		return allowed, err
	}
	if allowed.Images, err = within("images", asked.Images, 1, 1, maxImages); err != nil {
		return allowed, err
	}
	seconds, err := within("expires_in", asked.ExpiresIn, defaultSeconds, minSeconds, maxSeconds)
	if err != nil {
		return allowed, err
	}
	allowed.Expires = time.Now().Unix() + seconds
	allowed.Types = g.Types
	if asked.Types == nil {
		return allowed, nil
	}
	allowed.Types = slices.Compact(slices.Sorted(slices.Values(asked.Types)))
	for _, one := range allowed.Types {
		if !slices.Contains(g.Types, one) {
			return allowed, badBody("types has a content type that is not accepted", g.Types, fmt.Sprintf("%.80s", one))
		}
	}
	if len(allowed.Types) == 0 {
		return allowed, badBody("types is empty; leave it out to allow all", g.Types, "")
	}
	return allowed, nil
}

func within(name string, asked *int64, otherwise, least, most int64) (int64, error) {
	if asked == nil {
		return otherwise, nil
	}
	if *asked < least || *asked > most {
		return 0, badBody(fmt.Sprintf("%s is a whole number from %d to %d", name, least, most), []int64{least, most}, *asked)
	}
	return *asked, nil
}

func badBody(message string, limit, found any) error {
	return &apierror.Error{
		Status: http.StatusBadRequest, Code: apierror.CodeBadBody, Message: message,
		Limit: limit, Found: found,
	}
}
