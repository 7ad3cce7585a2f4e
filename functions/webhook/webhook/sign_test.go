package webhook

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// The example of the specification's libraries.
func TestSignature(t *testing.T) {
	t.Parallel()
	sign, ok := parseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if !ok {
		t.Fatal("the secret is not accepted")
	}
	got := signatures([]signer{sign}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0),
		[]byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	of := func(length int) string {
		return secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", length)))
	}
	for name, test := range map[string]struct {
		secret string
		want   bool
	}{
		"new": {NewSecret(), true}, "shortest": {of(24), true}, "longest": {of(64), true},
		"too short": {of(23), false}, "too long": {of(65), false}, "empty": {"", false}, "prefix": {secretPrefix, false},
		"without prefix":  {strings.TrimPrefix(of(32), secretPrefix), false},
		"private key":     {"whsk_" + strings.TrimPrefix(of(32), secretPrefix), false},
		"not base64":      {secretPrefix + strings.Repeat("!", 44), false},
		"URL-safe":        {secretPrefix + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32))), false},
		"without padding": {strings.TrimRight(of(32), "="), false},
		"with a rest":     {secretPrefix + strings.Repeat("k", 42) + "l=", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, got := parseSecret(test.secret); got != test.want {
				t.Errorf("accepted = %t, want %t", got, test.want)
			}
		})
	}
	if one, another := NewSecret(), NewSecret(); one == another {
		t.Error("two new secrets are the same")
	}
}
