package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

const (
	// maxStreamed is the number of images in a stream. Each may cost a request to the image store.
	maxStreamed = 20
	// A client that is disconnected is noticed, and proxies keep an idle connection, because of the heartbeat.
	heartbeat = 10 * time.Second
	// A stream ends before Knative would end it (timeoutSeconds of the Service), and the client connects again.
	streamTimeout = 4 * time.Minute
	// How long a client should wait before it connects again.
	reconnectMillis = 1000
)

// Events is GET /events?ids=..., and GET /status/{id}/events: the status of each image, now and at each change, as
// server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). An ID without an image has an
// event named unknown; if none has one, the answer is 404. The stream ends after an event named end once all are final.
// A client that reconnects with the Last-Event-ID gets what has changed since, or 204, after which browsers do not
// connect again.
func (d *Delivery) Events(w http.ResponseWriter, r *http.Request) error {
	imageIDs, err := streamedIDs(r)
	if err != nil {
		return err
	}
	if err := readContent(w, r); err != nil {
		return err
	}
	known, places, err := d.readAll(r.Context(), imageIDs)
	if err != nil {
		return err
	}
	s := &stream{delivery: d, request: r, asked: imageIDs, places: places}
	for _, one := range known {
		s.imageIDs = append(s.imageIDs, one.ImageID)
	}
	s.ranks = s.ranksIn(r.Header.Get("Last-Event-ID"))
	if s.ended() && !slices.ContainsFunc(known, func(one *status.Status) bool { return !one.State.Final() }) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if !d.waiting.TryAcquire(1) {
		return errTooManyWait
	}
	defer d.waiting.Release(1)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would collect the events
	if r.Method == http.MethodHead {
		return nil
	}
	s.writer, s.response = w, http.NewResponseController(w)
	ctx, cancel := context.WithTimeout(r.Context(), streamTimeout)
	defer cancel()
	return s.run(ctx, known)
}

var errTooManyWait = &apierror.Error{
	Status:     http.StatusServiceUnavailable,
	Code:       apierror.CodeBusy,
	Message:    "Too many requests wait for a status already; try again, or ask without waiting",
	RetryAfter: 5 * time.Second,
}

// streamedIDs returns the image IDs in the path or the query of a request.
func streamedIDs(r *http.Request) ([]string, error) {
	if id := imageID(r); id != "" {
		return []string{id}, httpserver.CheckQuery(r)
	}
	if err := httpserver.CheckQuery(r, "ids"); err != nil {
		return nil, err
	}
	var ids []string
	for id := range strings.SplitSeq(strings.ToLower(strings.Join(r.URL.Query()["ids"], ",")), ",") {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || len(ids) > maxStreamed {
		return nil, &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeBadQuery,
			Message: fmt.Sprintf("ids are 1 to %d image IDs, separated by commas", maxStreamed),
			Limit:   maxStreamed,
			Found:   len(ids),
		}
	}
	return ids, nil
}

