package keep

import (
	"net/http/httptest"
	"testing"
)

// A page of another site can not put letters back with somebody's browser.
func TestOtherSitesPutNothingBack(t *testing.T) {
	for name, header := range map[string][2]string{
		"a form of another site": {"Sec-Fetch-Site", "cross-site"},
		"a neighbour":            {"Sec-Fetch-Site", "same-site"},
		"an old browser":         {"Origin", "https://evil.example"},
	} {
		r := httptest.NewRequest("POST", "/redrive", nil)
		r.Header.Set(header[0], header[1])
		if err := (&keeper{}).redrive(httptest.NewRecorder(), r); err != problemOtherSite {
			t.Errorf("%s: %v", name, err)
		}
	}
}
