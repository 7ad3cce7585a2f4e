package otlp

import (
	"cmp"
	"encoding/hex"
	"strings"
)

// A Trace is the spans of one. The name of a span is that of its function, as in "upload: receive".
type Trace struct {
	Spans map[string]Span
	names map[string]string // by ID
}

// Trace returns what has arrived of a trace.
func (r *Receiver) Trace(id string) Trace {
	t := Trace{map[string]Span{}, map[string]string{}}
	for _, span := range r.Spans() {
		if hex.EncodeToString(span.GetTraceId()) == id {
			name := strings.TrimPrefix(span.Service, "image-service-") + ": " + span.GetName()
			t.Spans[name], t.names[hex.EncodeToString(span.GetSpanId())] = span, name
		}
	}
	return t
}

// Parents returns the name of each span's parent: its ID if that span has not arrived, and "" for a root.
func (t Trace) Parents() map[string]string {
	parents := map[string]string{}
	for name, span := range t.Spans {
		parent := hex.EncodeToString(span.GetParentSpanId())
		parents[name] = cmp.Or(t.names[parent], parent)
	}
	return parents
}
