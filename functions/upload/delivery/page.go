package delivery

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

//go:embed page.html
var pageTemplate string

// The page may run its own script and style, and nothing else.
var pagePolicy = strings.Join([]string{
	"default-src 'none'",
	"script-src " + hashOf("script"),
	"style-src " + hashOf("style"),
	"img-src 'self' data: blob:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'self'",
	"frame-ancestors 'none'",
}, "; ")

// hashOf is the source expression that allows an element of the page in a Content-Security-Policy.
func hashOf(element string) string {
	content := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(pageTemplate)[1]
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Page returns GET /: a page on which a browser uploads images. It names the formats that limits accept.
func Page(limits raster.Limits) http.HandlerFunc {
	// Not every system knows the MIME type of a HEIC, and then only its extension finds it in a file picker.
	types := append(limits.MIMETypes(), limits.Extensions()...)
	html := []byte(strings.NewReplacer(
		"{{formats}}", limits.FormatNames("and"),
		"{{types}}", strings.Join(types, ","),
	).Replace(pageTemplate))
	return func(w http.ResponseWriter, _ *http.Request) { writePage(w, html) }
}

func writePage(w http.ResponseWriter, html []byte) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	_, _ = w.Write(html) // the client has gone
}
