package imagestore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
)

// A Requirement is something that a server must do for the guarantees of this package to hold. Not every server that
// speaks S3 does.
type Requirement struct {
	Name   string // for metrics and logs, such as atomic_put
	Needed string // what the server must do, in a sentence without a full stop
	Remedy string // what an operator can do about a server that does not
	meets  func(*examination, context.Context) error
}

// A Verdict says whether a server meets a requirement: it does if Found is "" and Err is nil.
type Verdict struct {
	Requirement
	Found string // what the server did instead
	Err   error  // why that could not be found out, though the server responds
}

const (
	otherStore = "Use another server, or a newer version of this one: docs/operations/stores.md lists those that were " +
		"tried."
	proxies = "If there is a proxy or a gateway before the server, ask the server itself: `MINIO_ENDPOINT`. " +
		otherStore
)

// Requirements returns what Examine looks for, in its order.
func Requirements() []Requirement {
	return []Requirement{
		{"absence", "An object that does not exist is answered with 404 and a request ID", proxies,
			(*examination).absence},
		{"bytes", "An object has the bytes that were sent, whole, as a stream or in parts, and nothing else", proxies,
			(*examination).bytes},
		{"metadata", "Content type and metadata are returned as they were sent, 1.6 KB of them", proxies,
			(*examination).metadata},
		{"ranges", "GetObject returns a range, and honours If-Match", proxies, (*examination).ranges},
		{"names", "Every file name is stored, listed and read under its key", proxies, (*examination).names},
		{"listing", "An object is listed at once, in the order of the keys' bytes, in pages, and after any key",
			otherStore, (*examination).listing},
		{"removal", "A removed object is gone at once, and its key is free again", "If the bucket keeps versions, " +
			"switch them off. " + otherStore, (*examination).removal},
		{"atomic_put", "Of objects that are put under one key with If-None-Match: * at the same time, one is stored, and " +
			"never replaced", otherStore, (*examination).atomicPut},
		{"atomic_parts", "Of uploads in parts that are completed under one key with If-None-Match: * at the same time, " +
			"one is stored, and never replaced", otherStore, (*examination).atomicParts},
		{"atomic_mixed", "Of objects that are put and of uploads that are completed under one key at the same time, one " +
			"is stored", otherStore, (*examination).atomicMixed},
	}
}

const (
	// What an examination stores is in folders that begin so, which no image has. A Scan passes them.
	examinationPrefix = "storecheck-"
	// An examination that was killed leaves its objects to one that runs later than this.
	examinationAge = time.Hour
)

// An examination is one run of Examine.
type examination struct {
	*Store
	id     string        // takes the place of an image ID in keys
	rounds int           // of each race
	age    time.Duration // of what others have left behind
}

// Examine stores small objects in the service's bucket, reads and removes them, as the service does, and returns a
// verdict for each of the Requirements. Each race is run the given number of times. The error says that there is
// no verdict about the server: it is not reached, or refuses the credentials.
func (s *Store) Examine(ctx context.Context, rounds int) ([]Verdict, error) {
	if err := s.ensureBucket(ctx); err != nil {
		return nil, err
	}
	x := &examination{Store: s, id: examinationPrefix + uuid.NewString(), rounds: rounds, age: examinationAge}
	defer x.clean(context.WithoutCancel(ctx))
	var verdicts []Verdict
	for _, requirement := range Requirements() {
		err := x.try(ctx, requirement)
		verdict := Verdict{Requirement: requirement}
		switch {
		case isLack(err):
			verdict.Found = err.Error()
		case isAnswer(err):
			verdict.Err = err
		case err != nil:
			return nil, fmt.Errorf("examine the store for %s: %w", requirement.Name, err)
		}
		verdicts = append(verdicts, verdict)
	}
	return verdicts, nil
}

// try runs the check of a requirement. A lack may come from a connection that broke or a proxy that was restarted: it
// counts if it is found again, unless there is no other reason for it.
func (x *examination) try(ctx context.Context, requirement Requirement) error {
	err := requirement.meets(x, ctx)
	var l *lack
	if !isLack(err) || errors.As(err, &l) && l.certain {
		return err
	}
	again := *x
	again.id += "-again"
	return requirement.meets(&again, ctx)
}

// A lack is the error of a requirement that is not met.
type lack struct {
	found   string
	certain bool // whether no lost request or answer can be the reason
}

func (l *lack) Error() string { return l.found }

func lacks(format string, arguments ...any) error {
	return &lack{found: fmt.Sprintf(format, arguments...)}
}

// isLack separates what a server does not do from what it cannot do at the moment, or for these credentials: the same
// request would be refused whenever and by whomever it is sent.
func isLack(err error) bool {
	var l *lack
	if errors.As(err, &l) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) {
		return true
	}
	switch status := responseOf(err).StatusCode; status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case http.StatusNotImplemented:
		return true
	default:
		return status >= 400 && status < 500
	}
}

// isAnswer reports whether a server has failed with one request, and may answer others.
func isAnswer(err error) bool { return responseOf(err).StatusCode >= 500 }

// responseOf returns the response of S3 that an error is about; zero if there is none.
func responseOf(err error) (response minio.ErrorResponse) {
	errors.As(err, &response)
	return response
}

// clean removes what this examination stored, and what older ones left behind. Whatever remains is small, and is
// removed by the next one.
func (x *examination) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	options := minio.ListObjectsOptions{Prefix: examinationPrefix, Recursive: true}
	for object := range x.client.ListObjectsIter(ctx, x.bucket, options) {
		if object.Err != nil {
			return
		}
		if strings.HasPrefix(object.Key, x.id) || time.Since(object.LastModified) > x.age {
			_ = x.Remove(ctx, object.Key)
		}
	}
}

// put stores an object under a new key. If the key is taken, an answer was lost and the request repeated.
func (x *examination) put(ctx context.Context, key, content string, attributes Attributes) error {
	return unlessTaken(x.Put(ctx, key, []byte(content), attributes))
}

func unlessTaken(err error) error {
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// folder returns an ID for the objects of one purpose.
func (x *examination) folder(purpose string) string { return x.id + "-" + purpose }

// holds checks that an object has the given bytes.
func (x *examination) holds(ctx context.Context, key, want string) error {
	got, info, err := x.GetWhole(ctx, key, int64(len(want)))
	switch {
	case errors.Is(err, ErrTooLong):
		return lacks("of the %d bytes sent as %q, %d are stored: the framing of a stream is kept", len(want), key, info.Size)
	case err != nil:
		return err
	case string(got) != want:
		return lacks("%q has %.80q, not the %d bytes sent: %.80q", key, got, len(want), want)
	}
	return nil
}
