package events_test

import (
	"bytes"
	"io"
	"net/http"
	"reflect"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gitlab.com/yourorg/image-service/events"
)

// FuzzDecode reads any request as an event, in structured and in binary mode. The payload that Decode accepts must be
// valid by Go and by schema, and be the same when it is sent on.
func FuzzDecode(f *testing.F) {
	schemas := map[string]*jsonschema.Schema{}
	for _, k := range kinds {
		eventType := k.payload.EventType()
		schemas[eventType] = compile(f, "schema/"+eventType+".json")
		e := encode(f, k.payload, envelope)
		structured, err := format.JSON.Marshal(&e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(structured, eventType, "1")
		f.Add(e.Data(), eventType, "1")
	}
	for _, v := range verdicts {
		if len(v.patch) < 1000 {
			f.Add(patched(f, v.eventType, v.patch), v.eventType, "1")
		}
	}
	const old = `{"specversion":"0.3","id":"1","source":"/","type":"image.failed",` +
		`"datacontentencoding":"base64","data":"e30="}`
	f.Add([]byte(old), "", "")
	const both = `{"specversion":"1.0","id":"1","source":"/","type":"image.failed","data_base64":"e30=","data":{}}`
	f.Add([]byte(both), "image.failed", " ")

	f.Fuzz(func(t *testing.T, body []byte, eventType, id string) {
		structured := http.Header{"Content-Type": {event.ApplicationCloudEventsJSON}}
		binary := http.Header{
			"Content-Type":   {event.ApplicationJSON},
			"Ce-Specversion": {"1.0"}, "Ce-Source": {"/"}, "Ce-Id": {id}, "Ce-Type": {eventType},
		}
		for _, header := range []http.Header{structured, binary} {
			request := cehttp.NewMessage(header, io.NopCloser(bytes.NewReader(body)))
			e, err := binding.ToEvent(t.Context(), request)
			if err != nil {
				continue
			}
			for _, k := range kinds {
				payload, err := k.decode(*e)
				if err != nil {
					checkInvalid(t, err, ": ")
					continue
				}
				checkSentOn(t, k, payload, schemas[e.Type()])
			}
		}
	})
}

// withoutEmpty returns a payload as Encode writes it, without lists that are empty.
func withoutEmpty(payload events.Payload) events.Payload {
	if made, ok := payload.(events.ImageThumbnailed); ok && len(made.Renditions) == 0 {
		made.Renditions = nil
		return made
	}
	return payload
}

// checkSentOn wants a payload that was decoded to be valid, and to be the same after another Encode and Decode.
func checkSentOn(t *testing.T, k kind, payload events.Payload, schema *jsonschema.Schema) {
	t.Helper()
	if err := payload.Validate(); err != nil {
		t.Errorf("decoded %+v: %v", payload, err)
	}
	e := encode(t, payload, envelope)
	if again, err := k.decode(e); err != nil || !reflect.DeepEqual(again, withoutEmpty(payload)) {
		t.Errorf("sent on %+v, %v, want %+v", again, err, payload)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data()))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(data); err != nil {
		t.Errorf("data %s: %v", e.Data(), err)
	}
}
