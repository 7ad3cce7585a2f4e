package events

import (
	"net/url"
	"strings"
)

// FormatDataRef is the dataref of an object: s3://bucket/key, the key percent-encoded, so that it is printable ASCII
// whatever the file was called (CloudEvents over HTTP do not encode attributes).
func FormatDataRef(bucket, key string) string {
	return (&url.URL{Scheme: "s3", Host: bucket, Path: "/" + key}).String()
}

// ParseDataRef reads what FormatDataRef wrote. It takes no other scheme: a service that fetches whatever address a
// caller names is a way into the network behind it. The error wraps ErrInvalid.
func ParseDataRef(ref string) (bucket, key string, err error) {
	u, err := url.Parse(ref)
	if err != nil || u.Scheme != "s3" || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", "", invalid("dataref is %.90q, expected s3://bucket/key", ref)
	}
	object := ImageReceived{Bucket: u.Host, ObjectName: strings.TrimPrefix(u.Path, "/")}
	if err := object.Validate(); err != nil {
		return "", "", err
	}
	return object.Bucket, object.ObjectName, nil
}
