package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gitlab.com/yourorg/image-service/knative"
)

func nothing(string) string { return "" }

// printed is a console that tests look at.
type printed struct {
	sync.Mutex
	text strings.Builder
}

func (p *printed) Write(text []byte) (int, error) {
	p.Lock()
	defer p.Unlock()
	return p.text.Write(text)
}

func (p *printed) String() string {
	p.Lock()
	defer p.Unlock()
	return p.text.String()
}

// await waits until something is printed.
func (p *printed) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(p.String(), want) {
			return
		}
	}
	t.Fatalf("printed %q within a minute, want %q", p, want)
}

// command is the program, running.
type command struct {
	out, notes printed
	interrupt  func()
	ended      chan error
}

// run returns when the program says that it is ready.
func run(t *testing.T, settings map[string]string, arguments ...string) *command {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	c := &command{interrupt: interrupt, ended: make(chan error, 1)}
	getenv := func(name string) string { return settings[name] }
	go func() {
		c.ended <- realMain(ctx, arguments, getenv, &c.out, &c.notes)
		close(c.ended)
	}()
	t.Cleanup(func() { interrupt(); <-c.ended })
	c.out.await(t, "\n")
	return c
}

// The first thing that anybody does: one line with an address that works, and an end when it is told to.
func TestRun(t *testing.T) {
	t.Parallel()
	for listen, host := range map[string]string{"127.0.0.1:0": `127\.0\.0\.1`, "0.0.0.0:0": "localhost", ":0": "localhost"} {
		c := run(t, nil, "--listen", listen)
		line := c.out.String()
		address := regexp.MustCompile(`^image-service is ready at (http://` + host + `:\d+) .*\n$`).FindStringSubmatch(line)
		if address == nil || c.notes.String() != "" {
			t.Fatalf("%s: printed %q, and noted %q", listen, line, &c.notes)
		}
		response, err := http.Get(address[1] + "/ready")
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", listen, response, err)
		}
		c.interrupt()
		if err := <-c.ended; err != nil || c.out.String() != line {
			t.Errorf("%s: ended with %v, printed %q", listen, err, &c.out)
		}
	}
}

// It is ready without its servers, and says so: they may come.
func TestServersAway(t *testing.T) {
	t.Parallel()
	for want, settings := range map[string]map[string]string{
		"redis can not be used":           {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"},
		"minio can not be used":           {"MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "b"},
		"redis and minio can not be used": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1", "MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "b"},
	} {
		settings["LOG_LEVEL"] = "ERROR"
		c := run(t, settings, "--listen", "127.0.0.1:0")
		if got := c.notes.String(); got != "image-service: "+want+"; uploads are refused until that changes\n" {
			t.Errorf("noted %q, want %q in it", got, want)
		}
	}
}

// Whoever waits for the end learns what for.
func TestEndWithAnUploadInFlight(t *testing.T) {
	t.Parallel()
	c := run(t, map[string]string{"LOG_LEVEL": "ERROR"}, "--listen", "127.0.0.1:0")
	connection, err := net.Dial("tcp", regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(c.out.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "POST /upload HTTP/1.1\r\nHost: here\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(connection).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("answered %q, %v", line, err)
	}
	c.interrupt()
	c.notes.await(t, "image-service: finishing what is in flight; Ctrl-C again ends it at once\n")
	connection.Close()
	if err := <-c.ended; err != nil || strings.Count(c.notes.String(), "\n") != 1 {
		t.Errorf("ended with %v, noted %q", err, &c.notes)
	}
}

// Both functions read most of the settings. What is wrong with them is said once, whichever of them says it.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"MINIO_ENDPOINT": "127.0.0.1:1", "MAX_PIXELS_IN_FLIGHT": "few", "UPLOAD_MEMORY_BYTES": "much"}
	err := realMain(t.Context(), []string{"--listen", "127.0.0.1:0"}, func(name string) string { return settings[name] }, io.Discard, io.Discard)
	if err == nil {
		t.Fatal("it runs")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{"bad settings:", "MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set", `MAX_PIXELS_IN_FLIGHT is "few"`, `UPLOAD_MEMORY_BYTES is "much"`} {
		if len(lines) != 5 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("%v\nwant line %d to begin with %s, and five of them", err, i+1, want)
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
		"no address":        {[]string{"--listen", ""}, nil, []string{`--listen is ""; expected HOST:PORT`}},
		"no port":           {[]string{"--listen", "here"}, nil, []string{`--listen is "here"; expected HOST:PORT`}},
		"an empty port":     {[]string{"--listen", "127.0.0.1:"}, nil, []string{`--listen is "127.0.0.1:"; expected HOST:PORT`}},
		"a port alone":      {[]string{"--listen", "8080"}, nil, []string{`--listen is "8080"; expected HOST:PORT`}},
		"a port too high":   {[]string{"--listen", "127.0.0.1:65536"}, nil, []string{"--listen", "65536"}},
		"no broker address": {[]string{"--listen", "127.0.0.1:0", "--broker", ""}, nil, []string{`--broker is ""; expected HOST:PORT`}},
		"bad settings": {[]string{"--listen", "127.0.0.1:0"}, map[string]string{"MAX_IMAGE_PIXELS": "many", "MAX_UPLOAD_BYTES": "-1", "LOG_LEVEL": "LOUD"},
			[]string{`MAX_IMAGE_PIXELS is "many"`, `MAX_UPLOAD_BYTES is "-1"`, `LOG_LEVEL is "LOUD"`}},
		"a MinIO without keys": {[]string{"--listen", "127.0.0.1:0"}, map[string]string{"MINIO_ENDPOINT": "127.0.0.1:1"}, []string{"MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set"}},
		"running, but what":    {[]string{"--running", "127.0.0.1:1"}, nil, []string{"-running", "expected NAME=HOST:PORT"}},
		"running, but where":   {[]string{"--running", "thumbnail"}, nil, []string{"-running", "expected NAME=HOST:PORT"}},
		"a stranger running":   {[]string{"--running", "resize=127.0.0.1:1"}, nil, []string{`"resize", which is not deployed`}},
		"no Kafka there":       {[]string{"--listen", "127.0.0.1:0"}, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, []string{"kafka at [127.0.0.1:1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := realMain(t.Context(), test.arguments, func(name string) string { return test.settings[name] }, &out, io.Discard)
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
	if len(d.services) != 3 || !d.services["upload"].public() || d.services["thumbnail"].public() {
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
