package service

import (
	"io"
	"strings"
	"testing"
)

func TestVerifyWithoutSettings(t *testing.T) {
	t.Parallel()
	_, err := Verify(t.Context(), func(string) string { return "" }, false, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "MINIO_ENDPOINT") {
		t.Errorf("Verify() = %v, want what is missing in the settings", err)
	}
}

func TestVerifyWithoutBucket(t *testing.T) {
	t.Parallel()
	s := start(t)
	good, err := Verify(t.Context(), s.getenv, false, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("Verify() = %v, %v; want an error about the bucket", good, err)
	}
}

// Only a repair needs Redis and a publisher.
func TestVerifyNeedsOnlyTheBucket(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.upload("a.png", pngOf(t, 8, 8))
	without := func(name string) string {
		switch name {
		case "REDIS_HOST":
			return "127.0.0.1"
		case "REDIS_PORT":
			return "1"
		case "K_SINK":
			return "http://127.0.0.1:1"
		}
		return s.getenv(name)
	}
	var out strings.Builder
	good, err := Verify(t.Context(), without, false, &out, io.Discard)
	if !good || err != nil || !strings.HasPrefix(out.String(), "1 images:") {
		t.Errorf("Verify() = %v, %v, %q; want one good image", good, err, out.String())
	}
}
