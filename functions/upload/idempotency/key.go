package idempotency

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
	"gitlab.com/yourorg/image-service/functions/upload/ownership"
)

// keyHeader is https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
const keyHeader = "Idempotency-Key"

const maxKey = 255

var keyForm = lazyregexp.New(`^[ -~]+$`) // printable ASCII

// Key returns the idempotency key of a request; "" if it has none. The draft has keys in quotes; many clients leave
// them out.
func Key(r *http.Request) (string, error) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) > 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	if len(values) > 1 || len(key) > maxKey || !keyForm.MatchString(key) {
		return "", &apierror.Error{
			Status:  http.StatusBadRequest,
			Code:    apierror.CodeBadIdempotencyKey,
			Message: "Idempotency-Key must be one value of 1 to 255 printable ASCII characters",
			Limit:   maxKey,
		}
	}
	return key, nil
}

// The namespaces in which keys and events become image IDs. They are random, and must not change.
var (
	keyNamespace   = uuid.MustParse("f30ed264-0193-458b-8062-e476766821cf")
	eventNamespace = uuid.MustParse("8a6e2b0c-5b0f-4a51-9d2e-3f7c1f0a94d6")
)

// KeyImageID returns the ID of the image at an index in the requests of an owner with a key. Anyone who knows the key
// and the owner's name knows the ID.
func KeyImageID(owner, key string, index int) string {
	return ownership.DerivedID(keyNamespace, owner, key+"\n"+strconv.Itoa(index))
}

// newID returns the ID of a new image.
func newID(c accept.Candidate) string {
	if c.Grant != nil {
		return ownership.NewGrantedID(c.Owner, c.Grant.ID)
	}
	return ownership.NewID(c.Owner)
}

// keyImageID is KeyImageID for a candidate: the keys of a grant are its own, so that its holder gets no answer of the
// client's.
func keyImageID(c accept.Candidate, key string, index int) string {
	if c.Grant != nil {
		return ownership.DerivedGrantedID(keyNamespace, c.Owner, c.Grant.ID, key+"\n"+strconv.Itoa(index))
	}
	return KeyImageID(c.Owner, key, index)
}

// EventImageID returns the ID of the image of an event, which is identified by its source and its ID. It is the same
// for all deliveries of the event by one owner, in whatever mode, and whether or not its sender and the Brokers on its
// path percent-encode headers: only the canonical forms of both count (see events.Canonical).
func EventImageID(owner, source, id string) string {
	if uri := types.ParseURIRef(source); uri != nil {
		source = uri.String() // the form that the CloudEvents SDK gives it
	}
	name := strings.TrimSpace(events.Canonical(source)) + "\n" + strings.TrimSpace(events.Canonical(id))
	return ownership.DerivedID(eventNamespace, owner, name)
}
