package ownership

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
)

var version8 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// An ID belongs to its owner, and to nobody else.
func TestOwner(t *testing.T) {
	namespace, seen := uuid.New(), map[string]bool{}
	for _, owner := range []string{"ada", "bob", "https://issuer.example|ada", "ada\x00"} {
		t.Run(fmt.Sprintf("%q", owner), func(t *testing.T) {
			ids := []string{DerivedID(namespace, owner, "name"), DerivedID(uuid.NameSpaceURL, owner, "name")}
			for range 20 {
				ids = append(ids, NewID(owner))
			}
			for _, id := range ids {
				if !version8.MatchString(id) || !events.IsImageID(id) || !Owns(owner, id) {
					t.Errorf("%s is not an ID of version 8 that %q owns", id, owner)
				}
				for _, other := range []string{"", "eve", "ad", "ada ", owner + "a"} {
					if Owns(other, id) {
						t.Errorf("%q owns %s of %q", other, id, owner)
					}
				}
				if seen[id] {
					t.Errorf("%s is not unique", id)
				}
				seen[id] = true
			}
			if again := DerivedID(namespace, owner, "name"); again != ids[0] {
				t.Errorf("DerivedID() = %s, and then %s", ids[0], again)
			}
		})
	}
}

// Every byte of an ID is part of the proof of ownership.
func TestChangedIDHasNoOwner(t *testing.T) {
	id := uuid.MustParse(NewID("ada"))
	for i := range id {
		t.Run(fmt.Sprintf("byte %d", i), func(t *testing.T) {
			changed := id
			changed[i] ^= 0x01
			if Owns("ada", changed.String()) {
				t.Errorf("Owns(%s) = true, want false", changed)
			}
		})
	}
}

func TestNobodyOwnsIDsWithoutOwner(t *testing.T) {
	for name, id := range map[string]string{
		"empty":     "",
		"not an ID": "x",
		"new":       NewID(""),
		"derived":   DerivedID(uuid.New(), "", "name"),
		"nil":       uuid.Nil.String(),
		"max":       uuid.Max.String(),
	} {
		t.Run(name, func(t *testing.T) {
			if Owns("ada", id) || Owns("", id) {
				t.Errorf("somebody owns %q", id)
			}
		})
	}
}
