package signing

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

const (
	first  = "first-key-of-at-least-32-characters"
	second = "second-key-of-at-least-32-characters"
)

// open opens a file with lines. The file is read at each use.
func open(tb testing.TB, lines ...string) (keys *Keys, file string) {
	tb.Helper()
	file = filepath.Join(tb.TempDir(), "signing-keys")
	write(tb, file, lines...)
	s, err := read(file)
	if err != nil {
		tb.Fatal(err)
	}
	keys = Open(s, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	keys.file.SetInterval(0)
	return keys, file
}

func read(file string) (Settings, error) {
	r := config.NewReader(func(name string) string {
		if name == "AUTH_SIGNING_KEYS_FILE" {
			return file
		}
		return ""
	})
	s := ReadSettings(r)
	return s, r.Err()
}

func write(tb testing.TB, file string, lines ...string) {
	tb.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func TestReadSettings(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		want  string // in the error; "" for none
	}{
		"a key":             {[]string{"# comment", "", first}, ""},
		"two keys":          {[]string{first, second}, ""},
		"no key":            {[]string{"# comment"}, "it has no key"},
		"a short key":       {[]string{first, "short-secret"}, "line 2 has a key of 12 characters; expected 32 or more"},
		"a key of 31 bytes": {[]string{strings.Repeat("s", 31)}, "line 1 has a key of 31"},
		"many keys":         {make17(), "it has 17 keys; expected at most 16"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "signing-keys")
			write(t, file, test.lines...)
			_, err := read(file)
			got := fmt.Sprint(err)
			if test.want == "" && err != nil || !strings.Contains(got, test.want) || strings.Contains(got, "secret") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if _, err := read("/nowhere/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("without the file: %v, want an error that does not show the path", err)
	}
}

func make17() (lines []string) {
	for i := range 17 {
		lines = append(lines, fmt.Sprintf("%s-%d", first, i))
	}
	return lines
}

// Keys are not in what is printed of settings or of a key.
func TestKeysAreHidden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signing-keys")
	write(t, file, first)
	s, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(format, s.keys); strings.Contains(got, "first-key") {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

const path, hash = "/images/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/card", "0a1b2c3d"

func TestURL(t *testing.T) {
	keys, _ := open(t, first)
	expires := time.Unix(2_000_000_000, 0)
	for _, hash := range []string{"", hash} {
		t.Run("v="+hash, func(t *testing.T) {
			signed := keys.URL(path, hash, expires)
			gotPath, query, _ := strings.Cut(signed, "?")
			if gotPath != path {
				t.Errorf("URL() = %s, want the path %s", signed, path)
			}
			for name, test := range map[string]struct {
				now  time.Time
				want error
			}{
				"at once":       {time.Unix(1, 0), nil},
				"a second left": {expires.Add(-time.Second), nil},
				"at its end":    {expires, ErrExpired},
				"later":         {expires.Add(time.Hour), ErrExpired},
			} {
				rest, until, err := keys.VerifyURL(path, query, test.now)
				if !errors.Is(err, test.want) || !until.Equal(expires) {
					t.Errorf("%s: got %v, %v; want %v", name, until, err, test.want)
				}
				if want := strings.TrimSuffix("v="+hash, "v="); err == nil && rest != want {
					t.Errorf("%s: the rest is %q, want %q", name, rest, want)
				}
			}
		})
	}
}

// The key that is first signs, and each verifies, so that keys can be replaced one after the other without a URL that
// fails.
func TestRotation(t *testing.T) {
	keys, file := open(t, first)
	verifies := func(query string) bool {
		_, _, err := keys.VerifyURL(path, query, time.Unix(1, 0))
		return err == nil
	}
	sign := func() string { return strings.TrimPrefix(keys.URL(path, "", time.Unix(2_000_000_000, 0)), path+"?") }
	old := sign()
	write(t, file, first, second)
	if sign() != old || !verifies(old) {
		t.Error("with a second key: want the first to sign")
	}
	write(t, file, second, first)
	current := sign()
	if current == old || !verifies(old) || !verifies(current) {
		t.Error("with the second key first: want it to sign, and both to verify")
	}
	write(t, file, second, "short")
	if !verifies(old) || sign() != current {
		t.Error("with a malformed file: want both keys as before")
	}
	write(t, file, second)
	if verifies(old) || !verifies(current) {
		t.Error("without the first key: want what it signed refused")
	}
}

// No change of a signed URL is accepted, whatever it would mean to the router.
func TestVerifyURLRefuses(t *testing.T) {
	keys, _ := open(t, first)
	signed := keys.URL(path, hash, time.Unix(2_000_000_000, 0))
	_, query, _ := strings.Cut(signed, "?")
	_, signature, _ := strings.Cut(query, "&signature=")
	other, _ := open(t, second)
	replace := func(old, with string) string {
		changed := strings.Replace(query, old, with, 1)
		if changed == query {
			t.Fatalf("%s does not have %s", query, old)
		}
		return changed
	}
	for name, changed := range map[string]string{
		"later":                    replace("expires=2000000000", "expires=2000000001"),
		"zeros before":             replace("expires=2", "expires=02"),
		"a sign":                   replace("expires=2", "expires=+2"),
		"an escaped digit":         replace("expires=2", "expires=%32"),
		"more digits than a time":  replace("expires=2000000000", "expires=20000000000000000000"),
		"another specification":    replace("v="+hash, "v=00000000"),
		"no specification":         replace("v="+hash+"&", ""),
		"an empty specification":   replace("v="+hash, "v="),
		"reordered":                "expires=2000000000&v=" + hash + "&signature=" + signature,
		"signature first":          "signature=" + signature + "&v=" + hash + "&expires=2000000000",
		"twice":                    query + "&signature=" + signature,
		"a second time":            replace("&signature", "&expires=3000000000&signature"),
		"a parameter after":        query + "&x=1",
		"a parameter before":       "x=1&" + query,
		"an empty parameter":       query + "&",
		"a semicolon":              replace("&signature", ";signature"),
		"an escaped name":          replace("signature", "%73ignature"),
		"no signature":             replace("&signature="+signature, ""),
		"an empty signature":       replace(signature, ""),
		"a short signature":        replace(signature, signature[:42]),
		"a long signature":         replace(signature, signature+"A"),
		"padding":                  replace(signature, signature+"="),
		"another signature":        replace(signature, strings.Repeat("A", 43)),
		"another encoding":         replace(signature, signature[:42]+sibling(signature[42])),
		"a signature of other key": strings.TrimPrefix(other.URL(path, hash, time.Unix(2_000_000_000, 0)), path+"?"),
		"a line after":             query + "\n",
		"nothing":                  "",
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := keys.VerifyURL(path, changed, time.Unix(1, 0)); !errors.Is(err, ErrInvalid) {
				t.Errorf("VerifyURL(%s) = %v, want %v", changed, err, ErrInvalid)
			}
		})
	}
	for _, changed := range []string{
		"/images/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", path + "/", "/" + path, strings.ToUpper(path), path + "2",
		"/images/1B9D6BCD-bbfd-4b2d-9b5d-ab8dfbbd4bed/card", "/images/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed%2Fcard",
		"/images/%31b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/card", "/images/../images/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed/card",
		"/thumbnails/1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "",
	} {
		t.Run("path "+changed, func(t *testing.T) {
			if _, _, err := keys.VerifyURL(changed, query, time.Unix(1, 0)); !errors.Is(err, ErrInvalid) {
				t.Errorf("VerifyURL() = %v, want %v", err, ErrInvalid)
			}
		})
	}
}

// sibling is another digit of base64url with the same upper four bits: the last digit of 32 bytes has two that do not
// count.
func sibling(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(digits[strings.IndexByte(digits, digit)^1])
}

// A URL stays the same for a quarter of its lifetime, and is valid for as long as was asked, and at most a quarter
// longer.
func TestExpiry(t *testing.T) {
	const id = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
	for _, lifetime := range []time.Duration{MinLifetime, 100 * time.Second, time.Hour, MaxLifetime} {
		t.Run(lifetime.String(), func(t *testing.T) {
			began := time.Unix(1_800_000_000, 0)
			seen := map[int64]int{}
			seconds := int(lifetime / time.Second)
			for i := range 4 * seconds / 4 {
				now := began.Add(time.Duration(i) * time.Second)
				expires := Expiry(now, lifetime, id)
				left := expires.Sub(now)
				if left < lifetime || left >= lifetime+lifetime/4+time.Second {
					t.Fatalf("%d s later it expires in %v, want %v to a quarter more", i, left, lifetime)
				}
				seen[expires.Unix()]++
				if i > 100_000 {
					break
				}
			}
			if len(seen) > 5+1 {
				t.Errorf("%d expiries in a lifetime, want a new one each quarter", len(seen))
			}
		})
	}
	now := time.Unix(1_800_000_000, 0)
	if Expiry(now, time.Hour, id).Equal(Expiry(now, time.Hour, "6f1ed002-ab5d-4b2d-9b5d-ab8dfbbd4bed")) {
		t.Error("two images have one expiry, want their caches to miss at different times")
	}
}

// Whatever is accepted is what the service itself signs for the same path, hash and time.
func FuzzVerifyURL(f *testing.F) {
	keys, _ := open(f, first, second)
	_, query, _ := strings.Cut(keys.URL(path, hash, time.Unix(2_000_000_000, 0)), "?")
	f.Add(path, query)
	f.Add(path, strings.Replace(query, "expires=2", "expires=%32", 1))
	f.Add("", "expires=1&signature=")
	f.Fuzz(func(t *testing.T, path, query string) {
		rest, expires, err := keys.VerifyURL(path, query, time.Unix(1, 0))
		if err != nil {
			return
		}
		if again := keys.URL(path, strings.TrimPrefix(rest, "v="), expires); again != path+"?"+query {
			t.Errorf("%s?%s is accepted, but the service signs %s", path, query, again)
		}
		if !strings.Contains(query, "&signature=") {
			t.Errorf("%s has no signature", query)
		}
	})
}

func TestGrant(t *testing.T) {
	keys, _ := open(t, first)
	text, err := keys.Grant(Grant{Client: "ada", MaxBytes: 5, Images: 2, Types: []string{"image/png"}, Expires: 1000})
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.ReadGrant(text, time.Unix(999, 0))
	if err != nil || got.Client != "ada" || got.MaxBytes != 5 || got.Images != 2 || !got.Allows("image/png") ||
		got.Allows("image/gif") || len(got.ID) < 20 {
		t.Errorf("ReadGrant() = %+v, %v", got, err)
	}
	if _, err := keys.ReadGrant(text, time.Unix(1000, 0)); !errors.Is(err, ErrExpired) {
		t.Errorf("at its end: %v, want %v", err, ErrExpired)
	}
	url := keys.URL(path, "", time.Unix(1000, 0))
	_, signature, _ := strings.Cut(url, "&signature=")
	encoded, _, _ := strings.Cut(text, ".")
	for _, changed := range []string{
		"", "isg_", "isg_.", encoded, encoded + "." + signature, text + "A", strings.ToUpper(text),
		text + "\n", text[:len(text)-1] + "\r\n" + text[len(text)-1:],
	} {
		if _, err := keys.ReadGrant(changed, time.Unix(1, 0)); !errors.Is(err, ErrInvalid) {
			t.Errorf("ReadGrant(%s) = %v, want %v", changed, err, ErrInvalid)
		}
	}
}

// No text is a grant but those that were signed. Each process of the fuzzer signs one of its own, with another ID.
func FuzzReadGrant(f *testing.F) {
	keys, _ := open(f, first)
	signed := Grant{Client: "ada", MaxBytes: 5, Images: 2, Expires: 2_000_000_000}
	text, err := keys.Grant(signed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, uint16(len(text)-1), byte('A'))
	f.Add("isg_e30."+strings.Repeat("A", 43), uint16(0), byte('I'))
	f.Fuzz(func(t *testing.T, other string, at uint16, by byte) {
		if got, err := keys.ReadGrant(other, time.Unix(1, 0)); err == nil {
			got.ID = ""
			if fmt.Sprint(*got) != fmt.Sprint(signed) {
				t.Errorf("%s is accepted as %+v", other, got)
			}
		}
		changed := []byte(text)
		changed[int(at)%len(text)] = by
		if _, err := keys.ReadGrant(string(changed), time.Unix(1, 0)); err == nil && string(changed) != text {
			t.Errorf("%s is accepted for %s", changed, text)
		}
	})
}
