package events_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gitlab.com/yourorg/image-service/events"
)

// before has the schemas of an earlier version, the one whose objects functions/upload/service reads in TestUpgrade.
const before = "testdata/schema-2026-11-29"

// Events of an earlier version, which are on the topics during an upgrade, are read; and events of this version are as
// the earlier one expects them, which reads them while both run, and after a rollback.
func TestUpgrade(t *testing.T) {
	entries, err := os.ReadDir(before)
	if err != nil || len(entries) < 5 {
		t.Fatalf("%s has %d schemas, %v; want at least 5", before, len(entries), err)
	}
	for _, entry := range entries {
		eventType := strings.TrimSuffix(entry.Name(), ".json")
		t.Run(eventType, func(t *testing.T) {
			name := path.Join(before, entry.Name())
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var earlier document
			if err := json.Unmarshal(text, &earlier); err != nil {
				t.Fatal(err)
			}
			current := kindNamed(t, eventType)
			for _, example := range earlier.Examples {
				if _, err := current.decode(dataEvent(eventType, example)); err != nil {
					t.Errorf("an event of the earlier version is not read: %v\n%s", err, example)
				}
			}
			checkConforms(t, name, current.payload)
		})
	}
}

// checkConforms checks that a payload is valid by the schema in a file.
func checkConforms(t *testing.T, name string, payload events.Payload) {
	t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := compile(t, name).Validate(value); err != nil {
		t.Errorf("the earlier version does not expect this event: %v\n%s", err, data)
	}
}
