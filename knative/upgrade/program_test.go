//go:build upgrade

package upgrade

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/process"
)

// before is the commit of the earlier version, of the morning of 2026-11-30.
const before = "3f184070f3ddba81d88a38597cd416473d921995"

// patience is how long a test waits for what has to happen.
const patience = 2 * time.Minute

// A version is a directory with the programs local and upload of one version.
type version string

// build compiles the programs of the source in a directory.
func build(t *testing.T, source string) version {
	t.Helper()
	programs := t.TempDir()
	run(t, source, "go", "build", "-tags", "grpcnotrace", "-trimpath", "-o", programs+"/", "./knative/local",
		"./functions/upload")
	return version(programs)
}

// checkOut returns a directory with the files of a commit.
func checkOut(t *testing.T, commit string) (source string) {
	t.Helper()
	if exec.Command("git", "cat-file", "-e", commit+"^{commit}").Run() != nil {
		run(t, ".", "git", "fetch", "--quiet", "--depth=1", "origin", commit)
	}
	source = t.TempDir()
	archive := filepath.Join(source, "archive.tar")
	root := strings.TrimSpace(run(t, ".", "git", "rev-parse", "--show-toplevel"))
	run(t, root, "git", "archive", "--output="+archive, commit)
	run(t, source, "tar", "-xf", archive)
	return source
}

func run(t *testing.T, directory string, command ...string) (output string) {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	c.Dir = directory
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, text)
	}
	return string(text)
}

// A service is a running version.
type service struct {
	*testing.T
	url     string
	command *exec.Cmd
	keys    map[string]string // API keys, by client
}

var localAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// startLocal starts all functions, with the Broker and the sources between them.
func (v version) startLocal(t *testing.T, w *world) *service {
	t.Helper()
	s := v.start(t, w, "local", nil, "--listen", "127.0.0.1:0")
	s.awaitReady()
	return s
}

// startUpload starts upload only, with other settings: nobody reads what it announces.
func (v version) startUpload(t *testing.T, w *world, settings ...string) *service {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(address)
	s := v.start(t, w, "upload", append(settings, "PORT="+port))
	s.url = "http://" + address
	await(t, "upload answers", func() bool {
		_, err := s.try("", http.MethodGet, "/health", content{})
		return err == nil
	})
	return s
}

func (v version) start(t *testing.T, w *world, program string, settings []string, arguments ...string) *service {
	t.Helper()
	s := &service{T: t, keys: w.keys, command: exec.Command(filepath.Join(string(v), program), arguments...)}
	s.command.Env = append(w.environment(), settings...)
	var log bytes.Buffer
	s.command.Stderr = &log
	output, err := s.command.StdoutPipe()
	if err == nil {
		err = process.Spawn(s.command)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("end of the log of %s: %s", s.command.Path, log.Bytes()[max(0, log.Len()-3000):])
		}
	})
	lines := bufio.NewScanner(output)
	for program == "local" && s.url == "" && lines.Scan() {
		s.url = localAddress.FindString(lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	return s
}

// stop ends the program as Kubernetes does.
func (s *service) stop() {
	if s.command.ProcessState == nil {
		_ = s.command.Process.Signal(os.Interrupt)
		_ = s.command.Wait()
	}
}

// kill ends the program as a lost node does.
func (s *service) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

func (s *service) awaitReady() {
	s.Helper()
	await(s.T, "/ready is 200", func() bool {
		got, err := s.try("", http.MethodGet, "/ready", content{})
		return err == nil && got.status == http.StatusOK
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// An answer is what a client reads of one.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %.300s", a.status, a.body) }

// fields returns the JSON of the body; none for another body.
func (a answer) fields() (fields map[string]any) {
	_ = json.Unmarshal([]byte(a.body), &fields)
	return fields
}

func (a answer) text(name string) string {
	text, _ := a.fields()[name].(string)
	return text
}

// A content is the body of a request.
type content struct{ contentType, text string }

// as sends a request of a client, "" for one without a key. Headers are "Name: value".
func (s *service) as(client, method, path string, body content, headers ...string) answer {
	s.Helper()
	got, err := s.try(client, method, path, body, headers...)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

func (s *service) get(client, path string) answer {
	s.Helper()
	return s.as(client, http.MethodGet, path, content{})
}

func (s *service) try(client, method, path string, body content, headers ...string) (got answer, err error) {
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body.text))
	if err != nil {
		return got, err
	}
	for _, header := range append(headers, "Content-Type: "+body.contentType) {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	if key := s.keys[client]; key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}
