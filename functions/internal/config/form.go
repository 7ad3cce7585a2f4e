package config

import (
	"net"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// IsAddress reports whether text is a host, or host:port with a port from 1 to 65535.
func IsAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = text, "1"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0 && IsHost(host)
}

// IsHostPort reports whether text is host:port with a port from 1 to 65535.
func IsHostPort(text string) bool {
	_, _, err := net.SplitHostPort(text)
	return err == nil && IsAddress(text)
}

// IsHost reports whether text could be the name or the IP address of a host.
func IsHost(text string) bool {
	return net.ParseIP(strings.Trim(text, "[]")) != nil || len(text) <= 253 && hostName.MatchString(text)
}

// Host names on the Internet have no underscores, but some in container networks do.
var hostName = lazyregexp.New(
	`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// Quote returns value as it may be shown: without what precedes an @, which may be a password.
func Quote(value string) string {
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		value = "..." + value[at:]
	}
	return strconv.Quote(value)
}
