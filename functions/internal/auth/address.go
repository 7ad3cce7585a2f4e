package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// addressOf is from where a caller comes. Each proxy appends to X-Forwarded-For who came to it, so with so many proxies
// that are ours the caller is as many entries from the end; what is in front of that the caller may have written itself.
// Who came by fewer proxies is known by the last one. Of IPv6 it is the /64: that is what a household is given.
func addressOf(r *http.Request, proxies int) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	if forwarded := forwardedFor(r.Header, proxies); forwarded != "" {
		peer = forwarded
	}
	return network(peer)
}

// forwardedFor is an address of X-Forwarded-For, counted from its end; "" if there is none, or something else.
func forwardedFor(header http.Header, place int) string {
	if place == 0 {
		return ""
	}
	entries := strings.Split(strings.Join(header.Values("X-Forwarded-For"), ","), ",")
	if len(entries) < place {
		return ""
	}
	entry := strings.TrimSpace(entries[len(entries)-place])
	if host, _, err := net.SplitHostPort(entry); err == nil { // some proxies write the port as well
		entry = host
	}
	if _, err := netip.ParseAddr(entry); err != nil {
		return ""
	}
	return entry
}

// network is what an address is counted as.
func network(text string) string {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "unknown"
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	prefix, _ := address.Prefix(64) // an IPv6 address has one
	return prefix.String()
}
