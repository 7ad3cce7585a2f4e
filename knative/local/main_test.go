package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"gitlab.com/yourorg/image-service/knative"
)

func nothing(string) string { return "" }

// The first thing that anybody does: one line with an address that works, and an end when it is told to.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- realMain(ctx, []string{"--listen", "127.0.0.1:0"}, nothing, in)
		in.Close()
	}()
	line := make([]byte, 1000)
	n, err := out.Read(line)
	address := regexp.MustCompile(`^image-service is ready at (http://127\.0\.0\.1:\d+) .*\n$`).FindSubmatch(line[:n])
	if err != nil || address == nil {
		t.Fatalf("printed %q, %v", line[:n], err)
	}
	response, err := http.Get(string(address[1]) + "/ready")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", response, err)
	}
	cancel()
	if more, _ := io.ReadAll(out); len(more) > 0 {
		t.Errorf("printed more: %s", more)
	}
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"--help", "-h", "-help"} {
		var out bytes.Buffer
		if err := realMain(t.Context(), []string{option}, nothing, &out); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%s: %v", option, err)
		}
		for _, want := range []string{"--listen HOST:PORT", "default 127.0.0.1:8080", "--broker HOST:PORT", "MINIO_ENDPOINT", "curl -F"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s says nothing of %s:\n%s", option, want, &out)
			}
		}
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	busy := taken.Addr().String()
	for name, test := range map[string]struct {
		arguments []string
		settings  map[string]string
		want      []string
	}{
		"an unknown option": {[]string{"--port", "80"}, nil, []string{"-port", "--help"}},
		"an argument":       {[]string{"photo.jpg"}, nil, []string{"photo.jpg", "--help"}},
		"a busy port":       {[]string{"--listen", busy}, nil, []string{busy + " is in use", "--listen 127.0.0.1:0"}},
		"a busy broker":     {[]string{"--listen", "127.0.0.1:0", "--broker", busy}, nil, []string{busy + " is in use", "--broker"}},
		"no address":        {[]string{"--listen", "here"}, nil, []string{"--listen", "here"}},
		"bad settings": {[]string{"--listen", "127.0.0.1:0"}, map[string]string{"MAX_IMAGE_PIXELS": "many", "MAX_UPLOAD_BYTES": "-1", "LOG_LEVEL": "LOUD"},
			[]string{`MAX_IMAGE_PIXELS is "many"`, `MAX_UPLOAD_BYTES is "-1"`, `LOG_LEVEL is "LOUD"`}},
		"a MinIO without keys": {[]string{"--listen", "127.0.0.1:0"}, map[string]string{"MINIO_ENDPOINT": "127.0.0.1:1"}, []string{"MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set"}},
		"no Kafka there":       {[]string{"--listen", "127.0.0.1:0"}, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, []string{"kafka at [127.0.0.1:1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := realMain(t.Context(), test.arguments, func(name string) string { return test.settings[name] }, &out)
			if err == nil || out.Len() > 0 {
				t.Fatalf("%v, printed %q", err, &out)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %s in it", err, want)
				}
			}
		})
	}
}

// The routing is what the manifests say.
func TestReadDeployment(t *testing.T) {
	t.Parallel()
	d, err := readDeployment(knative.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.services) != 2 || !d.services["upload"].public() || d.services["thumbnail"].public() {
		t.Errorf("services %+v", d.services)
	}
	if len(d.sources) != 1 || d.sources[0].Spec.Topics[0] != "image-processing" || d.sources[0].Spec.ConsumerGroup != "image-processor-group" ||
		d.sources[0].Spec.InitialOffset != "earliest" || d.sources[0].Spec.Sink.Ref.Name != d.brokers[0].Metadata.Name {
		t.Errorf("sources %+v", d.sources)
	}
	environment := d.environment(d.services["thumbnail"])
	if environment["MINIO_BUCKET"] != "images" || environment["GOMEMLIMIT"] == "" {
		t.Errorf("environment %v", environment)
	}
}

func TestReadDeploymentRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an unknown kind": "kind: Deployment",
		"no YAML":         "a: [",
		"a bad duration":  "kind: Broker\nspec:\n  delivery:\n    backoffDelay: soon",
	} {
		if _, err := readDeployment(fstest.MapFS{"a.yaml": {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), "a.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
