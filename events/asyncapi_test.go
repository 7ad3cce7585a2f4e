package events_test

import (
	"encoding/json"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gitlab.com/yourorg/image-service/events"
	"go.yaml.in/yaml/v3"
)

// An asyncAPI has the parts of asyncapi.yaml that the tests read.
type asyncAPI struct {
	AsyncAPI string `yaml:"asyncapi"`
	Servers  map[string]struct {
		Protocol string `yaml:"protocol"`
	} `yaml:"servers"`
	Channels   map[string]channel   `yaml:"channels"`
	Operations map[string]operation `yaml:"operations"`
	Components struct {
		Messages map[string]apiMessage `yaml:"messages"`
		Schemas  map[string]struct {
			Enum []string `yaml:"enum"`
		} `yaml:"schemas"`
	} `yaml:"components"`
}

type channel struct {
	Address  string               `yaml:"address"`
	Servers  []reference          `yaml:"servers"`
	Messages map[string]reference `yaml:"messages"`
	Bindings struct {
		Kafka struct {
			Topic string `yaml:"topic"`
		} `yaml:"kafka"`
	} `yaml:"bindings"`
}

type operation struct {
	Action   string      `yaml:"action"`
	Channel  reference   `yaml:"channel"`
	Messages []reference `yaml:"messages"`
	Bindings struct {
		Kafka struct {
			GroupID struct {
				Enum []string `yaml:"enum"`
			} `yaml:"groupId"`
		} `yaml:"kafka"`
	} `yaml:"bindings"`
}

type apiMessage struct {
	Name     string    `yaml:"name"`
	Payload  reference `yaml:"payload"`
	Examples []struct {
		Name    string         `yaml:"name"`
		Headers map[string]any `yaml:"headers"`
		Payload any            `yaml:"payload"`
	} `yaml:"examples"`
}

type reference struct {
	Ref string `yaml:"$ref"`
}

func TestAsyncAPIAddresses(t *testing.T) {
	doc := readAsyncAPI(t)
	if doc.AsyncAPI != "3.0.0" {
		t.Errorf("asyncapi = %q, want 3.0.0", doc.AsyncAPI)
	}
	tests := map[string]struct{ address, server, protocol string }{
		"topic":      {"image-processing", "kafka", "kafka"},
		"backfill":   {"image-backfill", "kafka", "kafka"},
		"broker":     {"/", "broker", "http"},
		"uploadRoot": {"/", "upload", "https"},
		"upload":     {"/upload", "upload", "https"},
	}
	if got, want := slices.Sorted(maps.Keys(doc.Channels)), slices.Sorted(maps.Keys(tests)); !slices.Equal(got, want) {
		t.Errorf("channels = %q, want %q", got, want)
	}
	for name, want := range tests {
		c := doc.Channels[name]
		if c.Address != want.address {
			t.Errorf("address of %s = %q, want %q", name, c.Address, want.address)
		}
		if servers := []reference{{"#/servers/" + want.server}}; !slices.Equal(c.Servers, servers) {
			t.Errorf("servers of %s = %q, want %q", name, c.Servers, servers)
		}
		if got := doc.Servers[want.server].Protocol; got != want.protocol {
			t.Errorf("protocol of %s = %q, want %q", want.server, got, want.protocol)
		}
	}
	for channel, operation := range map[string]struct{ name, group string }{
		"topic":    {"receiveFromTopic", "image-processor-group"},
		"backfill": {"receiveImageRender", "image-backfill-group"},
	} {
		if got := doc.Channels[channel].Bindings.Kafka.Topic; got != doc.Channels[channel].Address {
			t.Errorf("topic of the binding of %s = %q, want the address", channel, got)
		}
		group := doc.Operations[operation.name].Bindings.Kafka.GroupID.Enum
		if want := []string{operation.group}; !slices.Equal(group, want) {
			t.Errorf("group of %s = %q, want %q", operation.name, group, want)
		}
	}
}

