package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

var allowNetworks = config.List{Name: "WEBHOOK_ALLOW_NETWORKS",
	Form: config.Form{Expected: "a network such as 10.20.0.0/16 or fd00:1::/64", Valid: isNetwork},
	Doc: "Networks that are not public, and that endpoints may have an address in. Of all others, only public addresses " +
		"are connected to, whatever a host name resolves to."}

// isNetwork refuses a network with bits behind its length, which is a typing error, and one of IPv4 addresses in IPv6,
// which no address is compared as.
func isNetwork(text string) bool {
	network, err := netip.ParsePrefix(text)
	return err == nil && network == network.Masked() && !network.Addr().Is4In6()
}

// A guard decides which addresses may be connected to.
type guard struct{ allowed []netip.Prefix }

func readGuard(r *config.Reader) (g guard) {
	for _, network := range allowNetworks.Read(r) {
		g.allowed = append(g.allowed, netip.MustParsePrefix(network)) // isNetwork has parsed it
	}
	return g
}

// errForbidden is wrapped by the error of an address that may not be connected to.
var errForbidden = errors.New("forbidden address")

// check returns an error that wraps errForbidden unless an address is public or in a network that is allowed.
func (g guard) check(address netip.Addr) error {
	address = address.Unmap().WithZone("") // no prefix contains an address with a zone
	if slices.ContainsFunc(g.allowed, func(network netip.Prefix) bool { return network.Contains(address) }) {
		return nil
	}
	if nat64.Contains(address) { // where it leads to
		bytes := address.As16()
		return g.check(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	for _, s := range special {
		if s.network.Contains(address) {
			return fmt.Errorf("%w: %s is %s", errForbidden, address, s.meaning)
		}
	}
	if address.Is6() && !globalUnicast.Contains(address) {
		return fmt.Errorf("%w: %s is not a public address", errForbidden, address)
	}
	return nil
}

var (
	// globalUnicast has all public addresses of IPv6. Beside it are loopback, unique local, link-local, site-local and
	// multicast addresses, and those with IPv4 addresses in them.
	globalUnicast = netip.MustParsePrefix("2000::/3")
	// nat64 has an IPv4 address in its last 32 bits (RFC 6052). Clusters without IPv4 reach public addresses by it.
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// special are the networks within those of public addresses that are not public, or through which one gets to others:
// https://www.iana.org/assignments/iana-ipv4-special-registry and
// https://www.iana.org/assignments/iana-ipv6-special-registry.
var special = []struct {
	network netip.Prefix
	meaning string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a carrier (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (RFC 1122)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local (RFC 3927), as metadata of clouds is"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "for protocols (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "for 6to4 relays (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},
	{netip.MustParsePrefix("2001::/23"), "for protocols such as Teredo (RFC 2928)"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation (RFC 3849)"},
	{netip.MustParsePrefix("2002::/16"), "of 6to4 (RFC 3056)"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation (RFC 9637)"},
}

// dialTimeout bounds each attempt to connect.
const dialTimeout = 10 * time.Second

// newDialer returns a dialer that judges each address when it connects to it. A name that resolves to another address
// than a moment ago, or than at a check before, gains nothing by that.
func newDialer(g guard) *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, Control: g.control}
}

// control is for net.Dialer, which calls it with each address, by numbers, before it connects.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	dialled, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	return g.check(dialled.Addr())
}
