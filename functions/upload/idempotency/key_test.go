package idempotency

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

func requestWith(keys ...string) *http.Request {
	return &http.Request{Header: http.Header{"Idempotency-Key": keys}}
}

func TestKey(t *testing.T) {
	longest := strings.Repeat("a", 255)
	for name, test := range map[string]struct {
		request *http.Request
		want    string
	}{
		"without":         {requestWith(), ""},
		"bare":            {requestWith("8e03978e"), "8e03978e"},
		"in quotes":       {requestWith(`"8e03978e"`), "8e03978e"},
		"one quote":       {requestWith(`"`), `"`},
		"empty in quotes": {requestWith(`""`), `""`},
		"with spaces":     {requestWith("a b"), "a b"},
		"longest":         {requestWith(longest), longest},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Key(test.request); got != test.want || err != nil {
				t.Errorf("Key() = %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestBadKey(t *testing.T) {
	for name, request := range map[string]*http.Request{
		"empty":         requestWith(""),
		"not ASCII":     requestWith("ä"),
		"a tab":         requestWith("a\tb"),
		"too long":      requestWith(strings.Repeat("a", 256)),
		"two keys":      requestWith("a", "b"),
		"one key twice": requestWith("a", "a"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Key(request)
			var refused *apierror.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || refused.Code != "bad_idempotency_key" {
				t.Errorf("Key() = %q, %v; want 400 bad_idempotency_key", got, err)
			}
		})
	}
}

// The ID of an event's image must not change: an event that is delivered again after an upgrade is the same event.
func TestEventImageID(t *testing.T) {
	const want = "f95924ba-732c-5dba-9ccd-b330a31a9b3d"
	for _, event := range [][2]string{
		{"/scanner", "tray 7 ü"}, {"/scanner", "tray%207%20%C3%BC"}, {"/scanner", "tray%25207%2520%C3%BC"},
		{"/sc%61nner", "tray 7 ü"}, {"/scanner", " tray 7 ü%20"},
	} {
		t.Run(strings.Join(event[:], " "), func(t *testing.T) {
			if got := EventImageID("", event[0], event[1]); got != want {
				t.Errorf("EventImageID() = %s, want %s", got, want)
			}
		})
	}
	for name, other := range map[string]string{
		"another source": EventImageID("", "/scanner/2", "tray 7 ü"),
		"another ID":     EventImageID("", "/scanner", "tray 7 u"),
		"an owner":       EventImageID("ada", "/scanner", "tray 7 ü"),
	} {
		t.Run(name, func(t *testing.T) {
			if other == want {
				t.Errorf("EventImageID() = %s, want another", other)
			}
		})
	}
}

// Each key and index has an ID of its own, which is a UUID like any other.
func TestKeyImageID(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []string{"a", "b", "a 1", "a1"} {
		for index := range 12 {
			t.Run(fmt.Sprintf("%s at %d", key, index), func(t *testing.T) {
				id := KeyImageID("", key, index)
				if seen[id] || uuid.Validate(id) != nil || id != strings.ToLower(id) {
					t.Errorf("KeyImageID() = %s, want a new UUID in lower case", id)
				}
				if again := KeyImageID("", key, index); again != id {
					t.Errorf("KeyImageID() = %s, and then %s", id, again)
				}
				seen[id] = true
			})
		}
	}
}
