package imagestore

import (
	"crypto/sha256"
	"encoding/hex"
)

// lane is the name of the metadata with the lane of an image.
const lane = "Lane"

// laneBytes keeps lanes coarse: one may have several clients, so that it does not say who stored an image.
const laneBytes = 2

// SetLane has the lane of an image's owner stored with it, by which images of one client wait for each other rather
// than those of other clients for them. Nobody's images have no lane.
func (a *Attributes) SetLane(owner string) {
	if owner == "" {
		return
	}
	if a.Metadata == nil {
		a.Metadata = map[string]string{}
	}
	sum := sha256.Sum256([]byte("image-service: lane of an owner\x00" + owner))
	a.Metadata[lane] = hex.EncodeToString(sum[:laneBytes])
}

// Lane returns the lane that SetLane stored; "" if there is none. Only Stat and Get return it.
func (i *Info) Lane() string {
	found := i.Metadata[lane]
	if len(found) != 2*laneBytes { // another program wrote it
		return ""
	}
	return found
}
