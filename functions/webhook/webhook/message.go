package webhook

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// checks has the types that endpoints may choose, and what checks an event of each.
var checks = map[string]func(event.Event) error{
	events.TypeImageThumbnailed: check[events.ImageThumbnailed],
	events.TypeImageFailed:      check[events.ImageFailed],
	events.TypeImageDeleted:     check[events.ImageDeleted],
}

func check[P events.Payload](e event.Event) error {
	_, err := events.Decode[P](e)
	return err
}

// types returns the names of the types, in the order of an image's life.
func types() (names []string) {
	for _, declared := range events.Types() {
		if checks[declared.Name] != nil {
			names = append(names, declared.Name)
		}
	}
	return names
}

// The text that is signed is ID, time and body, with full stops between them. As a digit never follows a full stop in
// an ID, no part of it can be taken for the time, nor for the body, which begins with {. The service sends no others.
var (
	idForm   = lazyregexp.New(`^[A-Za-z0-9/_:.-]{1,200}$`)
	likeTime = lazyregexp.New(`\.[0-9]`)
)

// A message is what endpoints get of an event.
type message struct {
	id   string
	body []byte
}

// newMessage fails with events.ErrInvalid if an event is not one that this service would send.
func newMessage(e event.Event) (message, error) {
	if !idForm.MatchString(e.ID()) || likeTime.MatchString(e.ID()) {
		return message{}, fmt.Errorf("%w: id is %.90q, expected 1 to 200 letters, digits and / _ : . - "+
			"without a digit after a full stop", events.ErrInvalid, e.ID())
	}
	if e.Time().IsZero() {
		return message{}, fmt.Errorf("%w: time is missing", events.ErrInvalid)
	}
	if err := checks[e.Type()](e); err != nil {
		return message{}, err
	}
	body, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{e.Type(), e.Time().UTC(), e.Data()})
	if err != nil {
		return message{}, fmt.Errorf("%w: %w", events.ErrInvalid, err)
	}
	return message{e.ID(), body}, nil
}
