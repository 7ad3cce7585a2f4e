package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
)

const id = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"

// keysFile returns a file of signing keys, and the keys as the service opens them.
func keysFile(t *testing.T) (file string, keys *signing.Keys) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "signing-keys")
	lines := strings.Repeat("k", 32) + "\n" + strings.Repeat("l", 32) + "\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := signing.ReadSettings(config.NewReader(func(string) string { return file }))
	return file, signing.Open(settings, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func noEnvironment(string) string { return "" }

// The service accepts what the command signs.
func TestURL(t *testing.T) {
	file, keys := keysFile(t)
	var out strings.Builder
	paths := []string{"/images/" + id, "/thumbnails/" + id, "/images/" + id + "/card", "/images/" + id + "/card?v=x4Y_-"}
	arguments := []string{"--keys", file, "--service", "https://images.example/", "url", "--expires", "10m"}
	if err := realMain(append(arguments, paths...), &out, noEnvironment); err != nil {
		t.Fatal(err)
	}
	urls := strings.Fields(out.String())
	if len(urls) != len(paths) {
		t.Fatalf("got %q, want %d URLs", urls, len(paths))
	}
	for i, url := range urls {
		path, query, _ := strings.Cut(strings.TrimPrefix(url, "https://images.example"), "?")
		rest, expires, err := keys.VerifyURL(path, query, time.Now())
		wantPath, wantRest, _ := strings.Cut(paths[i], "?")
		if err != nil || path != wantPath || rest != wantRest {
			t.Errorf("got %s for %s, which is verified with %q, %v", url, paths[i], rest, err)
		}
		if left := time.Until(expires); left < 9*time.Minute || left > 13*time.Minute {
			t.Errorf("%s is valid for %v, want 10 minutes to a quarter more", url, left)
		}
	}
}

func TestGrant(t *testing.T) {
	file, keys := keysFile(t)
	for name, test := range map[string]struct {
		arguments []string
		want      signing.Grant
		lasts     time.Duration
	}{
		"defaults": {nil, signing.Grant{Images: 1, MaxBytes: 1000}, 15 * time.Minute},
		"all": {
			[]string{"--images", "20", "--max-bytes", "500", "--types", "image/png,image/jpeg", "--expires", "2h"},
			signing.Grant{Images: 20, MaxBytes: 500, Types: []string{"image/jpeg", "image/png"}}, 2 * time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			getenv := func(name string) string { return map[string]string{"MAX_UPLOAD_BYTES": "1000"}[name] }
			arguments := append([]string{"grant", "--keys", file, "scanner"}, test.arguments...)
			if err := realMain(arguments, &out, getenv); err != nil {
				t.Fatal(err)
			}
			got, err := keys.ReadGrant(strings.TrimSpace(out.String()), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got.Client != "scanner" || got.Images != test.want.Images || got.MaxBytes != test.want.MaxBytes {
				t.Errorf("got %+v, want %+v for scanner", got, test.want)
			}
			if !got.Allows("image/png") || got.Allows("image/svg+xml") || test.want.Types != nil && got.Allows("image/gif") {
				t.Errorf("got types %q, want %q", got.Types, test.want.Types)
			}
			left := time.Until(time.Unix(got.Expires, 0))
			if left > test.lasts || left < test.lasts-time.Minute {
				t.Errorf("it is valid for %v, want %v", left, test.lasts)
			}
		})
	}
	t.Run("as a URL", func(t *testing.T) {
		var out strings.Builder
		arguments := []string{"grant", "--keys", file, "--service", "https://images.example", "scanner"}
		err := realMain(arguments, &out, noEnvironment)
		if err != nil || !strings.HasPrefix(out.String(), "https://images.example/upload?grant=isg_") {
			t.Errorf("got %s, %v; want the URL for the upload", &out, err)
		}
	})
}

func TestHelp(t *testing.T) {
	for arguments, wanted := range map[string][]string{
		"--help":       {"url <path>", "grant <client>", "--keys=FILE", "AUTH_SIGNING_KEYS_FILE", "image/jpeg CLIENT"},
		"url --help":   {"/thumbnails/ID", "--expires", "(default 1h)"},
		"grant --help": {"--images", "--max-bytes", "--types", "(default 15m)"},
	} {
		t.Run(arguments, func(t *testing.T) {
			var out strings.Builder
			err := realMain(strings.Fields(arguments), &out, noEnvironment)
			if !errors.Is(err, cli.ErrHelp) {
				t.Errorf("got error %v, want %v", err, cli.ErrHelp)
			}
			for _, want := range wanted {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got %s, want %q in it", &out, want)
				}
			}
		})
	}
}

func TestWrongUsage(t *testing.T) {
	file, _ := keysFile(t)
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		arguments []string
		want      string
		status    int
	}{
		"no command":        {[]string{"--keys", file}, "url|grant", 2},
		"an unknown one":    {[]string{"--keys", file, "sign"}, "url|grant", 2},
		"no keys":           {[]string{"url", "/images/" + id}, "--keys=FILE", 2},
		"no path":           {[]string{"--keys", file, "url"}, "<path>", 2},
		"an ID":             {[]string{"--keys", file, "url", id}, "expected /images/ID", 2},
		"another path":      {[]string{"--keys", file, "url", "/status/" + id}, "expected /images/ID", 2},
		"a bad ID":          {[]string{"--keys", file, "url", "/images/" + strings.Repeat("-", 36)}, "/images/ID", 2},
		"a query":           {[]string{"--keys", file, "url", "/images/" + id + "?width=3"}, "expected /images/ID", 2},
		"a short lifetime":  {[]string{"--keys", file, "url", "--expires", "5s", "/images/" + id}, "1m to 168h", 2},
		"no client":         {[]string{"--keys", file, "grant"}, "<client>", 2},
		"an empty client":   {[]string{"--keys", file, "grant", ""}, "no name", 2},
		"too many images":   {[]string{"--keys", file, "grant", "--images", "1001", "a"}, "from 1 to 1000", 2},
		"an unknown type":   {[]string{"--keys", file, "grant", "--types", "image/tiff", "a"}, "not accepted", 2},
		"a long grant":      {[]string{"--keys", file, "grant", "--expires", "25h", "a"}, "expires_in", 2},
		"a missing file":    {[]string{"--keys", file + "x", "url", "/images/" + id}, "cannot be read", 1},
		"a file of no keys": {[]string{"--keys", short, "url", "/images/" + id}, "line 1 has a key of 6 characters", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := realMain(test.arguments, &out, noEnvironment)
			if cli.Status(err) != test.status || !strings.Contains(err.Error(), test.want) || out.Len() > 0 {
				t.Errorf("got %v, status %d, printed %q; want status %d and %q",
					err, cli.Status(err), out.String(), test.status, test.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want an error without the key", err)
			}
		})
	}
}
