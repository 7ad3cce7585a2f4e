package delivery

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// maxWait is how long a request may wait for a status, in seconds: proxies end a request that they hear nothing of
// after a minute or more.
const maxWait = 60

// maxContent bounds what a request that may wait brings, in bytes.
const maxContent = 64 << 10

// readContent reads what a request brings before it waits. It means nothing for GET, but as long as there is some left,
// net/http does not notice that the client has gone, whose place would stay taken.
func readContent(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	content, err := body.New(w, r, maxContent)
	if err == nil {
		_, err = io.Copy(io.Discard, content)
	}
	return err
}

// waitOf returns how long a request is willing to wait for a final status: the seconds in ?wait=, or in the preference
// of RFC 7240, section 4.3, which then is applied. A preference that cannot be met is ignored, as section 2 requires.
func waitOf(w http.ResponseWriter, r *http.Request) (time.Duration, error) {
	values, asked := r.URL.Query()["wait"]
	if !asked {
		seconds, preferred := waitPreferred(r.Header)
		if preferred {
			w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(seconds))
		}
		return time.Duration(seconds) * time.Second, nil
	}
	seconds, err := strconv.ParseUint(values[0], 10, 32)
	if err != nil || seconds > maxWait || len(values) > 1 {
		return 0, &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeBadQuery,
			Message: "wait is a number of seconds from 0 to " + strconv.Itoa(maxWait) + ", given once",
			Limit:   maxWait,
			Found:   strings.Join(values, ","),
		}
	}
	return time.Duration(seconds) * time.Second, nil
}

// waitPreferred returns the seconds in the first preference `wait` of a request, at most maxWait.
func waitPreferred(header http.Header) (seconds int, preferred bool) {
	for preference := range strings.SplitSeq(strings.Join(header.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		wanted, err := strconv.ParseUint(strings.Trim(value, " \t\""), 10, 32)
		return int(min(wanted, maxWait)), err == nil
	}
	return 0, false
}

// A reader is Store.Read, or Store.ReadCached, which costs the image store nothing.
type reader func(ctx context.Context, imageID string) (known *status.Status, stale bool, err error)

// await calls read until the status is final, and for at most as long as patience; it returns what the last call
// returned. absent is the error of read for an image that does not exist yet; nil if it has to exist. imageIDs are
// those whose changes call for another read. If too many requests wait already, it reads once. Redis announces
// results; the image store is asked when the wait takes long, and before an answer that is not final.
func (d *Delivery) await(
	ctx context.Context, patience time.Duration, read func(reader) (*status.Status, error), absent error,
	imageIDs ...string,
) (known *status.Status, err error) {
	if patience == 0 || !d.waiting.TryAcquire(1) {
		return read(d.Statuses.Read)
	}
	defer d.waiting.Release(1)
	known, err = read(d.Statuses.ReadCached)
	settled := func() bool {
		if err != nil {
			return absent == nil || !errors.Is(err, absent)
		}
		return known.State.Final()
	}
	if settled() {
		return known, err
	}
	watch := d.Watcher.Watch(imageIDs...)
	defer watch.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !settled() {
		select {
		case _, open := <-watch.C:
			if !open { // the process ends
				return read(d.Statuses.Read)
			}
			if how := d.readerFor(watch.Take()); how != nil {
				known, err = read(how)
			}
		case <-timeout.C:
			return read(d.Statuses.Read)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return known, err
}

// readerFor returns how to read what may be final after changes; nil if nothing is.
func (d *Delivery) readerFor(changes []status.Change) (how reader) {
	for _, change := range changes {
		switch {
		case change.Unpublished:
			return d.Statuses.Read
		case change.Status == nil || change.Status.State.Final():
			how = d.readerAfter(change)
		}
	}
	return how
}

// readerAfter returns how to read statuses after a change: what was published need not be read.
func (d *Delivery) readerAfter(change status.Change) reader {
	return func(ctx context.Context, imageID string) (known *status.Status, stale bool, err error) {
		switch {
		case change.Unpublished:
			return d.Statuses.Read(ctx, imageID)
		case change.Status != nil && change.ImageID == imageID:
			return change.Status, false, nil
		}
		return d.Statuses.ReadCached(ctx, imageID)
	}
}
