package events

import (
	"net/url"
	"strings"
)

// FormatDataRef returns the dataref of an object: s3://bucket/key. The key is percent-encoded, because a dataref is a
// URI. The HTTP binding encodes it once more: see EncodeHTTP and DecodeHTTP.
func FormatDataRef(bucket, key string) string {
	return (&url.URL{Scheme: "s3", Host: bucket, Path: "/" + key}).String()
}

// ParseDataRef reads what FormatDataRef wrote. It accepts no other scheme: a service that fetches any address that a
// caller names gives access to the network behind it (SSRF). The error wraps ErrInvalid.
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
