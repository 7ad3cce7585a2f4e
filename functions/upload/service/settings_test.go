package service

import (
	"strings"
	"testing"
)

// Everything that is wrong with the settings is in one error, and no password is.
func TestSettings(t *testing.T) {
	t.Parallel()
	settings := map[string]string{
		"MINIO_ENDPOINT":          "http://admin:topsecret@127.0.0.1:1",
		"MINIO_ACCESS_KEY":        "a",
		"MINIO_SECRET_KEY":        "b",
		"MINIO_BUCKET":            "X_Y",
		"REDIS_HOST":              "127.0.0.1:17379",
		"KAFKA_TOPIC":             "a b",
		"KAFKA_BOOTSTRAP_SERVERS": "kafka",
		"SOURCE_BUCKETS":          "Nö,scans",
		"UPLOAD_MEMORY_BYTES":     "1",
		"EVENTS_ONLY":             "yes",
		"RATE_LIMIT":              "fast",
	}
	err := Run(t.Context(), nil, func(name string) string { return settings[name] })
	if err == nil {
		t.Fatal("Run() = nil, want an error")
	}
	for _, want := range []string{
		"MINIO_ENDPOINT is", `MINIO_BUCKET is "X_Y"`, "REDIS_HOST is", "KAFKA_TOPIC is", "KAFKA_BOOTSTRAP_SERVERS has",
		`SOURCE_BUCKETS has "Nö"`, "UPLOAD_MEMORY_BYTES is", "EVENTS_ONLY is", "RATE_LIMIT is",
	} {
		name, _, _ := strings.Cut(want, " ")
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Run() = %v\nwant %s in it", err, want)
			}
		})
	}
	if strings.Contains(err.Error(), "topsecret") {
		t.Errorf("Run() = %v\nwant no password in it", err)
	}
}
