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

// The page names and accepts the formats that raster reads.
var pageHTML = strings.NewReplacer(
	"{{formats}}", raster.FormatNames("and"),
	"{{types}}", strings.Join(raster.MIMETypes(), ","),
).Replace(pageTemplate)

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
	content := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindStringSubmatch(pageHTML)[1]
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Page is GET /: a page on which a browser uploads images.
func Page(w http.ResponseWriter, _ *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	_, _ = w.Write([]byte(pageHTML)) // the client has gone
}
