//go:build hostile

package hostile

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What the service signs, as everybody can read in functions/internal/signing. Only the key is secret.
const (
	signingKey = "signing-key-of-at-least-32-characters"
	urlLabel   = "image-service: signed URL, version 1"
	grantLabel = "image-service: upload grant, version 1"
)

// granted is how many images a grant allows.
const granted = 4

// A guarded is an upload function with two clients, an image of each, and what it has signed for the first.
type guarded struct {
	*process
	adaKey, bobKey string

	path, query string // the URL of ada's image
	others      string // the path of bob's image
	uploaded    atomic.Int64
}

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{adaKey: "isk_" + strings.Repeat("a", 43), bobKey: "isk_" + strings.Repeat("b", 43)}
	directory := t.TempDir()
	keys, signing := filepath.Join(directory, "api-keys"), filepath.Join(directory, "signing-keys")
	lines := fmt.Sprintf("ada %s\nbob %s\n", digest(g.adaKey), digest(g.bobKey))
	for file, text := range map[string]string{keys: lines, signing: signingKey + "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.process = start(t, "upload", "AUTH_API_KEYS_FILE="+keys, "AUTH_SIGNING_KEYS_FILE="+signing,
		"RENDITIONS=renditions: {card: {width: 90}}")
	image := g.upload(g.adaKey)
	g.others = "/images/" + g.upload(g.bobKey)
	signed := g.ask(g.adaKey, http.MethodPost, "/urls", "application/json", `{"images":["`+image+`"]}`)
	original, _ := signed["images"].([]any)[0].(map[string]any)["original"].(string)
	g.path, g.query, _ = strings.Cut(original, "?")
	return g
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// ask sends a request of a client, tries again while the function is busy, and returns its answer.
func (g *guarded) ask(key, method, path, contentType, body string) (answer map[string]any) {
	g.Helper()
	for range patience {
		request, err := http.NewRequest(method, "http://"+g.address+path, strings.NewReader(body))
		if err != nil {
			g.Fatal(err)
		}
		request.Header.Set("X-Api-Key", key)
		request.Header.Set("Content-Type", contentType)
		response, err := client.Do(request)
		if err != nil {
			g.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if isBusy(response.StatusCode) {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil || response.StatusCode != http.StatusOK || json.Unmarshal(text, &answer) != nil {
			g.Fatalf("%s %s: got %s %s, %v", method, path, response.Status, text, err)
		}
		return answer
	}
	g.Fatalf("%s %s was refused as busy %d times", method, path, patience)
	return nil
}

// image returns an image that no other upload has.
func (g *guarded) image() []byte {
	content := bytes.Clone(small)
	copy(content[len(content)-20:], fmt.Sprintf("%020d", g.uploaded.Add(1)))
	return content
}

func (g *guarded) upload(key string) (imageID string) {
	g.Helper()
	imageID, _ = g.ask(key, http.MethodPost, "/upload", "image/jpeg", string(g.image()))["image_id"].(string)
	return imageID
}

// images returns how many images a client has.
func (g *guarded) images(key string) int {
	g.Helper()
	list, _ := g.ask(key, http.MethodGet, "/images?limit=100", "", "")["images"].([]any)
	return len(list)
}

// grant makes a grant of ada's.
func (g *guarded) grant(body string) string {
	g.Helper()
	text, _ := g.ask(g.adaKey, http.MethodPost, "/grants", "application/json", body)["grant"].(string)
	return text
}

var (
	encoding = base64.RawURLEncoding
	standard = strings.NewReplacer("-", "+", "_", "/") // of base64
)

func sign(of func() hash.Hash, key, text string) string {
	h := hmac.New(of, []byte(key))
	_, _ = io.WriteString(h, text)
	return encoding.EncodeToString(h.Sum(nil))
}

// forgeries are signatures of a text without the key, or by the key of another text.
func (g *guarded) forgeries(label, other, text string) map[string]string {
	labelled := label + "\x00" + text
	unkeyed := sha256.Sum256([]byte(signingKey[:0] + labelled))
	return map[string]string{
		"no key":                  sign(sha256.New, "", labelled),
		"a key of zeros":          sign(sha256.New, strings.Repeat("\x00", 32), labelled),
		"another signing key":     sign(sha256.New, "another-key-of-at-least-32-characters", labelled),
		"an API key":              sign(sha256.New, g.adaKey, labelled),
		"the digest of a key":     sign(sha256.New, digest(g.adaKey), labelled),
		"no HMAC":                 encoding.EncodeToString(unkeyed[:]),
		"SHA-1":                   sign(sha1.New, signingKey, labelled),
		"SHA-512":                 sign(sha512.New, signingKey, labelled),
		"SHA-512/256":             sign(sha512.New512_256, signingKey, labelled),
		"the other label":         sign(sha256.New, signingKey, other+"\x00"+text),
		"no label":                sign(sha256.New, signingKey, text),
		"a label that runs on":    sign(sha256.New, signingKey, label+text),
		"the text in lower case":  sign(sha256.New, signingKey, strings.ToLower(labelled)),
		"nothing":                 "",
		"the word none":           "none",
		"zeros":                   strings.Repeat("A", 43),
		"zeros of another length": strings.Repeat("A", 42),
		"a megabyte":              strings.Repeat("A", 1<<15),
	}
}

// denied are the answers to a request that may not see or do what it asks for.
var denied = []int{400, 401, 403, 404, 405}

// literal attacks with a GET whose target and headers are sent as they are.
func literal(target string, headers ...string) func(p *process) int {
	head := "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for _, header := range headers {
		head += header + "\r\n"
	}
	return writes(head, "\r\n")
}

// ofURLs attack with changes of a signed URL.
func (g *guarded) ofURLs() (attacks []attack) {
	expires, signature, _ := strings.Cut(strings.TrimPrefix(g.query, "expires="), "&signature=")
	id := strings.TrimPrefix(g.path, "/images/")
	query := func(expires, signature string) string { return "?expires=" + expires + "&signature=" + signature }
	later := fmt.Sprint(time.Now().Add(365 * 24 * time.Hour).Unix())
	for name, target := range map[string]string{
		"later":                         g.path + query(later, signature),
		"zeros before the time":         g.path + query("0"+expires, signature),
		"a sign before the time":        g.path + query("+"+expires, signature),
		"an escaped sign":               g.path + query("%2B"+expires, signature),
		"an escaped digit":              g.path + query("%3"+expires, signature),
		"a space after the time":        g.path + query(expires+"+", signature),
		"an exponent":                   g.path + query("1e12", signature),
		"a hexadecimal time":            g.path + query("0xffffffff", signature),
		"a time that overflows":         g.path + query("18446744073709551617", signature),
		"a negative time":               g.path + query("-1", signature),
		"no time":                       g.path + "?signature=" + signature,
		"two times":                     g.path + "?expires=" + later + "&" + g.query,
		"two times, the signed first":   g.path + "?expires=" + expires + "&expires=" + later + "&signature=" + signature,
		"two times with a semicolon":    g.path + "?expires=" + later + ";" + g.query,
		"two signatures":                g.path + "?" + g.query + "&signature=AAAA",
		"a list of signatures":          g.path + query(expires, "") + "&signature[]=" + signature,
		"a parameter before":            g.path + "?v=0&" + g.query,
		"a parameter after":             g.path + "?" + g.query + "&v=0",
		"an empty parameter":            g.path + "?&" + g.query,
		"an escaped name":               g.path + "?expires=" + expires + "&%73ignature=" + signature,
		"a name in upper case":          g.path + "?EXPIRES=" + expires + "&SIGNATURE=" + signature,
		"an escaped ampersand":          g.path + "?expires=" + expires + "%26signature=" + signature,
		"an escaped question mark":      g.path + "%3F" + g.query,
		"two question marks":            g.path + "??" + g.query,
		"padding":                       g.path + query(expires, signature+"="),
		"escaped padding":               g.path + query(expires, signature+"%3D"),
		"the other alphabet":            g.path + query(expires, standard.Replace(signature)+"A"),
		"a signature cut":               g.path + query(expires, signature[:42]),
		"a signature that goes on":      g.path + query(expires, signature+"A"),
		"a signature and a NUL":         g.path + query(expires, signature+"%00"),
		"a signature and a line":        g.path + query(expires, signature+"%0A"),
		"in lower case":                 g.path + query(expires, strings.ToLower(signature)+"a"),
		"the image of another client":   g.others + "?" + g.query,
		"a rendition":                   g.path + "/card?" + g.query,
		"a rendition of a hash":         g.path + "/card?v=0&" + g.query,
		"the thumbnail":                 g.path + "/thumbnail?" + g.query,
		"the thumbnail at its own path": "/thumbnails/" + id + "?" + g.query,
		"an escaped slash":              g.path + "%2Fcard?" + g.query,
		"an escaped backslash":          g.path + "%5Ccard?" + g.query,
		"an escaped way back":           g.path + "/..%2F..%2F" + strings.TrimPrefix(g.others, "/images/") + "?" + g.query,
		"a parameter of the path":       g.path + ";v=1?" + g.query,
		"a NUL":                         g.path + "%00?" + g.query,
		"an escaped space":              g.path + "%20?" + g.query,
		"a letter in upper case":        "/images/" + strings.ToUpper(id) + "?" + g.query,
		"an escaped letter":             fmt.Sprintf("/images/%%%x%s?%s", id[0], id[1:], g.query),
		"another route in upper case":   "/IMAGES/" + id + "?" + g.query,
		"full width":                    "/images/%EF%BC%91" + id + "?" + g.query,
		"the status":                    "/status/" + id + "?" + g.query,
		"the stream of the status":      "/status/" + id + "/events?" + g.query,
		"all images":                    "/images?" + g.query,
		"no signature":                  g.path + "?expires=" + expires,
		"nothing":                       g.path,
		"a grant as signature":          g.path + "?grant=" + g.grant(`{}`),
	} {
		attacks = append(attacks, attack{name, literal(target), denied})
	}
	for name, forged := range g.forgeries(urlLabel, grantLabel, "GET "+g.path+"?expires="+expires) {
		answers := append(denied, 431)
		attacks = append(attacks, attack{"signed by " + name, literal(g.path + query(expires, forged)), answers})
	}
	for name, text := range map[string]string{
		"for POST": "POST " + g.path + "?expires=" + expires, "for HEAD": "HEAD " + g.path + "?expires=" + expires,
		"for the path alone": "GET " + g.path, "for another host": "GET http://x" + g.path + "?expires=" + expires,
		"with a line": "GET " + g.path + "?expires=" + expires + "\n",
	} {
		forged := sign(sha256.New, signingKey, urlLabel+"\x00"+text)
		attacks = append(attacks, attack{"signed " + name, literal(g.path + query(expires, forged)), denied})
	}
	past := fmt.Sprint(time.Now().Add(-time.Minute).Unix())
	expired := sign(sha256.New, signingKey, urlLabel+"\x00GET "+g.path+"?expires="+past)
	return append(attacks,
		attack{"expired", literal(g.path + query(past, expired)), denied},
		attack{"expired, with a date", literal(g.path+query(past, expired), "Date: Thu, 01 Jan 1970 00:00:00 GMT"), denied},
		attack{"a bad signature, with the key of another client",
			literal(g.path+query(later, signature), "X-Api-Key: "+g.bobKey), denied},
		attack{"the signed path in a header", literal(g.others, "X-Original-Url: "+g.path+"?"+g.query,
			"X-Rewrite-Url: "+g.path+"?"+g.query, "X-Forwarded-Uri: "+g.path+"?"+g.query), denied},
		// The router redirects to the path without dots, which the signature is not of.
		attack{"a way back", sends(func() request {
			return get(g.path+"/.."+strings.TrimPrefix(g.others, "/images")+"?"+g.query, nil)
		}), denied},
		attack{"a prefix", literal(g.others+"?"+g.query, "X-Forwarded-Prefix: "+g.path), denied},
		attack{"a deletion", sends(func() request {
			return request{method: http.MethodDelete, path: g.path + "?" + g.query}
		}), denied},
		attack{"a deletion in a header", literal(g.path+"?"+g.query+"&x", "X-Http-Method-Override: DELETE"), denied},
		attack{"an upload", sends(func() request { return post("/upload?"+g.query, "image/jpeg", g.image()) }), denied},
		attack{"more URLs", sends(func() request {
			return post("/urls?"+g.query, "application/json", []byte(`{"images":["`+id+`"]}`))
		}), denied},
	)
}

// with returns an upload by a grant.
func (g *guarded) with(grant string, body func() request) func(p *process) int {
	return sends(func() request {
		r := body()
		r.path += "?grant=" + grant
		return r
	})
}

// photo returns an upload.
func (g *guarded) photo() request { return post("/upload", "image/jpeg", g.image()) }

// ofGrants attack with changes of a grant, and with one that allows less.
func (g *guarded) ofGrants() (attacks []attack) {
	valid := g.grant(`{"images":1}`)
	payload, signature, _ := strings.Cut(strings.TrimPrefix(valid, "isg_"), ".")
	text, err := encoding.DecodeString(payload)
	if err != nil {
		g.Fatal(err)
	}
	for name, change := range map[string]func(grant map[string]any){
		"another client": func(grant map[string]any) { grant["client"] = "bob" },
		"no client":      func(grant map[string]any) { grant["client"] = "" },
		"an issuer":      func(grant map[string]any) { grant["client"] = "https://login.example|ada" },
		"later":          func(grant map[string]any) { grant["expires"] = time.Now().Add(24 * time.Hour).Unix() },
		"more images":    func(grant map[string]any) { grant["images"] = 1000 },
		"more bytes":     func(grant map[string]any) { grant["max_bytes"] = 1 << 40 },
		"every type":     func(grant map[string]any) { delete(grant, "types") },
		"another ID":     func(grant map[string]any) { grant["id"] = "again" },
	} {
		var grant map[string]any
		if err := json.Unmarshal(text, &grant); err != nil {
			g.Fatal(err)
		}
		change(grant)
		changed, err := json.Marshal(grant)
		if err != nil {
			g.Fatal(err)
		}
		encoded := encoding.EncodeToString(changed)
		attacks = append(attacks, attack{name, g.with("isg_"+encoded+"."+signature, g.photo), denied})
		for by, forged := range g.forgeries(grantLabel, urlLabel, encoded) {
			forgery := g.with("isg_"+encoded+"."+url.QueryEscape(forged), g.photo)
			attacks = append(attacks, attack{name + ", signed by " + by, forgery, append(denied, 431)})
		}
	}
	_, ofURL, _ := strings.Cut(g.query, "signature=")
	for name, grant := range map[string]string{
		"in upper case":            strings.ToUpper(valid),
		"without the prefix":       strings.TrimPrefix(valid, "isg_"),
		"without the signature":    "isg_" + payload,
		"the signature of a URL":   "isg_" + payload + "." + ofURL,
		"with another member":      "isg_" + encoding.EncodeToString(append(text, `,"client":"bob"`...)) + "." + signature,
		"padding":                  valid + "=",
		"a line after":             valid + "%0A",
		"two signatures":           valid + "." + signature,
		"twice":                    valid + "&grant=" + valid,
		"two, one of them escaped": valid + "&%67rant=" + valid,
		"a URL":                    url.QueryEscape(g.path + "?" + g.query),
		"60 KB":                    valid + strings.Repeat("A", 60_000),
	} {
		attacks = append(attacks, attack{name, g.with(grant, g.photo), append(denied, 431)})
	}
	return append(attacks, g.beyondGrants()...)
}

// beyondGrants attack by doing with a grant what it does not allow.
func (g *guarded) beyondGrants() []attack {
	narrow := g.grant(`{"images":1000,"max_bytes":5000,"types":["image/png"]}`)
	typed := g.grant(`{"images":1000,"types":["image/png"]}`)
	follow := g.grant(`{}`)
	tooMuch := []int{400, 403, 413, 415, 422, cut}
	form := func(parts string) request { return post("/upload", formType, []byte(parts+"--x--")) }
	file := func() string { return fileField + string(g.image()) + "\r\n" }
	body := func(text string) func() request {
		return func() request { return post("/upload", "application/json", []byte(text)) }
	}
	at := func(method, path string) func(p *process) int {
		return sends(func() request { return request{method: method, path: path + "?grant=" + follow} })
	}
	return []attack{
		{"too many bytes", g.with(narrow, g.photo), tooMuch},
		{"too many bytes in chunks", g.with(narrow, func() request {
			return stream("/upload", "image/png", bytes.NewReader(g.image()))
		}), tooMuch},
		{"too many bytes in a form", g.with(narrow, func() request { return form(file()) }), tooMuch},
		{"too many bytes behind a small length", g.with(narrow, func() request {
			r := stream("/upload", "image/png", bytes.NewReader(g.image()))
			r.header.Set("X-Content-Length", "10")
			return r
		}), tooMuch},
		{"a type that is not granted", g.with(typed, g.photo), tooMuch},
		{"that type under another name", g.with(typed, func() request {
			return post("/upload", "image/png", g.image())
		}), tooMuch},
		{"that type in a form", g.with(typed, func() request { return form(file()) }), tooMuch},
		{"an event", g.with(follow, func() request { return post("/upload", structured, []byte(event()+"}")) }), denied},
		{"an event that deletes", g.with(follow, body(`{"image_id":"`+g.path+`"}`)), append(denied, 415)},
		{"with a key as well", sends(func() request {
			r := post("/upload?grant="+follow, "image/jpeg", g.image())
			r.header.Set("X-Api-Key", g.bobKey)
			return r
		}), denied},
		{"in query and header", sends(func() request {
			r := post("/upload?grant="+follow, "image/jpeg", g.image())
			r.header.Set("X-Upload-Grant", follow)
			return r
		}), denied},
		{"twice in the header", sends(func() request {
			r := post("/upload", "image/jpeg", g.image())
			r.header["X-Upload-Grant"] = []string{follow, follow}
			return r
		}), denied},
		{"the image of its client", at("GET", g.path), denied},
		{"its status", at("GET", "/status/"+strings.TrimPrefix(g.path, "/images/")), denied},
		{"its deletion", at("DELETE", g.path), denied},
		{"all images", at("GET", "/images"), denied},
		{"more grants", at("POST", "/grants"), denied},
		{"more URLs", at("POST", "/urls"), denied},
	}
}

// ofUse replays grants at the same time: beyond their number, and with the keys of others.
func (g *guarded) ofUse(grants []string) (attacks []attack) {
	used := []int{200, 403}
	for i, grant := range grants {
		attacks = append(attacks,
			attack{"again and again", g.with(grant, g.photo), used},
			attack{"as a form of several images", g.with(grant, func() request {
				parts := ""
				for range granted + 2 {
					parts += fileField + string(g.image()) + "\r\n"
				}
				return post("/upload", formType, []byte(parts+"--x--"))
			}), []int{200, 207, 400, 403, 413}},
			attack{"by one key", sends(func() request {
				r := post("/upload?grant="+grant, "image/jpeg", g.image())
				r.header.Set("Idempotency-Key", fmt.Sprintf("key-%d", i))
				return r
			}), []int{200, 403, 409, 422}},
			attack{"not to its end", writes("POST /upload?grant="+grant+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+
				"Content-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\n\xff\xd8\xff\xc0\r\nnot a chunk\r\n"),
				[]int{cut, 400, 403, 415, 422}},
		)
	}
	return attacks
}

// Whoever has a signed URL or a grant can do what it allows, as it was signed, and nothing else: whatever is changed,
// added, moved or escaped, signed by something else, or done many times at once.
func TestAccess(t *testing.T) {
	t.Parallel()
	g := startGuarded(t)
	read := func(p *process) int { return p.send(get(g.path+"?"+g.query, nil)) }
	grants := []string{
		g.grant(fmt.Sprintf(`{"images":%d}`, granted)), g.grant(fmt.Sprintf(`{"images":%d}`, granted)),
	}
	run(t, g.process, read, []wave{
		{"signed URLs", g.ofURLs()},
		{"grants", g.ofGrants()},
		{"uses of grants", g.ofUse(grants)},
	})
	if got := g.images(g.bobKey); got != 1 {
		t.Errorf("bob has %d images, want the one that he has uploaded", got)
	}
	if got, most := g.images(g.adaKey), 1+granted*len(grants); got < 2 || got > most {
		t.Errorf("ada has %d images, want her own and those of her grants, at most %d", got, most)
	}
}
