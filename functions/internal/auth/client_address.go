package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// clientAddress returns the address that a request is counted under; an IPv6 address is counted by its /64, which is
// what one household has. Each proxy appends to X-Forwarded-For the address that it got the request from. With n
// trusted proxies the client is the nth entry from the end, and entries before it may be forged. A request that passed
// fewer proxies is counted under the address of its connection.
func clientAddress(r *http.Request, proxies int) string {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	if forwarded := forwardedFor(r.Header, proxies); forwarded != "" {
		peer = forwarded
	}
	return networkOf(peer)
}

// forwardedFor returns the nth address of X-Forwarded-For from the end, counted from 1; "" if there is none.
func forwardedFor(header http.Header, n int) string {
	if n == 0 {
		return ""
	}
	entries := strings.Split(strings.Join(header.Values("X-Forwarded-For"), ","), ",")
	if len(entries) < n {
		return ""
	}
	entry := strings.TrimSpace(entries[len(entries)-n])
	if host, _, err := net.SplitHostPort(entry); err == nil { // some proxies add the port
		entry = host
	}
	if _, err := netip.ParseAddr(entry); err != nil {
		return ""
	}
	return entry
}

func networkOf(text string) string {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "unknown"
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	prefix, _ := address.Prefix(64) // it fails for lengths above 128
	return prefix.String()
}
