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

// output is a stream that a test reads while it is written.
type output struct {
	sync.Mutex
	text strings.Builder
}

func (o *output) Write(text []byte) (int, error) {
	o.Lock()
	defer o.Unlock()
	return o.text.Write(text)
}

func (o *output) String() string {
	o.Lock()
	defer o.Unlock()
	return o.text.String()
}

// await waits until the output contains a text.
func (o *output) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(o.String(), want) {
			return
		}
	}
	t.Fatalf("got output %q after a minute, want %q in it", o, want)
}

// command is the running program.
type command struct {
	stdout, stderr output
	interrupt      func()
	ended          chan error
}

// run starts the program and returns when it has written its summary.
func run(t *testing.T, settings map[string]string, arguments ...string) *command {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	c := &command{interrupt: interrupt, ended: make(chan error, 1)}
	getenv := func(name string) string { return settings[name] }
	go func() {
		c.ended <- realMain(ctx, arguments, &c.stdout, &c.stderr, getenv)
		close(c.ended)
	}()
	t.Cleanup(func() { interrupt(); <-c.ended })
	c.stdout.await(t, "Ctrl-C")
	return c
}

// The summary has addresses that work, for every way to listen, and Ctrl-C ends the program without an error.
func TestRun(t *testing.T) {
	t.Parallel()
	for listen, host := range map[string]string{
		"127.0.0.1:0": `127\.0\.0\.1`, "0.0.0.0:0": "localhost", ":0": "localhost",
	} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			c := run(t, nil, "--listen", listen)
			summary := c.stdout.String()
			begin := regexp.MustCompile(`^image-service is ready\.\n\n  Page  +(http://` + host + `:\d+)\n`)
			page := begin.FindStringSubmatch(summary)
			if page == nil || c.stderr.String() != "" {
				t.Fatalf("got stdout %q and stderr %q, want the summary alone", summary, &c.stderr)
			}
			mustGet(t, page[1]+"/ready")
			c.interrupt()
			if err := <-c.ended; err != nil || c.stdout.String() != summary {
				t.Errorf("got error %v and stdout %q after Ctrl-C, want none and nothing more", err, &c.stdout)
			}
		})
	}
}

// Every address of the summary is in one column and responds.
func TestSummary(t *testing.T) {
	t.Parallel()
	c := run(t, nil, "--listen", "127.0.0.1:0")
	rows := regexp.MustCompile(`(?m)^  (\S.*?)  +(http://\S+)$`).FindAllStringSubmatch(c.stdout.String(), -1)
	addresses, column := map[string]string{}, -1
	for _, row := range rows {
		addresses[row[1]] = row[2]
		if at := strings.Index(row[0], "http"); column != at && column != -1 {
			t.Errorf("got an address in column %d of %q, want column %d", at, row[0], column)
		} else {
			column = at
		}
	}
	for name, path := range map[string]string{
		"Page": "/", "Dead letters": "/", "Metrics of upload": "", "Metrics of thumbnail": "", "Metrics of dead-letters": "",
		"Metrics of thumbnail-backfill": "",
	} {
		t.Run(name, func(t *testing.T) { mustGet(t, addresses[name]+path) })
	}
	if broker := addresses["Broker"]; !strings.HasSuffix(broker, "/image-service/images") {
		t.Errorf("got Broker %q, want its full URL", broker)
	}
	if len(rows) != 7 {
		t.Errorf("got %d addresses in %s, want 7", len(rows), &c.stdout)
	}
}

// A person who opens the page at once finds all images, long before a cluster's first sweep.
func TestListIsComplete(t *testing.T) {
	t.Parallel()
	c := run(t, nil, "--listen", "127.0.0.1:0")
	page := regexp.MustCompile(`Page +(http://\S+)`).FindStringSubmatch(c.stdout.String())[1]
	var answer []byte
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		response, err := http.Get(page + "/images")
		if err != nil {
			t.Fatal(err)
		}
		answer, err = io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(answer), `"complete":true`) {
			return
		}
	}
	t.Errorf("got %s after a minute, want a complete list", answer)
}

