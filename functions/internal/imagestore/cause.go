package imagestore

import (
	"net/url"

	"gitlab.com/yourorg/image-service/events"
)

// The metadata of an original and of its thumbnail that names the event which brought the image.
const (
	causeSource = "Cause-Source"
	causeID     = "Cause-Id"
)

// maxEncodedCause is less than S3's 2 KB for all metadata of an object leave beside a file name.
const maxEncodedCause = 640

// FitsMetadata reports whether the source and ID of a cause can be stored with an image: together they have at most 640
// bytes as encodeMetadata writes them.
func FitsMetadata(cause events.Cause) bool {
	return len(encodeMetadata(cause.Source))+len(encodeMetadata(cause.ID)) <= maxEncodedCause
}

// SetCause has the cause of an image stored with it; a zero cause is not stored. It must fit: see FitsMetadata.
func (a *Attributes) SetCause(cause events.Cause) {
	if cause == (events.Cause{}) {
		return
	}
	if a.Metadata == nil {
		a.Metadata = map[string]string{}
	}
	a.Metadata[causeSource] = encodeMetadata(cause.Source)
	a.Metadata[causeID] = encodeMetadata(cause.ID)
}

// Cause returns the cause that SetCause stored; zero if there is none. Only Stat and Get return it.
func (i *Info) Cause() events.Cause {
	source, sourceErr := url.PathUnescape(i.Metadata[causeSource])
	id, idErr := url.PathUnescape(i.Metadata[causeID])
	if sourceErr != nil || idErr != nil || source == "" || id == "" { // another program wrote it
		return events.Cause{}
	}
	return events.Cause{Source: source, ID: id}
}
