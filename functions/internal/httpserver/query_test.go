package httpserver

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// No parameter is ignored: neither one that is not known, nor one that url.Values leaves out.
func TestCheckQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                 "",
		"&":                "",
		"wait=1":           "",
		"w%61it=%20a%2Bb":  "",
		"wait":             "",
		"wait=1&width=3":   `no query parameter "width"; this path has wait`,
		"Wait=1":           `no query parameter "Wait"`,
		"w%zz=3":           `no query parameter "w%zz"`,
		"wait=1;width=3":   "malformed",
		"wait;width=3":     `no query parameter "wait;width"`,
		"wait=%zz":         "malformed",
		"wait=100%":        "malformed",
		"=1":               `no query parameter ""`,
		"%zz":              `no query parameter "%zz"`,
		"wait=1&%1b[2J=1":  `no query parameter "\x1b[2J"`,
		"wait=1&wait=%":    "malformed",
		"wait=1&ids%3D=ab": `no query parameter "ids="`,
	} {
		t.Run(query, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.URL.RawQuery = query
			err := CheckQuery(r, "wait")
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("CheckQuery() = %v, want %q", err, want)
			}
			if err := CheckParameters(r, "wait"); (err == nil) != (want == "" || want == "malformed") {
				t.Errorf("CheckParameters() = %v, want an error for a parameter that is not known", err)
			}
		})
	}
}
