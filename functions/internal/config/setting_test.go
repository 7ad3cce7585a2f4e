package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReader(t *testing.T) {
	r := NewReader(func(name string) string {
		return map[string]string{"TEXT": "a", "NUMBER": "7", "LIST": " a, b,,c ", "YES": "true", "NO": "false"}[name]
	})
	if got := r.Text("TEXT", "x"); got != "a" {
		t.Errorf("Text() = %q", got)
	}
	if got := r.Text("NONE", "x"); got != "x" {
		t.Errorf("Text() of nothing = %q", got)
	}
	if got := r.Required("TEXT", "a text"); got != "a" {
		t.Errorf("Required() = %q", got)
	}
	if got := r.Int("NUMBER", 1, 0, 10); got != 7 {
		t.Errorf("Int() = %d", got)
	}
	if got := r.Int("NONE", 1, 0, 10); got != 1 {
		t.Errorf("Int() of nothing = %d", got)
	}
	if !r.Bool("YES") || r.Bool("NO") || r.Bool("NONE") {
		t.Error("Bool() is wrong")
	}
	if got, want := r.List("LIST", ""), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("List() = %q, want %q", got, want)
	}
	if err := r.Err(); err != nil {
		t.Errorf("Err() = %v", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	r := NewReader(func(name string) string {
		return map[string]string{"WORD": "seven", "SMALL": "-1", "LARGE": "99999999999999999999", "BOTH": "yes"}[name]
	})
	r.Required("SECRET", "the secret key")
	r.Int("WORD", 1, 0, 10)
	r.Int("SMALL", 1, 0, 10)
	r.Int("LARGE", 1, 0, 10)
	r.Bool("BOTH")
	r.Add(nil)
	r.Add(errors.New("from elsewhere"))
	r.Fault("OTHER is %q; expected %q", "x", "y")
	want := `bad settings:
SECRET is not set; expected the secret key
WORD is "seven"; expected a whole number from 0 to 10
SMALL is "-1"; expected a whole number from 0 to 10
LARGE is "99999999999999999999"; expected a whole number from 0 to 10
BOTH is "yes"; expected true or false
from elsewhere
OTHER is "x"; expected "y"`
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("Err() = %v\nwant %s", err, want)
	}
}

// A file is read anew each time, and an error does not tell its path, which may be a key that stands there by mistake.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topsecret")
	file := NewReader(func(string) string { return path }).File("THE_FILE")
	if _, err := file.Read(); err == nil || !strings.HasPrefix(err.Error(), "THE_FILE can not be read: ") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("Read() of nothing = %v", err)
	}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := file.Read(); string(got) != want || err != nil {
			t.Errorf("Read() = %q, %v; want %q", got, err, want)
		}
	}
	if !file.IsSet() || NewReader(func(string) string { return "" }).File("THE_FILE").IsSet() {
		t.Error("IsSet() is wrong")
	}
}

func TestIsAddress(t *testing.T) {
	for text, want := range map[string]bool{
		"minio:9000": true, "minio.image-service.svc.cluster.local:9000": true, "10.0.0.1:9000": true, "[::1]:9000": true,
		"minio": true, "my_minio:9000": true, "localhost:1": true, "localhost:65535": true,
		"": false, ":9000": false, "minio:": false, "minio:0": false, "minio:99999": false, "minio:port": false,
		"-bad-:9000": false, "a b:9000": false, "user:secret@minio:9000": false, "minio/path": false, "minio..x:1": false,
	} {
		if got := IsAddress(text); got != want {
			t.Errorf("IsAddress(%q) = %v, want %v", text, got, want)
		}
	}
}

// What may be a password is not shown.
func TestQuote(t *testing.T) {
	for value, want := range map[string]string{
		"minio:9000":                     `"minio:9000"`,
		"http://admin:topsecret@minio:1": `"...@minio:1"`,
		"a:b@c@d":                        `"...@d"`,
	} {
		if got := Quote(value); got != want {
			t.Errorf("Quote(%q) = %s, want %s", value, got, want)
		}
	}
}
