// Package deferral keeps what has to wait, so that it waits here and not in a delivery of Knative, of which there are
// few: events that name an object which does not exist yet, and images for which a process had no memory.
//
// The note of an event is an object beside the images (see imagestore.DeferredKey), and is stored when Defer returns.
// Redis knows when each is due, and is a hint: what it forgets, a scan of the notes puts back (see Restore). An image
// that waits for memory has no note, because its original is stored; what Redis forgets of those, package relay finds.
// The package decides nothing: package retry does, in the upload function.
package deferral

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

const (
	// FirstPause is the time until the first retry.
	FirstPause = time.Second
	// A note has the attributes and names in an event, which are bounded (cloudevent.MaxEvent, maxFilename); as JSON they
	// may be six times as long.
	maxNote = 1 << 20
	// maxFilename is how much of a sender's name for an image is kept, in bytes. The name of an object is far shorter.
	maxFilename = 4096
)

// A Kind is the kind of event that waits.
type Kind string

// The kinds.
const (
	// Received is an image.received whose object is to be copied.
	Received Kind = "received"
	// Uploaded is an image.uploaded, or a task of the original system, whose object is the original.
	Uploaded Kind = "uploaded"
)

// A Note has all that is needed to handle an event again.
type Note struct {
	Kind    Kind   `json:"kind"`
	ImageID string `json:"image_id"`
	// Owner is the client that sent the event; "" for nobody.
	Owner string `json:"owner,omitempty"`
	// Version is that of the object, of an image.received; "" for the latest.
	Version string `json:"version,omitempty"`
	// Event has the attributes of the event, and no data.
	Event event.Event `json:"event"`
	// Bucket and ObjectName name the object that the event waits for, and Filename is the sender's name for the image.
	Bucket     string `json:"bucket"`
	ObjectName string `json:"object_name"`
	Filename   string `json:"filename"`
	// Impossible is whether the store allows no object of that name, so that there is nothing to wait for.
	Impossible bool `json:"impossible,omitempty"`
	// Cause is the event that brings the image; zero for the kind Uploaded.
	Cause events.Cause `json:"cause,omitzero"`
}

// NewNote returns the note of an event. The caller fills in Owner and Cause.
func NewNote(kind Kind, e event.Event, imageID, bucket, object, filename string) Note {
	e = e.Clone()
	e.DataEncoded, e.DataBase64 = nil, false
	if len(filename) > maxFilename {
		filename = strings.ToValidUTF8(filename[len(filename)-maxFilename:], "") // the end has the extension
	}
	return Note{Kind: kind, ImageID: imageID, Event: e, Bucket: bucket, ObjectName: object, Filename: filename}
}

// entry returns where the note is. An event of the kind Received has an image ID of its own; those of the other kind
// may name several objects for one ID, of which each waits for itself.
func (n Note) entry() Entry {
	if n.Kind == Received {
		return Entry{ImageID: n.ImageID, Name: string(Received)}
	}
	sum := sha256.Sum256([]byte(n.Bucket + "/" + n.ObjectName))
	return Entry{ImageID: n.ImageID, Name: string(n.Kind) + "-" + hex.EncodeToString(sum[:16])}
}

// An Entry is something that waits: the note with a name about an image, or without a name the image itself, which is
// stored and is to be announced again.
type Entry struct {
	ImageID, Name string
	due           string // the time that ClaimDue has set, in seconds; "" if the entry is not from there
}

func (e Entry) key() string { return imagestore.DeferredKey(e.ImageID, e.Name) }

func (e Entry) member() string { return e.ImageID + "/" + e.Name }

// A Queue has everything that waits for a bucket. Its methods are safe for use by several goroutines; their errors are
// failures of Redis or of the image store that may pass.
type Queue struct {
	client   redis.UniversalClient
	images   *imagestore.Store
	statuses status.Keys
}

// New returns the Queue of a bucket. The caller closes the client.
func New(client redis.UniversalClient, images *imagestore.Store) *Queue {
	return &Queue{client, images, status.NewKeys(client, images.Bucket())}
}

// A Lane has the entries of one kind, which are claimed apart from others: those of one do not wait for those of
// another.
type Lane string

// The lanes.
const (
	// Events have a note, and name an object that does not exist, often for good.
	Events Lane = "due"
	// Images are stored, and wait for memory.
	Images Lane = "images"
)

// lane returns the lane that an entry is put into.
func (e Entry) lane() Lane {
	if e.Name == "" {
		return Images
	}
	return Events
}

// key is that of a sorted set: the entries of a lane by the time at which each is due.
func (q *Queue) key(l Lane) string { return "image:deferred:" + string(l) + ":" + q.tagged() }

// sinceKey is that of a sorted set: all entries by the time since which each waits.
func (q *Queue) sinceKey() string { return "image:deferred:since:" + q.tagged() }

func (q *Queue) tagged() string { return connect.Tagged(q.client, q.images.Bucket()) }

// keys are those of the sorted sets that an entry is in.
func (q *Queue) keys(entry Entry) []string { return []string{q.key(entry.lane()), q.sinceKey()} }

var enter = redis.NewScript(status.Queue + status.Now + `
queue(KEYS[3], ARGV[2], ARGV[3])
local time = now()
if ARGV[5] == 'again' or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('ZADD', KEYS[1], time + ARGV[4], ARGV[1])
end
redis.call('ZADD', KEYS[2], 'NX', time, ARGV[1])
return 1
`)

