package publisher

import (
	"fmt"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func TestReadSettings(t *testing.T) {
	sink := func(url string) map[string]string { return map[string]string{"K_SINK": url} }
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string // in the faults; none for no fault
	}{
		"nothing":             {nil, []string{"KAFKA_BOOTSTRAP_SERVERS is not set", "K_SINK"}},
		"sink":                {sink("http://broker/a/b"), nil},
		"sink with a login":   {sink("https://name:secret@broker:8443/a"), nil},
		"ftp":                 {sink("ftp://broker"), []string{"K_SINK is"}},
		"ftp with a login":    {sink("ftp://name:secret@broker"), []string{`K_SINK is "...@broker"`}},
		"opaque with a login": {sink("name:secret@broker"), []string{`K_SINK is "...@broker"`}},
		"port above 65535":    {sink("http://broker:99999"), []string{"K_SINK is"}},
		"everything wrong": {
			map[string]string{"K_SINK": "broker", "K_CE_OVERRIDES": "{", "K_CA_CERTS": "x"},
			[]string{"K_SINK is", "K_CE_OVERRIDES is", "K_CA_CERTS has"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := config.NewReader(func(name string) string { return test.settings[name] })
			ReadSettings(r)
			got := ""
			if err := r.Err(); err != nil {
				got = err.Error()
			}
			if (got == "") != (len(test.want) == 0) {
				t.Errorf("got faults %q, want %q", got, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("got faults %q, want %q in them", got, want)
				}
			}
			if strings.Contains(got, "secret") {
				t.Errorf("faults %q contain a secret", got)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for name, test := range map[string]struct{ setting, value, want string }{
		"K_SINK": {"K_SINK", "http://127.0.0.1:1", "*publisher.sink"},
		"Kafka":  {"KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "*kafka.Topic"},
	} {
		t.Run(name, func(t *testing.T) {
			publisher := Open(settingsOf(t, func(name string) string {
				return map[string]string{test.setting: test.value}[name]
			}))
			t.Cleanup(func() { publisher.Close() })
			if got := fmt.Sprintf("%T", publisher); got != test.want {
				t.Errorf("got a %s, want a %s", got, test.want)
			}
		})
	}
}
