package kafka

import (
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func TestReadSettings(t *testing.T) {
	brokers := func(value string) map[string]string { return map[string]string{"KAFKA_BOOTSTRAP_SERVERS": value} }
	topic := func(name string) map[string]string {
		return map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": name}
	}
	for name, test := range map[string]struct {
		settings map[string]string
		want     string // in the fault; "" for no fault
	}{
		"nothing":              {nil, "KAFKA_BOOTSTRAP_SERVERS is not set"},
		"no port":              {brokers("a:1, b"), `KAFKA_BOOTSTRAP_SERVERS has "b"`},
		"empty port":           {brokers("a:"), `KAFKA_BOOTSTRAP_SERVERS has "a:"`},
		"no host":              {brokers(":9092"), `KAFKA_BOOTSTRAP_SERVERS has ":9092"`},
		"port 0":               {brokers("a:0"), `KAFKA_BOOTSTRAP_SERVERS has "a:0"`},
		"port above 65535":     {brokers("a:65536"), `KAFKA_BOOTSTRAP_SERVERS has "a:65536"`},
		"URL":                  {brokers("kafka://a:1"), `KAFKA_BOOTSTRAP_SERVERS has "kafka://a:1"`},
		"login in the address": {brokers("secret@b:1"), `KAFKA_BOOTSTRAP_SERVERS has "...@b:1"`},
		"several brokers":      {brokers("a:1, b:65535, [::1]:9092"), ""},
		"topic":                {topic("A.b_c-1"), ""},
		"space in topic":       {topic("a b"), `KAFKA_TOPIC is "a b"`},
		"line break in topic":  {topic("a\n"), `KAFKA_TOPIC is "a\n"`},
		"topic .":              {topic("."), `KAFKA_TOPIC is "."`},
		"topic ..":             {topic(".."), `KAFKA_TOPIC is ".."`},
		"topic of 249 letters": {topic(strings.Repeat("a", 249)), ""},
		"topic of 250 letters": {topic(strings.Repeat("a", 250)), "KAFKA_TOPIC is"},
		"TLS not a boolean":    {map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TLS": "1"}, `KAFKA_TLS is "1"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := config.NewReader(func(name string) string { return test.settings[name] })
			ReadSettings(r)
			got := ""
			if err := r.Err(); err != nil {
				got = err.Error()
			}
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got faults %q, want %q", got, test.want)
			}
			if strings.Contains(got, "secret") {
				t.Errorf("faults %q contain a secret", got)
			}
		})
	}
}

// What may wait has a topic of its own.
func TestReadBackfillSettings(t *testing.T) {
	r := config.NewReader(func(name string) string {
		return map[string]string{
			"KAFKA_BOOTSTRAP_SERVERS": "a:1", "KAFKA_TOPIC": "tasks", "KAFKA_BACKFILL_TOPIC": "later",
		}[name]
	})
	if now, later := ReadSettings(r), ReadBackfillSettings(r); now.Topic != "tasks" || later.Topic != "later" {
		t.Errorf("got topics %q and %q, want tasks and later", now.Topic, later.Topic)
	}
}
