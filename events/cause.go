package events

// A Cause names the event that brought an image to the service: an image.received. The sender of that event finds its
// result by it. An image that a client uploaded without an event has none.
type Cause struct {
	// Source and ID are the attributes of the event, as Source and ID of the CloudEvents SDK return them. They are both
	// empty if there is no cause.
	Source string `json:"source"`
	ID     string `json:"id"`
}

// Extension attributes of image.thumbnailed and image.failed that repeat their Cause, so that a Trigger can select the
// results of one sender. CausationID is described in
// https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/correlation.md; CausationSource makes it unique.
const (
	CausationID     = "causationid"
	CausationSource = "causationsource"
)

func (f *faults) checkCause(c Cause) {
	f.check((c.Source == "") == (c.ID == ""), "cause has the source %.90q and the id %.90q, expected both or none",
		c.Source, c.ID)
}