// TestAsyncAPITypes checks that the document has the declared types of events and no others: the schema of each, the
// channels that it is published on, and whether the service sends or receives it.
func TestAsyncAPITypes(t *testing.T) {
	doc := readAsyncAPI(t)
	var types []string
	for _, declared := range events.Types() {
		types = append(types, declared.Name)
		t.Run(declared.Name, func(t *testing.T) {
			if got, want := doc.actions(declared.Name), actionsOf(declared); got != want {
				t.Errorf("actions = %q, want %q", got, want)
			}
			want := slices.Clone(declared.Channels)
			slices.Sort(want)
			if got := doc.channels(declared.Name); !slices.Equal(got, want) {
				t.Errorf("channels = %q, want %q", got, want)
			}
		})
	}
	if got := doc.Components.Schemas["type"].Enum; !slices.Equal(got, types) {
		t.Errorf("types of events = %q, want %q", got, types)
	}
	for name, m := range doc.Components.Messages {
		if name == "structured" {
			continue
		}
		if !slices.Contains(types, m.Name) {
			t.Errorf("message %s has the type %q, want one of %q", name, m.Name, types)
		}
		if want := "schema/" + m.Name + ".json"; m.Payload.Ref != "" && m.Payload.Ref != want {
			t.Errorf("message %s has the payload %q, want %q", name, m.Payload.Ref, want)
		}
	}
}

// actionsOf returns what the service does with a type of event, as doc.actions does.
func actionsOf(declared events.Type) string {
	isFunction := func(party events.Party) bool {
		return slices.Contains([]events.Party{events.PartyUpload, events.PartyThumbnail, events.PartyBackfill}, party)
	}
	var actions []string
	if slices.ContainsFunc(declared.Consumers, isFunction) {
		actions = append(actions, "receive")
	}
	if slices.ContainsFunc(declared.Producers, isFunction) {
		actions = append(actions, "send")
	}
	return strings.Join(actions, ", ")
}

// channels returns the channels that have a message of a type of event, sorted.
func (doc asyncAPI) channels(eventType string) (channels []events.Channel) {
	for name, c := range doc.Channels {
		for _, r := range c.Messages {
			if doc.Components.Messages[path.Base(r.Ref)].Name == eventType {
				channels = append(channels, events.Channel(name))
				break
			}
		}
	}
	slices.Sort(channels)
	return channels
}