// Defer stores the note of an event, and makes the status of its image queued, unless it is further. An event that
// waits already keeps its note. It fails with events.ErrInvalid if Read would refuse the note, because it is too long.
// After another error the note may be stored, and the event may be handled.
func (q *Queue) Defer(ctx context.Context, note Note) error {
	text, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("write note about %s: %w", note.ImageID, err)
	}
	if len(text) > maxNote {
		return fmt.Errorf("%w: it has to wait for its object, and its attributes are %d bytes of JSON; expected at most %d",
			events.ErrInvalid, len(text), maxNote)
	}
	entry := note.entry()
	err = q.images.Put(ctx, entry.key(), text, imagestore.Attributes{ContentType: "application/json"})
	if err != nil && !errors.Is(err, imagestore.ErrExists) {
		return err
	}
	return q.enter(ctx, entry, FirstPause)
}

// Postpone has a stored image announced again after a pause, even if it waits already: it may have been announced
// again, and not be settled yet. Its status becomes queued, unless it is further.
func (q *Queue) Postpone(ctx context.Context, imageID string, pause time.Duration) error {
	return q.enter(ctx, Entry{ImageID: imageID}, pause)
}

func (q *Queue) enter(ctx context.Context, entry Entry, pause time.Duration) error {
	queued, err := json.Marshal(status.Status{ImageID: entry.ImageID, State: status.Queued})
	if err != nil {
		return fmt.Errorf("defer %s: %w", entry.ImageID, err)
	}
	mode := "first"
	if entry.lane() == Images {
		mode = "again"
	}
	keys, expiry := append(q.keys(entry), q.statuses.Key(entry.ImageID)), int(status.Expiry.Seconds())
	err = enter.Run(ctx, q.client, keys, entry.member(), queued, expiry, pause.Seconds(), mode).Err()
	if err != nil {
		return fmt.Errorf("defer %s: %w", entry.ImageID, err)
	}
	return nil
}

// ErrUnreadable means that a note is not one of this package: sending it again does not help.
var ErrUnreadable = errors.New("unreadable note")

// Read returns the note of an entry, and how long ago it was stored, in whole seconds and by the clock of the image
// store alone. It fails with imagestore.ErrNotFound if the note was removed, and with ErrUnreadable, and the age, if it
// makes no sense.
func (q *Queue) Read(ctx context.Context, entry Entry) (note Note, age time.Duration, err error) {
	text, info, err := q.images.GetWhole(ctx, entry.key(), maxNote)
	if info != nil {
		age = info.Served.Sub(info.Modified).Truncate(time.Second)
	}
	if errors.Is(err, imagestore.ErrTooLong) {
		return note, age, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err != nil {
		return note, 0, err
	}
	if err := json.Unmarshal(text, &note); err != nil {
		return note, age, fmt.Errorf("%w: object %q: %w", ErrUnreadable, entry.key(), err)
	}
	if !events.IsImageID(note.ImageID) || note.entry().key() != entry.key() {
		return note, age, fmt.Errorf("%w: object %q is about %.80q", ErrUnreadable, entry.key(), note.ImageID)
	}
	return note, age, nil
}

// IsReceiving reports whether an image.received waits for the object of an image.
func (q *Queue) IsReceiving(ctx context.Context, imageID string) (bool, error) {
	return q.images.Exists(ctx, q.images.Bucket(), imagestore.DeferredKey(imageID, string(Received)))
}

// An entry with another time than ARGV[2] stays, unless that is empty.
var settle = redis.NewScript(`
local stays = false
for i = 1, 2 do
  local due = redis.call('ZSCORE', KEYS[i], ARGV[1])
  if due and ARGV[2] ~= '' and tonumber(due) ~= tonumber(ARGV[2]) then
    stays = true
  else
    redis.call('ZREM', KEYS[i], ARGV[1])
  end
end
if not stays then redis.call('ZREM', KEYS[3], ARGV[1]) end
return 1
`)

// Settle removes an entry that need not wait any longer, and its note. An image that was postponed since it was claimed
// stays.
func (q *Queue) Settle(ctx context.Context, entry Entry) error {
	if entry.Name != "" {
		if err := q.images.Remove(ctx, entry.key()); err != nil {
			return err
		}
		entry.due = "" // without its note, nothing is left to wait for
	}
	keys := []string{q.key(Events), q.key(Images), q.sinceKey()} // an earlier version had a single lane
	if err := settle.Run(ctx, q.client, keys, entry.member(), entry.due).Err(); err != nil {
		return fmt.Errorf("settle %s: %w", entry.ImageID, err)
	}
	return nil
}

// Forget removes all that waits for an image, which was deleted.
func (q *Queue) Forget(ctx context.Context, imageID string) error {
	notes, err := q.images.FindDeferred(ctx, imageID)
	if err != nil {
		return err
	}
	entries := []Entry{{ImageID: imageID}}
	for _, note := range notes {
		if id, name, ok := imagestore.SplitDeferredKey(note.Key); ok {
			entries = append(entries, Entry{ImageID: id, Name: name})
		}
	}
	for _, entry := range entries {
		if err := q.Settle(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}