func mustGet(t *testing.T, url string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Errorf("GET %s: got %s, want 200", url, response.Status)
	}
}

// Without its servers the program is ready, and names those that it cannot use: they may come.
func TestServersUnavailable(t *testing.T) {
	t.Parallel()
	const advice = "; uploads are refused until that changes. " +
		"Check MINIO_ENDPOINT, REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS, or unset them to use the built-in servers\n"
	for names, settings := range map[string]map[string]string{
		"redis": {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"},
		"minio": {"MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "b"},
		"redis and minio": {
			"REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1",
			"MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "b",
		},
	} {
		t.Run(names, func(t *testing.T) {
			settings["LOG_LEVEL"] = "ERROR"
			c := run(t, settings, "--listen", "127.0.0.1:0")
			got := c.stderr.String()
			if !strings.HasPrefix(got, "image-service: "+names+" can") || !strings.HasSuffix(got, advice) {
				t.Errorf("got stderr %q, want that %s cannot be used, and the advice", got, names)
			}
			if strings.Count(got, "\n") != 1 {
				t.Errorf("got stderr %q, want one line", got)
			}
		})
	}
}

// A person who waits for the end is told why it takes time.
func TestStopDuringUpload(t *testing.T) {
	t.Parallel()
	c := run(t, map[string]string{"LOG_LEVEL": "ERROR"}, "--listen", "127.0.0.1:0")
	connection, err := net.Dial("tcp", regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(c.stdout.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "POST /upload HTTP/1.1\r\nHost: here\r\n"+
		"Content-Type: image/jpeg\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(connection).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q, error %v; want 100 Continue", line, err)
	}
	c.interrupt()
	c.stderr.await(t, "image-service: finishing the requests in progress; press Ctrl-C again to stop at once\n")
	connection.Close()
	if err := <-c.ended; err != nil || strings.Count(c.stderr.String(), "\n") != 1 {
		t.Errorf("got error %v and stderr %q, want none and one line", err, &c.stderr)
	}
}

// The functions share most settings. A fault that several of them report is printed once.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	settings := map[string]string{
		"MINIO_ENDPOINT": "127.0.0.1:1", "DECODE_MEMORY_BYTES": "few", "UPLOAD_MEMORY_BYTES": "much",
	}
	getenv := func(name string) string { return settings[name] }
	err := realMain(t.Context(), []string{"--listen", "127.0.0.1:0"}, io.Discard, io.Discard, getenv)
	if err == nil {
		t.Fatal("realMain() = nil, want an error")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{
		"bad settings:", "MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set",
		`DECODE_MEMORY_BYTES is "few"`, `UPLOAD_MEMORY_BYTES is "much"`,
	} {
		if len(lines) != 5 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("got error %v, want five lines and %s at the beginning of line %d", err, want, i+1)
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
	anyPort := []string{"--listen", "127.0.0.1:0"}
	for name, test := range map[string]struct {
		arguments []string
		settings  map[string]string
		want      []string
	}{
		"unknown option":   {[]string{"--port", "80"}, nil, []string{"-port", "--help"}},
		"argument":         {[]string{"photo.jpg"}, nil, []string{"photo.jpg", "--help"}},
		"busy port":        {[]string{"--listen", busy}, nil, []string{busy + " is in use", "--listen 127.0.0.1:0"}},
		"busy broker port": {append(anyPort, "--broker", busy), nil, []string{busy + " is in use", "--broker"}},
		"no address":       {[]string{"--listen", ""}, nil, []string{`--listen is ""; expected HOST:PORT`}},
		"no port":          {[]string{"--listen", "here"}, nil, []string{`--listen is "here"; expected HOST:PORT`}},
		"empty port": {
			[]string{"--listen", "127.0.0.1:"}, nil, []string{`--listen is "127.0.0.1:"; expected HOST:PORT`},
		},
		"port alone":        {[]string{"--listen", "8080"}, nil, []string{`--listen is "8080"; expected HOST:PORT`}},
		"port above 65535":  {[]string{"--listen", "127.0.0.1:65536"}, nil, []string{"--listen", "65536"}},
		"no broker address": {append(anyPort, "--broker", ""), nil, []string{`--broker is ""; expected HOST:PORT`}},
		"bad settings": {
			anyPort, map[string]string{"MAX_IMAGE_PIXELS": "many", "MAX_UPLOAD_BYTES": "-1", "LOG_LEVEL": "LOUD"},
			[]string{`MAX_IMAGE_PIXELS is "many"`, `MAX_UPLOAD_BYTES is "-1"`, `LOG_LEVEL is "LOUD"`},
		},
		"MinIO without keys": {
			anyPort, map[string]string{"MINIO_ENDPOINT": "127.0.0.1:1"},
			[]string{"MINIO_ACCESS_KEY is not set", "MINIO_SECRET_KEY is not set"},
		},
		"Kafka unavailable": {
			anyPort, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
			[]string{"kafka at [127.0.0.1:1]", "unset it to use the built-in Kafka"},
		},
		"--running without a name": {
			[]string{"--running", "127.0.0.1:1"}, nil, []string{"-running", "expected NAME=HOST:PORT"},
		},
		"--running without an address": {
			[]string{"--running", "thumbnail"}, nil, []string{"-running", "expected NAME=HOST:PORT"},
		},
		"--running an unknown service": {
			[]string{"--running", "resize=127.0.0.1:1"}, nil, []string{`"resize", which is not deployed`, "thumbnail"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			getenv := func(name string) string { return test.settings[name] }
			err := realMain(t.Context(), test.arguments, &out, io.Discard, getenv)
			if err == nil || out.Len() > 0 {
				t.Fatalf("got error %v and stdout %q, want an error alone", err, &out)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want %s in it", err, want)
				}
			}
		})
	}
}

func TestReadDeployment(t *testing.T) {
	t.Parallel()
	d, err := readDeployment(knative.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.services) != 4 || !d.services["upload"].public() || d.services["thumbnail"].public() {
		t.Errorf("got services %+v, want four with upload public and thumbnail not", d.services)
	}
	if len(d.sources) != 2 {
		t.Fatalf("got sources %+v, want two", d.sources)
	}
	source := d.sources[0].Spec
	if source.Topics[0] != "image-processing" || source.ConsumerGroup != "image-processor-group" ||
		source.InitialOffset != "earliest" || source.Sink.Ref.Name != d.brokers[0].Metadata.Name {
		t.Errorf("got source %+v, want one from image-processing to the Broker", source)
	}
	backfill := d.sources[1].Spec
	if backfill.Topics[0] != "image-backfill" || backfill.Sink.Ref.Name != "thumbnail-backfill" ||
		cap(d.services["thumbnail-backfill"].places()) != 1 {
		t.Errorf("got source %+v, want one from image-backfill to a function that takes an event at a time", backfill)
	}
	environment := d.environment(d.services["thumbnail"])
	if environment["MINIO_BUCKET"] != "images" || environment["GOMEMLIMIT"] == "" {
		t.Errorf("got environment %v, want the bucket and a memory limit", environment)
	}
}

func TestReadDeploymentRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown kind": "kind: Deployment",
		"not YAML":     "a: [",
		"bad duration": "kind: Broker\nspec:\n  delivery:\n    backoffDelay: soon",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readDeployment(fstest.MapFS{"a.yaml": {Data: []byte(text)}})
			if err == nil || !strings.Contains(err.Error(), "a.yaml") {
				t.Errorf("got error %v, want one that names a.yaml", err)
			}
		})
	}
}
