package auth

import (
	"os"
	"strings"
	"testing"
)

const sumOfA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

// Faults are named by their lines, all of them, and nothing that stands there is repeated.
func TestParseKeys(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"comments, empty lines":    {"# who\n\n \t\nscanner " + sumOfA + "\n", ""},
		"capitals, tabs, CR LF":    {"scanner\t" + strings.ToUpper(sumOfA) + "\r\n", ""},
		"no line end":              {"scanner " + sumOfA, ""},
		"the key itself":           {"scanner isk_secretsecret\n", "line 1 has no SHA-256 in 64 hexadecimal digits"},
		"a short one":              {"scanner " + sumOfA[:62] + "\n", "line 1 has no SHA-256 in 64 hexadecimal digits"},
		"a name only":              {"\nscanner\n", "line 2 is not a name and a SHA-256"},
		"three fields":             {"scanner " + sumOfA + " isk_secretsecret\n", "line 1 is not a name and a SHA-256"},
		"a name with a line's end": {"a\x00b " + sumOfA + "\n", "line 1 has a name that is not 1 to 64 letters, digits and . _ @ -"},
		"a name like a token's":    {"https://issuer|secret " + sumOfA + "\n", "line 1 has a name that is not 1 to 64 letters, digits and . _ @ -"},
		"a key twice":              {"a " + sumOfA + "\n#\nb " + sumOfA + "\n", "line 3 has the key of line 1"},
		"two faults":               {"secret\nsecret\n", "line 1 is not a name and a SHA-256\nline 2 is not a name and a SHA-256"},
	} {
		keys, err := parseKeys([]byte(test.text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want || test.want == "" && (len(keys) != 1 || keys[0].client != "scanner") || strings.Contains(got, "secret") {
			t.Errorf("%s: %+v, %q; want %q", name, keys, got, test.want)
		}
	}
}

// Keys come and go with the file, without a restart; what is no good in it counts for nothing and is told once.
func TestKeysChange(t *testing.T) {
	file, old := keysFile(t, "scanner")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file})
	d.keys.every = 0
	status := func(key string) int { return d.ask("GET", "X-Api-Key: "+key).Code }
	key, line, err := NewKey("scanner")
	if err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if status(old["scanner"]) != 200 || status(key) != 401 {
		t.Error("before the change")
	}
	write(t, file, string(both)+line+"\n")
	if status(old["scanner"]) != 200 || status(key) != 200 {
		t.Error("while both are in the file, one does not work")
	}
	for _, bad := range []string{"scanner", line + "\nscanner x\n"} {
		write(t, file, bad)
		for range 3 {
			if status(old["scanner"]) != 200 || status(key) != 200 {
				t.Errorf("with %q in the file, a key that was good is not", bad)
			}
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if status(key) != 200 {
		t.Error("without the file, a key that was good is not")
	}
	write(t, file, line+"\n")
	if status(old["scanner"]) != 401 || status(key) != 200 {
		t.Error("after the change")
	}
	write(t, file, "# nobody any more\n")
	if status(key) != 401 {
		t.Error("the last key can not be taken back")
	}
	if log := d.log.String(); strings.Count(log, "api_keys_not_read") != 3 || strings.Count(log, "api_keys_read") != 3 || strings.Contains(log, line[10:]) {
		t.Errorf("logged\n%s", log)
	}
}

func TestNewKey(t *testing.T) {
	for _, name := range []string{"", "a b", "a|b", "-a", "ä", strings.Repeat("a", 65), "a\n"} {
		if key, line, err := NewKey(name); err == nil {
			t.Errorf("a key for %q: %s %s", name, key, line)
		}
	}
	one, line, err := NewKey("a.b_c@d-1")
	two, _, _ := NewKey("a")
	keys, parseErr := parseKeys([]byte(line))
	if err != nil || parseErr != nil || len(one) != len("isk_")+43 || one == two || keys[0].client != "a.b_c@d-1" || strings.Contains(line, one) {
		t.Errorf("%s, %s, %s, %v, %v", one, two, line, err, parseErr)
	}
}
