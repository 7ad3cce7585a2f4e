package main

import (
	"slices"
	"strings"
	"testing"
)

func TestOtherModules(t *testing.T) {
	t.Parallel()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	got, err := otherModules(t.Context(), root, "./functions/upload")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/minio/minio-go/v7", "knative.dev/pkg/signals"} {
		if !slices.Contains(got, want) {
			t.Errorf("got %q, want %s among them", got, want)
		}
	}
	for _, name := range got {
		if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") || strings.Contains(name, "image-service") {
			t.Errorf("got %s, want only packages of other modules", name)
		}
	}
}
