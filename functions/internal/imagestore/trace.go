package imagestore

// traceParent is the metadata of an original with the trace of the request that brought it.
const traceParent = "Traceparent"

// SetTrace has the trace of an image stored with it, as a W3C traceparent, so that whoever announces the image later
// goes on with the trace. "" is not stored.
func (a *Attributes) SetTrace(traceparent string) {
	if traceparent == "" {
		return
	}
	if a.Metadata == nil {
		a.Metadata = map[string]string{}
	}
	a.Metadata[traceParent] = traceparent
}

// Trace returns what SetTrace stored, or "". Only Stat and Get return it.
func (i *Info) Trace() string { return i.Metadata[traceParent] }
