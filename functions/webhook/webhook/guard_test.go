package webhook

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "100.63.255.255": true, "100.128.0.0": true, "172.15.255.255": true,
		"172.32.0.0": true, "223.255.255.255": true, "11.0.0.0": true, "9.255.255.255": true, "::ffff:1.1.1.1": true,
		"2606:4700:4700::1111": true, "2001:200::1": true, "2a00:1450::1": true, "64:ff9b::1.1.1.1": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.0": false, "10.255.255.255": false, "100.64.0.0": false,
		"100.127.255.255": false, "127.0.0.1": false, "127.255.255.255": false, "169.254.169.254": false,
		"172.16.0.0": false, "172.31.255.255": false, "192.0.0.170": false, "192.0.2.1": false, "192.88.99.1": false,
		"192.168.0.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.9": false,
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.1.2.3": false, "::ffff:169.254.169.254": false,
		"::127.0.0.1": false, "::1.1.1.1": false, "::ffff:0:127.0.0.1": false, "64:ff9b::127.0.0.1": false,
		"64:ff9b::10.0.0.1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::1.1.1.1": false, "100::1": false,
		"2001::1": false, "2001:0:7f00:1::": false, "2001:2::1": false, "2001:20::1": false, "2001:db8::1": false,
		"2002:7f00:1::": false, "2002:a00:1::": false, "3fff::1": false, "5f00::1": false, "fc00::1": false,
		"fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false,
		"::ffff:127.0.0.1%eth0": false, "2606:4700::1%eth0": true,
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			err := guard{}.check(netip.MustParseAddr(address))
			if (err == nil) != want || err != nil && !errors.Is(err, errForbidden) {
				t.Errorf("check() = %v, want allowed: %t", err, want)
			}
		})
	}
}

// What is allowed is allowed in every form of the address, and nothing beside it is.
func TestGuardAllows(t *testing.T) {
	t.Parallel()
	g := guard{[]netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd00:1::/64")}}
	for address, want := range map[string]bool{
		"10.20.0.0": true, "10.20.255.255": true, "::ffff:10.20.1.1": true, "64:ff9b::10.20.1.1": true, "fd00:1::5": true,
		"fd00:1::5%eth0": true, "10.21.0.0": false, "10.19.255.255": false, "fd00:1:0:1::": false, "fd00:2::5": false,
		"::10.20.1.1": false, "2002:0a14:0101::": false, "1.1.1.1": true,
	} {
		if err := g.check(netip.MustParseAddr(address)); (err == nil) != want {
			t.Errorf("check(%s) = %v, want allowed: %t", address, err, want)
		}
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for network, want := range map[string]bool{
		"10.0.0.0/8": true, "127.0.0.1/32": true, "::1/128": true, "fd00::/8": true, "0.0.0.0/0": true,
		"10.0.0.1/8": false, "10.0.0.0": false, "::ffff:10.0.0.0/104": false, "10.0.0.0/33": false, "fe80::%eth0/10": false,
		"localhost": false, "10.0.0.0/8 ": false, "010.0.0.0/8": false,
	} {
		if got := isNetwork(network); got != want {
			t.Errorf("isNetwork(%q) = %t, want %t", network, got, want)
		}
	}
}

// An address that is not allowed is not connected to, however it is written, and whatever a name resolves to.
func TestForbiddenAddresses(t *testing.T) {
	t.Parallel()
	inside := receive(t, nil)
	port := portOf(t, inside)
	var n names
	n.set("127.0.0.1")
	for _, host := range []string{
		"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost", "inside.example", "inside.example.",
		"127.0.0.1.example", "metadata.google.internal",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			f := serve(t, document([3]string{"orders", "http://" + host + ":" + port, NewSecret()}),
				"WEBHOOK_ALLOW_NETWORKS=10.0.0.0/8")
			resolveBy(f, &n)
			got := f.deliver("orders", thumbnailed(t))
			if got.status != 503 || f.count("orders", forbidden)+f.count("orders", unreachable) != 1 {
				t.Errorf("the Broker gets %+v, want 503", got)
			}
		})
	}
	t.Cleanup(func() {
		if got := inside.got(); len(got) > 0 {
			t.Errorf("an address that is not allowed got %v", got)
		}
	})
}

// A name that resolves to an allowed address at first gains nothing by resolving to another one later.
func TestRebinding(t *testing.T) {
	t.Parallel()
	to := receive(t, nil)
	var n names
	n.set("127.0.0.1")
	f := serve(t, document([3]string{"orders", "http://rebind.example:" + portOf(t, to), NewSecret()}), loopback)
	resolveBy(f, &n)
	if got := f.deliver("orders", thumbnailed(t)); got.status != 200 {
		t.Fatalf("the Broker gets %+v, want 200", got)
	}
	for _, address := range []string{"127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "64:ff9b::7f00:2"} {
		n.set(address)
		f.client.CloseIdleConnections()
		before := f.count("orders", forbidden)
		if got := f.deliver("orders", thumbnailed(t)); got.status != 503 || f.count("orders", forbidden) != before+1 {
			t.Errorf("%s: the Broker gets %+v, want 503, counted as forbidden", address, got)
		}
	}
	if got := len(to.got()); got != 1 {
		t.Errorf("the endpoint got %d requests, want one", got)
	}
}

// A proxy would connect to what the dialer does not see.
func TestNoProxy(t *testing.T) {
	t.Parallel()
	client := newClient(newDialer(guard{}))
	if client.Transport.(*http.Transport).Proxy != nil {
		t.Error("the client uses a proxy")
	}
}

func portOf(t *testing.T, r *receiver) string {
	t.Helper()
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// resolveBy has a function resolve names by another DNS server, before its first delivery.
func resolveBy(f *function, n *names) {
	dialer := newDialer(f.rules.guard)
	dialer.Resolver = n.resolver()
	f.client = newClient(dialer)
}

func TestReadGuard(t *testing.T) {
	t.Parallel()
	read := func(value string) (guard, error) {
		r := config.NewReader(func(string) string { return value })
		return readGuard(r), r.Err()
	}
	if g, err := read("10.0.0.0/8,::1/128"); err != nil || len(g.allowed) != 2 {
		t.Errorf("got %v, %v", g, err)
	}
	if _, err := read("10.0.0.1/8"); err == nil {
		t.Error("a network with bits behind its length is accepted")
	}
}
