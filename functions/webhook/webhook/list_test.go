package webhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const someSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := rules{}.parse([]byte(`
endpoints:
- name: orders
  url: https://orders.example.com:8443/hooks?token=1
  secrets: [` + someSecret + `, ` + NewSecret() + `]
  types: [image.failed, image.deleted]
- {name: a, url: "https://1.1.1.1", secrets: [` + NewSecret() + `]}
`))
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d endpoints, %v", len(got), err)
	}
	if e := got[0]; e.name != "orders" || e.url != "https://orders.example.com:8443/hooks?token=1" ||
		len(e.signers) != 2 || !slices.Equal(e.types, []string{"image.failed", "image.deleted"}) {
		t.Errorf("got %v", e)
	}
	if want := []string{"image.thumbnailed", "image.failed", "image.deleted"}; !slices.Equal(got[1].types, want) {
		t.Errorf("the types are %v by default, want %v", got[1].types, want)
	}
}

// Every fault says where it is and what was expected, and quotes no secret.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	one := func(fields string) string { return "endpoints:\n- {" + fields + "}\n" }
	const rest = `, url: "https://a.example", secrets: [` + someSecret + "]"
	for want, text := range map[string]string{
		"it is not YAML: line 2 cannot be read":                     "endpoints:\n\t- " + someSecret,
		"the document is empty; expected endpoints: and a list":     "# nothing",
		"line 1: the document has no fields; expected":              "[" + someSecret + "]",
		"line 1: the document has a field that is not known":        someSecret + ": a",
		"line 2: the document has a field twice":                    "endpoints: []\nendpoints: []",
		"line 1: endpoints is not a list; expected one of 0 to 64":  "endpoints: " + someSecret,
		"line 1: endpoints has 65 items; expected 0 to 64":          "endpoints: [" + strings.Repeat("a,", 65) + "]",
		"line 1: endpoints[0] is not a mapping; expected name, url": "endpoints: [" + someSecret + "]",
		"line 2: endpoints[0] has a field that is not known":        one("name: a, secret: " + someSecret + rest),
		"line 2: endpoints[0].name is missing; expected 1 to 32":    one(strings.TrimPrefix(rest, ", ")),
		"line 2: endpoints[0].url is missing; expected an https":    one("name: a, secrets: [" + someSecret + "]"),
		"line 2: endpoints[0].secrets is missing; expected a list":  one(`name: a, url: "https://a.example"`),
		"line 2: endpoints[0].name is not a name; expected 1":       one("name: " + someSecret + rest),
		"line 2: endpoints[0].secrets has 0 items; expected 1 to 4": one(`name: a, url: "https://a.example", secrets: []`),
		"line 2: endpoints[0].secrets[0] is not a secret; expected whsec_ and": one(
			`name: a, url: "https://a.example", secrets: [` + someSecret[:20] + "]"),
		"line 2: endpoints[0].secrets[1] is that of endpoints[0].secrets[0]": one(
			`name: a, url: "https://a.example", secrets: [` + someSecret + ", " + someSecret + "]"),
		"line 3: endpoints[1].secrets[0] is that of endpoints[0].secrets[0]": one("name: a"+rest) + "- {name: b" + rest + "}",
		"line 3: endpoints[1].name is that of endpoints[0].name":             one("name: a"+rest) + "- {name: a" + rest + "}",
		"line 2: endpoints[0].types[0] is not a type that is posted":         one("name: a, types: [image.uploaded]" + rest),
		"line 2: endpoints[0].types has 0 items; expected 1 to 3":            one("name: a, types: []" + rest),
		`line 2: endpoints[0].types[1] is "image.failed" again`: one(
			"name: a, types: [image.failed, image.failed]" + rest),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			got, err := rules{}.parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "expected") &&
				!strings.Contains(want, "YAML") {
				t.Fatalf("got %v, %v; want %s", got, err, want)
			}
			if strings.Contains(err.Error(), someSecret[6:15]) {
				t.Errorf("the error has the secret: %v", err)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://a.example": true, "https://a.example/b?c=d": true, "https://1.1.1.1:8443/": true,
		"https://[2606:4700::1]/": true, "HTTPS://a.example": true, "https://a_b.example": true,
		"http://a.example": false, "ftp://a.example": false, "//a.example": false, "a.example": false, "https://": false,
		"https:///path": false, "https://user@a.example": false, "https://user:pw@a.example": false,
		"https://a.example#fragment": false, "https://a.example/#": false, "https://a.example:0": false,
		"https://a.example:99999": false, "https://a b.example": false, "https://a.example\\@b.example": false,
		"https://127.0.0.1": false, "https://10.1.2.3:8443": false, "https://[::1]": false, "https://169.254.169.254": false,
		"https://[::ffff:127.0.0.1]": false, "https://[fe80::1%25eth0]": false, "https://a.example/\n": false,
		"https://a.example/" + strings.Repeat("a", maxURL): false,
	} {
		text := fmt.Sprintf("endpoints: [{name: a, url: %q, secrets: [%s]}]", address, someSecret)
		if _, err := (rules{}).parse([]byte(text)); (err == nil) != want {
			t.Errorf("%.60q: got %v, want accepted: %t", address, err, want)
		}
	}
}

// Nothing of a document is in an error, and nothing makes the parser panic.
func FuzzParse(f *testing.F) {
	f.Add("endpoints: [{name: a, url: https://a.example, secrets: [" + someSecret + "]}]")
	f.Add("endpoints:\n- &a {name: a, url: http://a, secrets: [" + someSecret + "]}\n- *a\n")
	f.Add("endpoints: *" + someSecret)
	f.Add(someSecret + ": [" + someSecret)
	f.Add("a: &a [*a]\nendpoints: *a")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := rules{}.parse([]byte(text))
		if err != nil && strings.Contains(err.Error(), someSecret[6:15]) {
			t.Errorf("the error has the secret: %v", err)
		}
		for _, e := range found {
			if e.name == "" || e.url == "" || len(e.signers) == 0 || len(e.types) == 0 {
				t.Errorf("got the endpoint %v", e)
			}
		}
	})
}