// actions returns what the operations do with a type of event, sorted.
func (doc asyncAPI) actions(eventType string) string {
	actions := map[string]bool{}
	for _, o := range doc.Operations {
		for _, r := range o.Messages {
			c := doc.Channels[path.Base(o.Channel.Ref)]
			m := doc.Components.Messages[path.Base(c.Messages[path.Base(r.Ref)].Ref)]
			if m.Name == eventType {
				actions[o.Action] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(actions)), ", ")
}

// TestAsyncAPIReferences resolves every $ref: to a part of the document, or to a file.
func TestAsyncAPIReferences(t *testing.T) {
	var doc map[string]any
	unmarshalAsyncAPI(t, &doc)
	var refs []string
	collectRefs(doc, &refs)
	if len(refs) < 100 {
		t.Errorf("found %d references, want all of them", len(refs))
	}
	for _, ref := range refs {
		pointer, inside := strings.CutPrefix(ref, "#/")
		if !inside {
			if _, err := os.Stat(ref); err != nil {
				t.Errorf("$ref %q: %v", ref, err)
			}
			continue
		}
		var part any = doc
		for key := range strings.SplitSeq(pointer, "/") {
			part, _ = part.(map[string]any)[key]
			if part == nil {
				t.Errorf("$ref %q: no %q", ref, key)
				break
			}
		}
	}
}

func collectRefs(node any, refs *[]string) {
	switch node := node.(type) {
	case map[string]any:
		if ref, ok := node["$ref"].(string); ok {
			*refs = append(*refs, ref)
		}
		for _, child := range node {
			collectRefs(child, refs)
		}
	case []any:
		for _, child := range node {
			collectRefs(child, refs)
		}
	}
}

func TestAsyncAPIExamples(t *testing.T) {
	for name, m := range readAsyncAPI(t).Components.Messages {
		headers := compile(t, "asyncapi.yaml#/components/messages/"+name+"/headers")
		for _, example := range m.Examples {
			t.Run(name+" "+example.Name, func(t *testing.T) {
				if err := headers.Validate(example.Headers); err != nil {
					t.Errorf("headers: %v", err)
				}
				if example.Payload == nil {
					return
				}
				payload := compile(t, "asyncapi.yaml#/components/messages/"+name+"/payload")
				if err := payload.Validate(example.Payload); err != nil {
					t.Errorf("payload: %v", err)
				}
				data, err := json.Marshal(example.Payload)
				if err != nil {
					t.Fatal(err)
				}
				if name != "structured" {
					checkDecode(t, dataEvent(m.Name, data), "")
				}
			})
		}
	}
}

// TestAsyncAPITransports compares the headers and bodies that the SDK writes with the document.
func TestAsyncAPITransports(t *testing.T) {
	for _, k := range kinds {
		for transport, send := range transports {
			t.Run(k.payload.EventType()+" "+transport, func(t *testing.T) {
				name := messageName(k.payload.EventType())
				if strings.HasSuffix(transport, "structured") {
					name = "structured"
				}
				m := send(t, encode(t, k.payload, envelope))
				headers := map[string]any{}
				for name, value := range m.headers {
					headers[name] = value
				}
				if err := compile(t, "asyncapi.yaml#/components/messages/"+name+"/headers").Validate(headers); err != nil {
					t.Errorf("headers %q: %v", headers, err)
				}
				body, err := jsonschema.UnmarshalJSON(strings.NewReader(string(m.body)))
				if err != nil {
					t.Fatal(err)
				}
				if err := compile(t, "asyncapi.yaml#/components/messages/"+name+"/payload").Validate(body); err != nil {
					t.Errorf("body %s: %v", m.body, err)
				}
			})
		}
	}
}

// messageName returns the name of the message of a type of event: imageUploaded for image.uploaded.
func messageName(eventType string) string {
	first, second, _ := strings.Cut(eventType, ".")
	return first + strings.ToUpper(second[:1]) + second[1:]
}

// TestAsyncAPIRefuses checks that the schemas of the document refuse something.
func TestAsyncAPIRefuses(t *testing.T) {
	tests := []struct{ schema, value string }{
		{"messages/imageUploaded/headers", `{}`},
		{"messages/imageUploaded/headers",
			`{"ce-specversion":"1.0","ce-type":"image.uploaded","ce-source":"/x","ce-id":"1"}`},
		{"messages/imageReceived/headers",
			`{"ce_specversion":"1.0","ce_type":"image.uploaded","ce_source":"/x","ce_id":"1"}`},
		{"messages/imageReceived/headers",
			`{"ce_specversion":"1.0","ce_type":"image.received","ce_source":"/x","ce_id":"ü"}`},
		{"messages/imageReceivedByReference/headers",
			`{"ce_specversion":"1.0","ce_type":"image.received","ce_source":"/x","ce_id":"1"}`},
		{"schemas/dataref", `"http://images/a.jpg"`},
		{"schemas/structuredHeaders", `{"content-type":"application/json"}`},
		{"schemas/structuredEvent", `{"specversion":"1.0","type":"image.received","source":"/x","id":"1"}`},
		{"schemas/structuredEvent",
			`{"specversion":"1.0","type":"image.failed","source":"/x","id":"1","data":{"reason":"damaged"}}`},
		{"schemas/structuredEvent", `{"specversion":"1.0","type":"image.lost","source":"/x","id":"1","data":{}}`},
	}
	for _, tt := range tests {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(tt.value))
		if err != nil {
			t.Fatal(err)
		}
		if compile(t, "asyncapi.yaml#/components/"+tt.schema).Validate(value) == nil {
			t.Errorf("%s takes %s", tt.schema, tt.value)
		}
	}
}

func readAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	var doc asyncAPI
	unmarshalAsyncAPI(t, &doc)
	return doc
}

func unmarshalAsyncAPI(t *testing.T, into any) {
	t.Helper()
	data, err := os.ReadFile("asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
