package auth

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// FuzzCredentials wants what is taken for a credential to be all of what was sent, and nothing that could mean two.
func FuzzCredentials(f *testing.F) {
	f.Add("Bearer abc", "")
	f.Add("bearer  a.b.c==", "")
	f.Add("", "isk_abc")
	f.Add("Basic YTpi", "x")
	f.Add("Bearer a, Bearer b", "")
	f.Fuzz(func(t *testing.T, authorization, key string) {
		header := http.Header{}
		if authorization != "" {
			header.Add("Authorization", authorization)
		}
		if key != "" {
			header.Add("X-Api-Key", key)
		}
		credential, refused := credentialOf(header)
		if refused != nil {
			if credential != "" {
				t.Errorf("refused, with %q", credential)
			}
			return
		}
		if credential == "" || len(credential) > maxCredential || strings.ContainsAny(credential, " ,;\"\r\n\t\x00") {
			t.Errorf("took %q", credential)
		}
		if authorization != "" && key != "" || !strings.HasSuffix(strings.TrimRight(authorization, " ")+key, credential) {
			t.Errorf("of %q and %q took %q", authorization, key, credential)
		}
	})
}

func TestAddress(t *testing.T) {
	for name, test := range map[string]struct {
		proxies   int
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                  {0, "192.0.2.1:1234", []string{"203.0.113.9"}, "192.0.2.1"},
		"one":                       {1, "10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"one, and a lie":            {1, "10.0.0.1:1", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		"one, and a lie of its own": {1, "10.0.0.1:1", []string{"203.0.113.9", "192.0.2.1"}, "192.0.2.1"},
		"three, as on Knative":      {3, "127.0.0.1:1", []string{"203.0.113.9, 192.0.2.1, 10.0.0.2, 10.0.0.3"}, "192.0.2.1"},
		"fewer than expected":       {3, "10.0.0.1:1", []string{"203.0.113.9, 192.0.2.1"}, "10.0.0.1"},
		"none of them":              {1, "10.0.0.1:1", nil, "10.0.0.1"},
		"junk":                      {1, "10.0.0.1:1", []string{"192.0.2.1, <script>"}, "10.0.0.1"},
		"an empty one":              {1, "10.0.0.1:1", []string{"192.0.2.1, "}, "10.0.0.1"},
		"with a port":               {1, "10.0.0.1:1", []string{"192.0.2.1:5678"}, "192.0.2.1"},
		"IPv6":                      {1, "10.0.0.1:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		"IPv6 with a port":          {1, "10.0.0.1:1", []string{"[2001:db8:1:2:3:4:5:6]:80"}, "2001:db8:1:2::/64"},
		"IPv4 in IPv6":              {0, "[::ffff:192.0.2.1]:80", nil, "192.0.2.1"},
		"with a zone":               {0, "[fe80::1%eth0]:80", nil, "fe80::/64"},
		"no address at all":         {0, "@", nil, "unknown"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		if test.forwarded != nil {
			r.Header["X-Forwarded-For"] = test.forwarded
		}
		if got := addressOf(r, test.proxies); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// FuzzForwardedFor wants an address, whatever comes, and one that no entry in front of the trusted ones can change.
func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.9, 192.0.2.1", 1, "198.51.100.7")
	f.Add("[2001:db8::1]:80,fe80::1%x", 2, "::1")
	f.Add(",,,", 16, "")
	f.Fuzz(func(t *testing.T, forwarded string, proxies int, lie string) {
		if proxies < 1 || proxies > 16 || strings.Count(forwarded, ",")+1 < proxies {
			return
		}
		address := func(value string) string {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["X-Forwarded-For"] = []string{value}
			return addressOf(r, proxies)
		}
		got := address(forwarded)
		if _, err := netip.ParseAddr(got); err != nil {
			if _, err := netip.ParsePrefix(got); err != nil {
				t.Errorf("%q is from %q", forwarded, got)
			}
		}
		if lied := address(lie + "," + forwarded); lied != got {
			t.Errorf("%q is from %s, and with %q in front from %s", forwarded, got, lie, lied)
		}
	})
}
