package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/events"
)

// channelNames say where events are published.
var channelNames = map[events.Channel]string{
	events.ChannelTopic:      "the Kafka topic",
	events.ChannelBackfill:   "the Kafka topic of backfills",
	events.ChannelBroker:     "the Broker",
	events.ChannelUploadRoot: "`POST /` of `upload`",
	events.ChannelUpload:     "`POST /upload`",
}

func generateEvents() (string, error) {
	overview := table{{"type", "meaning", "published by", "published on", "received by"}}
	var details strings.Builder
	for _, declared := range events.Types() {
		overview = append(overview, []string{
			code(declared.Name), declared.Doc,
			parties(declared.Producers), channels(declared.Channels), parties(declared.Consumers),
		})
		detail, err := describeType(declared)
		if err != nil {
			return "", fmt.Errorf("describe %s: %w", declared.Name, err)
		}
		details.WriteString(detail)
	}
	return overview.String() + details.String(), nil
}

func parties(list []events.Party) string {
	names := make([]string, len(list))
	for i, party := range list {
		names[i] = string(party)
		if party == events.PartyUpload || party == events.PartyThumbnail || party == events.PartyBackfill {
			names[i] = code(party)
		}
	}
	return strings.Join(names, ", ")
}

func channels(list []events.Channel) string {
	names := make([]string, len(list))
	for i, channel := range list {
		names[i] = channelNames[channel]
	}
	return strings.Join(names, ", ")
}

// A schema is what the page shows of a JSON Schema.
type schema struct {
	Properties map[string]struct {
		Type        string `json:"type"`
		Description string `json:"description"`
	} `json:"properties"`
	Required []string          `json:"required"`
	Examples []json.RawMessage `json:"examples"`
}

// describeType returns the section about one type.
func describeType(declared events.Type) (string, error) {
	text, err := events.Schema(declared.Name)
	if err != nil {
		return "", err
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n## %s\n\n%s", declared.Name, declared.Doc)
	if declared.Source != "" {
		fmt.Fprintf(&out, " Its `source` is %s.", code(declared.Source))
	}
	if declared.WrappedAs != "" {
		fmt.Fprintf(&out, " Knative delivers it as %s where its source cannot set a type.", code(declared.WrappedAs))
	}
	fmt.Fprintf(&out, " Its data has [this schema](../../events/schema/%s.json):\n\n", declared.Name)
	out.WriteString(fields(declared, s))
	example, err := indent(s.Examples[0])
	fmt.Fprintf(&out, "\n```json\n%s\n```\n", example)
	return out.String(), err
}

// fields returns the table of the data's fields, in the order of the Go type.
func fields(declared events.Type, s schema) string {
	goType := reflect.TypeOf(declared.Payload)
	if goType.NumField() == 0 {
		return "It has no fields.\n"
	}
	rows := table{{"field", "type", "", "meaning"}}
	for i := range goType.NumField() {
		name, _, _ := strings.Cut(goType.Field(i).Tag.Get("json"), ",")
		need := "optional"
		if slices.Contains(s.Required, name) {
			need = "required"
		}
		rows = append(rows, []string{code(name), s.Properties[name].Type, need, escape(s.Properties[name].Description)})
	}
	return rows.String()
}

// escape keeps Markdown from taking <image_id> for HTML.
func escape(text string) string { return strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(text) }

func indent(text json.RawMessage) (string, error) {
	var out bytes.Buffer
	err := json.Indent(&out, text, "", "  ")
	return out.String(), err
}
