package auth

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// A credential is all that was sent, and cannot be read as two.
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
		credential, refused := credentialFrom(header)
		if refused != nil {
			if credential != "" {
				t.Errorf("got %q with a refusal, want nothing", credential)
			}
			return
		}
		if credential == "" || len(credential) > maxCredential || strings.ContainsAny(credential, " ,;\"\r\n\t\x00") {
			t.Errorf("got %q, want a credential", credential)
		}
		if authorization != "" && key != "" || !strings.HasSuffix(strings.TrimRight(authorization, " ")+key, credential) {
			t.Errorf("%q and %q: got %q, want all of one of them", authorization, key, credential)
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
		"no proxy":                {0, "192.0.2.1:1234", []string{"203.0.113.9"}, "192.0.2.1"},
		"one proxy":               {1, "10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"forged entry":            {1, "10.0.0.1:1", []string{"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
		"forged header":           {1, "10.0.0.1:1", []string{"203.0.113.9", "192.0.2.1"}, "192.0.2.1"},
		"three, as on Knative":    {3, "127.0.0.1:1", []string{"203.0.113.9, 192.0.2.1, 10.0.0.2, 10.0.0.3"}, "192.0.2.1"},
		"fewer than expected":     {3, "10.0.0.1:1", []string{"203.0.113.9, 192.0.2.1"}, "10.0.0.1"},
		"no header":               {1, "10.0.0.1:1", nil, "10.0.0.1"},
		"no address":              {1, "10.0.0.1:1", []string{"192.0.2.1, <script>"}, "10.0.0.1"},
		"empty entry":             {1, "10.0.0.1:1", []string{"192.0.2.1, "}, "10.0.0.1"},
		"with a port":             {1, "10.0.0.1:1", []string{"192.0.2.1:5678"}, "192.0.2.1"},
		"IPv6":                    {1, "10.0.0.1:1", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		"IPv6 with a port":        {1, "10.0.0.1:1", []string{"[2001:db8:1:2:3:4:5:6]:80"}, "2001:db8:1:2::/64"},
		"IPv4 in IPv6":            {0, "[::ffff:192.0.2.1]:80", nil, "192.0.2.1"},
		"with a zone":             {0, "[fe80::1%eth0]:80", nil, "fe80::/64"},
		"peer without an address": {0, "@", nil, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			if test.forwarded != nil {
				r.Header["X-Forwarded-For"] = test.forwarded
			}
			if got := clientAddress(r, test.proxies); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Any header gives an address, and entries before the trusted ones cannot change it.
func FuzzForwardedFor(f *testing.F) {
	f.Add("203.0.113.9, 192.0.2.1", 1, "198.51.100.7")
	f.Add("[2001:db8::1]:80,fe80::1%x", 2, "::1")
	f.Add(",,,", 16, "")
	f.Fuzz(func(t *testing.T, forwarded string, proxies int, forged string) {
		if proxies < 1 || proxies > 16 || strings.Count(forwarded, ",")+1 < proxies {
			return
		}
		address := func(value string) string {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["X-Forwarded-For"] = []string{value}
			return clientAddress(r, proxies)
		}
		got := address(forwarded)
		if _, err := netip.ParseAddr(got); err != nil {
			if _, err := netip.ParsePrefix(got); err != nil {
				t.Errorf("%q: got %q, want an address or a network", forwarded, got)
			}
		}
		if other := address(forged + "," + forwarded); other != got {
			t.Errorf("%q: got %s, and with %q before it %s; want the same", forwarded, got, forged, other)
		}
	})
}
