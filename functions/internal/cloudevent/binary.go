package cloudevent

import (
	"net/http"
	"strings"

	"gitlab.com/yourorg/image-service/events"
)

// attributePrefix begins the header of an attribute in binary mode, in the canonical form of net/http.
const attributePrefix = "Ce-"

// decodeHeader returns a header whose attributes are decoded. It leaves the caller's as it is.
func decodeHeader(header http.Header) (http.Header, error) {
	decoded := header.Clone()
	for key, values := range header {
		name, isAttribute := strings.CutPrefix(key, attributePrefix)
		if !isAttribute || name == "" || len(values) == 0 { // the SDK's reader does not get a nameless one
			continue
		}
		name = strings.ToLower(name)
		if err := checkName(name); err != nil {
			return nil, err
		}
		value := events.DecodeAttribute(name, values[0])
		if name == "time" {
			value = upperTime(value)
		}
		decoded[key] = []string{value}
	}
	return decoded, nil
}
