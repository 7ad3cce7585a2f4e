package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// keyHeader is https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/: requests that have the same
// key are one, however often they are sent. The key decides the ids of the images, so what a request has come to is
// where all else is, in the bucket: no lock can be stuck, and nothing has to be remembered for who crashed.
const keyHeader = "Idempotency-Key"

// A key is printable ASCII. The draft has it in quotes, many clients do not.
var keyForm = regexp.MustCompile(`^[ -~]{1,255}$`)

// keyOf is the key of a request, "" for none.
func keyOf(r *http.Request) (string, error) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) > 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	if len(values) > 1 || !keyForm.MatchString(key) {
		return "", &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeBadIdempotencyKey,
			Message: "Idempotency-Key has to be one, of 1 to 255 printable characters of ASCII",
			Limit:   255,
		}
	}
	return key, nil
}

// keyedImages is the space of names in which keys become image ids. It was made at random, for this.
var keyedImages = uuid.MustParse("f30ed264-0193-458b-8062-e476766821cf")

// keyedID is the id of an image by its place in the requests of its owner under a key; "" without a key. Who knows the key
// and the owner's name knows the id.
func keyedID(owner, key string, place int) string {
	if key == "" {
		return ""
	}
	return idOf(keyedImages, owner, key+"\n"+strconv.Itoa(place))
}

// take accepts an image, once for all requests under a key. To a repetition it says what the first was told, after it has
// finished what the first may have left undone.
func (in *intake) take(ctx context.Context, o offer) (events.ImageUploaded, error) {
	if o.imageID == "" {
		return in.accept(ctx, o)
	}
	sum := sha256.New()
	o.from = io.TeeReader(o.from, sum)
	set, err := in.board.Reconcile(ctx, o.imageID)
	switch {
	case err != nil:
		return events.ImageUploaded{}, err
	case set.Original != nil:
		return in.repeat(ctx, o, set.Original, sum)
	}
	image, err := in.accept(ctx, o)
	if !errors.Is(err, imagestore.ErrExists) {
		return image, err
	}
	if set, err = in.store.Find(ctx, o.imageID); err != nil || set.Original == nil { // another request under the key was quicker
		return image, errors.Join(err, fmt.Errorf("find what was stored first: %w", imagestore.ErrNotFound))
	}
	return in.repeat(ctx, o, set.Original, sum)
}

// repeat compares an offer with what is stored under its key, and takes that for it if they are the same.
func (in *intake) repeat(ctx context.Context, o offer, stored *imagestore.Info, sum hash.Hash) (events.ImageUploaded, error) {
	name := path.Base(stored.Key)
	if o.size >= 0 && o.size != stored.Size || imagestore.SafeName(o.filename, name) != name {
		return events.ImageUploaded{}, problemKeyReused
	}
	from := &source{from: o.from, limit: in.settings.maxBytes}
	if _, err := io.Copy(io.Discard, from); err != nil {
		return events.ImageUploaded{}, from.blame(err)
	}
	same, err := in.has(ctx, stored, sum.Sum(nil))
	switch {
	case err != nil:
		return events.ImageUploaded{}, err
	case !same:
		return events.ImageUploaded{}, problemKeyReused
	}
	_, err = in.stillThere(ctx, o.imageID)
	return named(o.imageID, name), err
}

// has tells whether an object has the content with a SHA-256.
func (in *intake) has(ctx context.Context, stored *imagestore.Info, sum []byte) (bool, error) {
	object, err := in.store.GetRange(ctx, stored, 0, stored.Size)
	if err != nil {
		return false, err
	}
	defer object.Close()
	content := sha256.New()
	if _, err := io.Copy(content, object); err != nil {
		return false, fmt.Errorf("read %q: %w", stored.Key, err)
	}
	return string(content.Sum(nil)) == string(sum), nil
}

var problemKeyReused = &apierror.Error{
	Status:  http.StatusUnprocessableEntity,
	Code:    apierror.CodeIdempotencyKeyReused,
	Message: "Under this Idempotency-Key another image, or one with another name, was uploaded",
}

// took tells how long a request took, as the original system did. Under a key all are told what the first was.
func (in *intake) took(ctx context.Context, began time.Time, key, imageID string) (string, error) {
	duration := fmt.Sprintf("%.2fs", time.Since(began).Seconds())
	if key == "" {
		return duration, nil
	}
	return in.board.Remember(ctx, imageID, duration)
}
