package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func environment(values map[string]string) *Reader {
	return NewReader(func(name string) string { return values[name] })
}

var bucket = Text{
	Name: "BUCKET", Default: "images", Doc: "Bucket.",
	Form: Form{Expected: "a short name", Valid: func(value string) bool { return len(value) < 9 }},
}

func TestValues(t *testing.T) {
	r := environment(map[string]string{
		"TEXT": "a", "BUCKET": "scans", "NUMBER": "7", "SPAN": "90m", "ZERO": "0",
		"LIST": " a, b,,c ", "COMMAS": " , ", "YES": "true", "NO": "false",
	})
	for name, test := range map[string]struct{ got, want any }{
		"a text":             {Text{Name: "TEXT", Default: "x"}.Read(r), "a"},
		"a required text":    {Text{Name: "TEXT", Required: true}.Read(r), "a"},
		"a text of a form":   {bucket.Read(r), "scans"},
		"a text not set":     {Text{Name: "NONE", Default: "x"}.Read(r), "x"},
		"a text looked up":   {Text{Name: "TEXT", Required: true}.Lookup(r), "a"},
		"looked up, not set": {Text{Name: "NONE", Default: "x", Required: true}.Lookup(r), "x"},
		"an integer":         {Int{Name: "NUMBER", Default: 1, Max: 10}.Read(r), int64(7)},
		"an integer not set": {Int{Name: "NONE", Default: 1, Max: 10}.Read(r), int64(1)},
		"a duration":         {Duration{Name: "SPAN", Min: time.Minute, Max: time.Hour * 2}.Read(r), 90 * time.Minute},
		"no duration":        {Duration{Name: "ZERO", Min: time.Minute, Max: time.Hour}.Read(r), time.Duration(0)},
		"one not set":        {Duration{Name: "NONE", Default: time.Hour, Min: 1, Max: time.Hour}.Read(r), time.Hour},
		"true":               {Bool{Name: "YES"}.Read(r), true},
		"false":              {Bool{Name: "NO"}.Read(r), false},
		"a boolean not set":  {Bool{Name: "NONE"}.Read(r), false},
		"a set setting":      {r.IsSet(Bool{Name: "NO"}), true},
		"a setting not set":  {r.IsSet(Bool{Name: "NONE"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if test.got != test.want {
				t.Errorf("got %v, want %v", test.got, test.want)
			}
		})
	}
	for name, test := range map[string]struct {
		list List
		want []string
	}{
		"a list":              {List{Name: "LIST"}, []string{"a", "b", "c"}},
		"a list not set":      {List{Name: "NONE"}, nil},
		"a list of nothing":   {List{Name: "COMMAS"}, nil},
		"the default":         {List{Name: "NONE", Default: []string{"a", "b"}}, []string{"a", "b"}},
		"not the default":     {List{Name: "LIST", Default: []string{"x"}}, []string{"a", "b", "c"}},
		"another's value":     {List{Name: "NONE", DefaultFrom: &bucket}, []string{"scans"}},
		"set, with a default": {List{Name: "LIST", DefaultFrom: &bucket}, []string{"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.list.Read(r); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if err := r.Err(); err != nil {
		t.Errorf("Err() = %v", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	r := environment(map[string]string{
		"WORD": "seven", "SMALL": "-1", "LARGE": "99999999999999999999", "BOTH": "yes", "BUCKET": "much too long",
		"DAYS": "30d", "SHORT": "0", "PIN": "topsecret", "BUCKETS": "short, much too long, user:topsecret@b",
	})
	short := bucket.Form
	bucket.Read(r)
	Text{Name: "SECRET", Required: true, Secret: true, Form: Form{Expected: "the secret key"}}.Read(r)
	Text{Name: "PIN", Secret: true, Form: short}.Read(r)
	Text{Name: "USER", RequiredWith: Bool{Name: "BOTH"}, Form: Form{Expected: "a name"}}.Read(r)
	Text{Name: "USER", RequiredWith: Bool{Name: "NONE"}, Form: Form{Expected: "a name"}}.Read(r)
	for _, name := range []string{"WORD", "SMALL", "LARGE"} {
		if got := (Int{Name: name, Default: 1, Max: 10}).Read(r); got != 1 {
			t.Errorf("%s: Read() = %d, want the default", name, got)
		}
	}
	Duration{Name: "DAYS", Min: time.Minute, Max: 90 * time.Minute}.Read(r)
	Duration{Name: "SHORT", Default: time.Hour, Min: time.Minute, Max: 30 * time.Hour}.Read(r)
	Bool{Name: "BOTH"}.Read(r)
	Bool{Name: "BOTH"}.Read(r) // a fault is reported once
	List{Name: "BUCKETS", Form: short}.Read(r)
	List{Name: "HOSTS", Required: true, Unless: "ON is true", Form: Form{Expected: "host:port"}}.Read(r)
	r.Add(nil)
	r.Add(errors.New("from elsewhere"))
	r.Fault("%s is %q; expected %q", bucket, "x", "y")
	Int{Name: "SMALL", Min: 5, Max: 6}.Read(r.Unchecked())
	want := `bad settings:
BUCKET is "much too long"; expected a short name
SECRET is not set; expected the secret key
PIN is not valid; expected a short name
USER is not set; expected a name, as BOTH is set
WORD is "seven"; expected a whole number from 0 to 10
SMALL is "-1"; expected a whole number from 0 to 10
LARGE is "99999999999999999999"; expected a whole number from 0 to 10
DAYS is "30d"; expected 0, or 1m to 1h30m, such as 720h
SHORT is "0"; expected 1m to 30h, such as 720h
BOTH is "yes"; expected true or false
BUCKETS has "much too long"; expected a short name
BUCKETS has "...@b"; expected a short name
HOSTS is not set; expected host:port, unless ON is true
from elsewhere
BUCKET is "x"; expected "y"`
	// "...@b" shows that a value is shortened before it is printed, and its form is checked on the whole of it.
	if err := r.Err(); err == nil || err.Error() != want {
		t.Errorf("Err() = %v\nwant %s", err, want)
	}
}

// The settings of a function are those that it reads, each once, in order, whether their faults count or not.
func TestDescribe(t *testing.T) {
	secret := Text{Name: "SECRET", Required: true, RequiredWith: bucket, Secret: true,
		Form: Form{Expected: "a key"}, Doc: "Key."}
	got := Describe(func(r *Reader) {
		secret.Read(r)
		Int{Name: "SIZE", Default: 5, Min: 1, Max: 9, Unit: "bytes", Doc: "Size."}.Read(r)
		Bool{Name: "ON", Doc: "Switch."}.Read(r.Unchecked())
		List{Name: "BUCKETS", DefaultFrom: &bucket, Required: true, Unless: "ON is true", Doc: "Buckets."}.Read(r)
		List{Name: "SIDES", Default: []string{"left", "right"}, Doc: "Sides."}.Read(r)
		FilePath{Name: "KEY_FILE", Contents: "a PEM file", Doc: "File."}.Read(r)
		secret.Read(r)
		bucket.Read(r)
		r.Record(Bool{Name: "ELSEWHERE"}, bucket)
	})
	want := []Description{
		{Name: "SECRET", Type: "text", Required: true, RequiredWith: "BUCKET",
			Secret: true, Doc: "Key."},
		{Name: "SIZE", Type: "integer", Default: "5", Values: "1 to 9", Unit: "bytes", Doc: "Size."},
		{Name: "ON", Type: "boolean", Default: "false", Values: "true or false", Doc: "Switch."},
		{Name: "BUCKETS", Type: "list", DefaultFrom: "BUCKET", Required: true, Unless: "ON is true", Doc: "Buckets."},
		{Name: "SIDES", Type: "list", Default: "left,right", Doc: "Sides."},
		{Name: "KEY_FILE", Type: "file", Values: "the path of a PEM file", Doc: "File."},
		{Name: "BUCKET", Type: "text", Default: "images", Values: "a short name", Doc: "Bucket."},
		{Name: "ELSEWHERE", Type: "boolean", Default: "false", Values: "true or false"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("Describe() = %+v\nwant %+v", got, want)
	}
}

// A file is read anew each time, and an error does not show its path, which may be a key put there by mistake.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "topsecret")
	setting := FilePath{Name: "THE_FILE", Contents: "a PEM file"}
	file := setting.Read(environment(map[string]string{"THE_FILE": path}))
	_, err := file.Read()
	if err == nil || !strings.HasPrefix(err.Error(), "THE_FILE cannot be read: ") ||
		!strings.HasSuffix(err.Error(), "; expected the path of a PEM file") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("Read() of a missing file = %v", err)
	}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := file.Read(); string(got) != want || err != nil {
			t.Errorf("Read() = %q, %v; want %q", got, err, want)
		}
	}
	if !file.IsSet() || setting.Read(environment(nil)).IsSet() {
		t.Errorf("IsSet() = %v, and %v for no path", file.IsSet(), setting.Read(environment(nil)).IsSet())
	}
}

func TestIsAddress(t *testing.T) {
	for text, want := range map[string]bool{
		"minio:9000": true, "minio.image-service.svc.cluster.local:9000": true, "10.0.0.1:9000": true, "[::1]:9000": true,
		"minio": true, "my_minio:9000": true, "localhost:1": true, "localhost:65535": true,
		"": false, ":9000": false, "minio:": false, "minio:0": false, "minio:99999": false, "minio:port": false,
		"-bad-:9000": false, "a b:9000": false, "user:secret@minio:9000": false, "minio/path": false, "minio..x:1": false,
	} {
		t.Run(text, func(t *testing.T) {
			if got := IsAddress(text); got != want {
				t.Errorf("IsAddress(%q) = %v, want %v", text, got, want)
			}
			if got, want := IsHostPort(text), want && text != "minio"; got != want {
				t.Errorf("IsHostPort(%q) = %v, want %v", text, got, want)
			}
		})
	}
}

// What may be a password is not shown.
func TestQuote(t *testing.T) {
	for value, want := range map[string]string{
		"minio:9000":                     `"minio:9000"`,
		"http://admin:topsecret@minio:1": `"...@minio:1"`,
		"a:b@c@d":                        `"...@d"`,
	} {
		t.Run(value, func(t *testing.T) {
			if got := Quote(value); got != want {
				t.Errorf("Quote(%q) = %s, want %s", value, got, want)
			}
		})
	}
}
