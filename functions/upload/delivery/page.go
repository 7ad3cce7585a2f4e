package delivery

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// The page may run its own script and style, and nothing else.
func pagePolicy() string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + hashOf(pageScript),
		"style-src " + hashOf(pageStyle),
		"img-src 'self' data: blob:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

// hashOf is the source expression that allows an element with a content in a Content-Security-Policy.
func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A PageSetting is what the page says of the service, and how it behaves.
type PageSetting struct {
	Limits   raster.Limits // its formats are named
	MaxBytes int64         // of an image
	Lists    bool          // the service lists images to those who use the page
	Deletes  bool          // they may delete images
	NeedsKey bool          // they need a key
}

// Page returns GET /: a page on which a browser uploads images. Style and script are in it, so that one request brings
// all, whatever path it is below. It is made when somebody asks for it first: a process that starts has other work.
func Page(setting PageSetting) http.HandlerFunc {
	html, policy := sync.OnceValue(func() []byte { return pageOf(setting) }), sync.OnceValue(pagePolicy)
	return func(w http.ResponseWriter, _ *http.Request) { writePage(w, html(), policy()) }
}

func pageOf(setting PageSetting) []byte {
	// Not every system knows the MIME type of a HEIC, and then only its extension finds it in a file picker.
	types := append(setting.Limits.MIMETypes(), setting.Limits.Extensions()...)
	return []byte(strings.NewReplacer(
		"{{formats}}", setting.Limits.FormatNames("and"),
		"{{types}}", strings.Join(types, ","),
		"{{bytes}}", fmt.Sprintf("%.3g MB", float64(setting.MaxBytes)/1e6),
		"{{most}}", strconv.FormatInt(setting.MaxBytes, 10),
		"{{lists}}", strconv.FormatBool(setting.Lists),
		"{{deletes}}", strconv.FormatBool(setting.Deletes),
		"{{keys}}", strconv.FormatBool(setting.NeedsKey),
		"{{style}}", pageStyle,
		"{{script}}", pageScript,
	).Replace(pageTemplate))
}

func writePage(w http.ResponseWriter, html []byte, policy string) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache")
	_, _ = w.Write(html) // the client has gone
}
