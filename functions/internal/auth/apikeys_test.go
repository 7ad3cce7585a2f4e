package auth

import (
	"os"
	"strings"
	"testing"
)

const sumOfA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

// Errors name every bad line and quote none.
func TestParseKeys(t *testing.T) {
	const badName = "has a name that is not 1 to 64 letters, digits and . _ @ -"
	for name, test := range map[string]struct{ text, want string }{
		"comments, empty lines": {"# clients\n\n \t\nscanner " + sumOfA + "\n", ""},
		"capitals, tabs, CR LF": {"scanner\t" + strings.ToUpper(sumOfA) + "\r\n", ""},
		"no line end":           {"scanner " + sumOfA, ""},
		"key itself":            {"scanner isk_secretsecret\n", "line 1 has no SHA-256 in 64 hexadecimal digits"},
		"hash too short":        {"scanner " + sumOfA[:62] + "\n", "line 1 has no SHA-256 in 64 hexadecimal digits"},
		"name only":             {"\nscanner\n", "line 2 is not a name and a SHA-256"},
		"three fields":          {"scanner " + sumOfA + " isk_secretsecret\n", "line 1 is not a name and a SHA-256"},
		"name with a NUL":       {"a\x00b " + sumOfA + "\n", "line 1 " + badName},
		"name like a token's":   {"https://issuer|secret " + sumOfA + "\n", "line 1 " + badName},
		"key twice":             {"a " + sumOfA + "\n#\nb " + sumOfA + "\n", "line 3 has the key of line 1"},
		"two bad lines": {
			"secret\nsecret\n", "line 1 is not a name and a SHA-256\nline 2 is not a name and a SHA-256",
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := parseKeys([]byte(test.text))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want || strings.Contains(got, "secret") {
				t.Errorf("got error %q, want %q", got, test.want)
			}
			if test.want == "" && (len(keys) != 1 || keys[0].client != "scanner") {
				t.Errorf("got %+v, want one key, of scanner", keys)
			}
		})
	}
}

// Keys follow the file without a restart. A malformed file has no effect and is logged once.
func TestKeysChange(t *testing.T) {
	file, old := keysFile(t, "scanner")
	d := open(t, map[string]string{"AUTH_API_KEYS_FILE": file})
	d.keys.file.SetInterval(0)
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
		t.Error("before the change: want the old key valid, the new one not")
	}
	write(t, file, string(both)+line+"\n")
	if status(old["scanner"]) != 200 || status(key) != 200 {
		t.Error("with both keys in the file: want both valid")
	}
	for _, bad := range []string{"scanner", line + "\nscanner x\n"} {
		write(t, file, bad)
		for range 3 {
			if status(old["scanner"]) != 200 || status(key) != 200 {
				t.Errorf("with %q in the file: want both keys valid as before", bad)
			}
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if status(key) != 200 {
		t.Error("without the file: want the key valid as before")
	}
	write(t, file, line+"\n")
	if status(old["scanner"]) != 401 || status(key) != 200 {
		t.Error("after the change: want the new key valid, the old one not")
	}
	write(t, file, "# no client\n")
	if status(key) != 401 {
		t.Error("without keys in the file: want the last one not valid")
	}
	log := d.log.String()
	failed, read := strings.Count(log, "api_keys_not_read"), strings.Count(log, "api_keys_read")
	if failed != 3 || read != 3 {
		t.Errorf("got %d failures and %d changes in the log, want 3 and 3:\n%s", failed, read, log)
	}
	if strings.Contains(log, line[10:]) {
		t.Errorf("the log has a line of the file:\n%s", log)
	}
}

func TestNewKey(t *testing.T) {
	for _, name := range []string{"", "a b", "a|b", "-a", "ä", strings.Repeat("a", 65), "a\n"} {
		t.Run("name "+name, func(t *testing.T) {
			if key, line, err := NewKey(name); err == nil {
				t.Errorf("got %s, %s; want an error", key, line)
			}
		})
	}
	one, line, err := NewKey("a.b_c@d-1")
	two, _, _ := NewKey("a")
	keys, parseErr := parseKeys([]byte(line))
	if err != nil || len(one) != len("isk_")+43 || one == two {
		t.Errorf("got keys %s, %s, %v; want two of isk_ and 43 characters", one, two, err)
	}
	if parseErr != nil || keys[0].client != "a.b_c@d-1" || strings.Contains(line, one) {
		t.Errorf("got line %q, %v; want the client and not its key", line, parseErr)
	}
}