// readAll returns the status of each image, and for each ID the index of its status, or -1 if it has none; errNoStatus
// if none has one. Two IDs may have the same: that of an image, and that of an event which refers to it.
func (d *Delivery) readAll(ctx context.Context, ids []string) (known []*status.Status, places []int, err error) {
	for _, id := range ids {
		one, err := d.read(ctx, d.Statuses.Read, id)
		if errors.Is(err, errNoStatus) {
			places = append(places, -1)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(known, func(k *status.Status) bool { return k.ImageID == one.ImageID })
		if i < 0 {
			i, known = len(known), append(known, one)
		}
		places = append(places, i)
	}
	if len(known) == 0 {
		return nil, nil, errNoStatus
	}
	return known, places, nil
}

// A stream is the response to one request for events.
type stream struct {
	delivery *Delivery
	request  *http.Request
	asked    []string // the IDs of the request
	places   []int    // for each of them the index of its image; -1 for none
	imageIDs []string
	ranks    []int // of the states that the client knows, by the index of the image; 0 for none
	writer   http.ResponseWriter
	response *http.ResponseController
}

// ranks of the states: a status only goes forward.
var stateRanks = map[status.State]int{
	status.Queued: 1, status.Processing: 2,
	status.Completed: finalRank, status.Failed: finalRank, status.Deleted: lastRank,
}

// A stream ends when all ranks are final, so a later deletion is not sent.
const finalRank, lastRank = 3, 4

// ranksIn reads the ID of an event. That of a stream of other IDs is as good as none. Of an image that has several IDs
// the lowest rank counts: the others may have been those of another image.
func (s *stream) ranksIn(eventID string) []int {
	ranks := make([]int, len(s.imageIDs))
	digits, ok := strings.CutSuffix(eventID, s.mark())
	if !ok || len(digits) != len(s.asked) || strings.Trim(digits, "01234") != "" {
		return ranks
	}
	for i := range ranks {
		ranks[i] = lastRank
	}
	for at, i := range s.places {
		if i >= 0 {
			ranks[i] = min(ranks[i], int(digits[at]-'0'))
		}
	}
	return ranks
}

// eventID has the rank of the image of each ID, as digits, and the mark of the IDs.
func (s *stream) eventID() string {
	var id strings.Builder
	for _, i := range s.places {
		rank := 0
		if i >= 0 {
			rank = s.ranks[i]
		}
		id.WriteString(strconv.Itoa(rank))
	}
	return id.String() + s.mark()
}

// mark is what the IDs of the events of a stream end in: a hash of the IDs that it is of.
func (s *stream) mark() string {
	sum := sha256.Sum256([]byte(strings.Join(s.asked, ",")))
	return "-" + hex.EncodeToString(sum[:4])
}

func (s *stream) ended() bool { return slices.Min(s.ranks) >= finalRank }

// run writes what is unknown, known, and what follows, until all statuses are final, the client has gone, or the time
// is over. Errors of a backend after the first event end the stream; the client connects again.
func (s *stream) run(ctx context.Context, known []*status.Status) error {
	watch := s.delivery.Watcher.Watch(s.imageIDs...)
	defer watch.Stop()
	if err := s.write("retry: %d\n\n", reconnectMillis); err != nil {
		return nil // the client has gone
	}
	for at, id := range s.asked {
		if s.places[at] >= 0 {
			continue
		}
		if err := s.sendUnknown(id); err != nil {
			return nil // the client has gone
		}
	}
	for _, one := range known {
		if err := s.send(one); err != nil {
			return nil // the client has gone
		}
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for !s.ended() {
		select {
		case _, open := <-watch.C:
			if !open || s.sendChanged(ctx, watch.Take()) != nil {
				return nil
			}
		case <-beat.C:
			if s.write(":\n\n") != nil {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
	_ = s.write("event: end\ndata: {}\n\n") // the client may have gone
	return nil
}

func (s *stream) sendChanged(ctx context.Context, changes []status.Change) error {
	for _, change := range changes {
		if s.ranks[slices.Index(s.imageIDs, change.ImageID)] == lastRank {
			continue
		}
		known, err := s.delivery.read(ctx, s.delivery.readerAfter(change), change.ImageID)
		if err != nil {
			return err
		}
		if err := s.send(known); err != nil {
			return err
		}
	}
	return nil
}

// send writes a status unless the client knows it.
func (s *stream) send(known *status.Status) error {
	i := slices.Index(s.imageIDs, known.ImageID)
	rank := stateRanks[known.State]
	if rank <= s.ranks[i] {
		return nil
	}
	s.ranks[i] = rank
	line := jsonhttp.Encode(s.delivery.link(s.request, known))
	return s.write("id: %s\nevent: status\ndata: %s\n", s.eventID(), line)
}

// sendUnknown says that an ID, which may be any text, has no image.
func (s *stream) sendUnknown(id string) error {
	return s.write("event: unknown\ndata: %s\n", jsonhttp.Encode(map[string]string{"image_id": id}))
}

func (s *stream) write(format string, values ...any) error {
	_, err := fmt.Fprintf(s.writer, format, values...) //nolint:gosec // no browser takes text/event-stream for HTML
	if err != nil {
		return err
	}
	return s.response.Flush()
}
