package imagestore

import "strconv"

// engine is the name of the metadata of a rendition, the thumbnail among them, with the version of the engine that made
// it.
const engine = "Engine"

// SetEngine has the version of the engine that made a rendition stored with it.
func (a *Attributes) SetEngine(version int) {
	if a.Metadata == nil {
		a.Metadata = map[string]string{}
	}
	a.Metadata[engine] = strconv.Itoa(version)
}

// Engine returns the version that SetEngine stored; 0, which is before all versions, if there is none. Only Stat and
// Get return it.
func (i *Info) Engine() int {
	version, err := strconv.Atoi(i.Metadata[engine])
	if err != nil || version < 0 { // another program wrote it, or this one before it had versions
		return 0
	}
	return version
}
