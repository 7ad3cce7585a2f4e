package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/functions/bench/process"
	"go.yaml.in/yaml/v3"
)

// Names of the processes, in the order of the tables.
const (
	ourUpload    = "upload"
	ourThumbnail = "thumbnail"
	broker       = "Broker"
	generator    = "clients"
)

// serverNames are the files of the process IDs of .ci/servers.
var serverNames = []string{"minio", "kafka", "redis"}

// A system is everything that takes part: servers, functions and the Broker between them.
type system struct {
	root      string // of the repository
	directory string // of all files of this run
	progress  io.Writer

	settings map[string]string // of .ci/servers, and our names
	servers  servers           // clients of the servers

	running   map[string]*process.Process
	addresses map[string]string
}

func newSystem(progress io.Writer) (*system, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "image-service-bench-")
	return &system{
		root: root, directory: directory, progress: progress, settings: map[string]string{},
		running: map[string]*process.Process{}, addresses: map[string]string{},
	}, err
}

// repository returns the directory of go.mod.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if _, statErr := os.Stat(filepath.Join(root, ".ci", "servers")); err != nil || statErr != nil {
		return "", errors.Join(errors.New("the working directory is not in a clone of the repository"), err, statErr)
	}
	return root, nil
}

// start starts everything and returns when an image has become a thumbnail.
func (s *system) start(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"build the functions and the Broker", s.build},
		{"start MinIO, Kafka and Redis", s.startServers},
		{"connect to them", s.connect},
		{"start the functions", s.startFunctions},
		{"start the Broker", s.startBroker},
		{"wait for a thumbnail", s.awaitThumbnail},
	} {
		fmt.Fprintln(s.progress, time.Now().Format(time.TimeOnly), step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (s *system) build(ctx context.Context) error {
	return s.compile(ctx, s.directory+"/", "./functions/upload", "./functions/thumbnail", "./knative/local",
		"./functions/internal/raster/bench")
}

// compile compiles programs as ko.yaml does.
func (s *system) compile(ctx context.Context, out string, programs ...string) error {
	command := append([]string{"go", "build", "-trimpath", "-tags=grpcnotrace", "-ldflags=-s", "-o", out}, programs...)
	return s.inRoot(ctx, []string{"CGO_ENABLED=0"}, command...)
}

func (s *system) ciServers() []string {
	return []string{"CI_SERVERS=" + filepath.Join(s.directory, "servers")}
}

func (s *system) startServers(ctx context.Context) error {
	if err := s.inRoot(ctx, s.ciServers(), ".ci/servers", "start"); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(s.directory, "servers", "env"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		s.settings[name] = value
	}
	// The names of production are prefixes of those that the users of .ci/servers may use.
	suffix := "-" + uuid.NewString()
	for name, prefix := range map[string]string{
		"MINIO_BUCKET": "images", "KAFKA_TOPIC": "image-processing", "KAFKA_BACKFILL_TOPIC": "image-backfill",
		"KAFKA_DEAD_LETTER_TOPIC": "image-dead-letters",
	} {
		s.settings[name] = prefix + suffix
	}
	s.settings["LOG_LEVEL"] = "ERROR"
	return nil
}

// inRoot runs a command in the root of the repository, which is asked to end when ctx does.
func (s *system) inRoot(ctx context.Context, env []string, command ...string) error {
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.WaitDelay = 20 * time.Second
	var output bytes.Buffer
	run.Dir, run.Env, run.Stdout, run.Stderr = s.root, append(os.Environ(), env...), &output, &output
	if err := run.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, output.String())
	}
	return nil
}

// functionSettings returns the environment of a function: the servers' settings with its own users, our names, and what
// its manifest sets.
func (s *system) functionSettings(function string, others ...string) ([]string, error) {
	own := map[string]string{
		"MINIO_ACCESS_KEY":    s.settings["CI_MINIO_ACCESS_KEY"],
		"REDIS_USERNAME":      s.settings["CI_REDIS_USERNAME"],
		"KAFKA_SASL_USERNAME": "image-upload",
	}
	var env []string
	for name, value := range s.settings {
		if s.settings["CI_KAFKA_USERS"] != "" {
			value = cmp.Or(own[name], value)
		}
		env = append(env, name+"="+value)
	}
	manifest, err := manifestSettings(filepath.Join(s.root, "knative", "base", "300-"+function+".yaml"))
	return append(append(env, manifest...), others...), err
}

// manifestSettings returns the environment that a manifest of a function sets itself, such as GOMEMLIMIT.
func manifestSettings(name string) (env []string, err error) {
	var manifest struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Env []struct{ Name, Value string }
					}
				}
			}
		}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	containers := manifest.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		return nil, fmt.Errorf("%s has %d containers; expected one", name, len(containers))
	}
	for _, variable := range containers[0].Env {
		env = append(env, variable.Name+"="+variable.Value)
	}
	return env, nil
}

func (s *system) startFunctions(ctx context.Context) error {
	for _, function := range []string{ourUpload, ourThumbnail} {
		if err := s.startFunction(ctx, function, function); err != nil {
			return err
		}
	}
	return nil
}

// startFunction starts another process of a function, which has a name of its own, and returns when it answers.
func (s *system) startFunction(ctx context.Context, name, function string, settings ...string) error {
	return s.startProgram(ctx, name, function, []string{filepath.Join(s.directory, function)}, settings...)
}

// startProgram starts a program as startFunction does a function, with the settings of the function and others.
func (s *system) startProgram(
	ctx context.Context, name, function string, command []string, settings ...string,
) error {
	address, env, err := s.prepare(function, settings...)
	if err != nil {
		return err
	}
	return s.startAt(ctx, name, address, env, command...)
}

// startAt starts a process at an address, and returns when it answers.
func (s *system) startAt(ctx context.Context, name, address string, env []string, command ...string) error {
	if err := s.launch(name, address, env, command...); err != nil {
		return err
	}
	return s.await(ctx, name, 30*time.Second, func() error { return answers(ctx, "http://"+address+"/health") })
}

// prepare returns an address for another process of a function, and its environment.
func (s *system) prepare(function string, settings ...string) (address string, env []string, err error) {
	if address, err = freeAddress(); err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	env, err = s.functionSettings(function, append(settings, "PORT="+port)...)
	return address, env, err
}

func (s *system) launch(name, address string, env []string, command ...string) error {
	p, err := process.Start(filepath.Join(s.directory, name+".log"), env, command...)
	if err != nil {
		return err
	}
	s.running[name], s.addresses[name] = p, address
	return nil
}

// await calls check until it succeeds, the process ends or the time is over.
func (s *system) await(ctx context.Context, name string, limit time.Duration, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ended := s.running[name].Err(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer within %v: %w", name, limit, errors.Join(ctx.Err(), err))
		case <-time.After(200 * time.Microsecond): // a start takes milliseconds
		}
	}
}

// answers returns nil if a GET is answered with 200.
func answers(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}

// startBroker starts knative/local with the functions that run already. It logs in as the administrator, because it
// creates topics.
func (s *system) startBroker(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	var env []string
	for name, value := range s.settings {
		env = append(env, name+"="+value)
	}
	thumbnail := s.addresses[ourThumbnail]
	if err := s.launch(broker, address, env, filepath.Join(s.directory, "local"), "--broker", address,
		"--running", "upload="+s.addresses[ourUpload], "--running", "thumbnail="+thumbnail,
		"--running", "thumbnail-backfill="+thumbnail); err != nil {
		return err
	}
	return s.await(ctx, broker, time.Minute, func() error {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

// freeAddress returns an unused loopback address. Its port is below 32768, where the ports of outgoing connections
// begin, as far as the system says.
func freeAddress() (string, error) {
	for port := 12000 + os.Getpid()%8000; port < 32768; port++ {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return listener.Addr().String(), listener.Close()
		}
	}
	return "", errors.New("no port from 12000 to 32767 is free")
}

// awaitThumbnail uploads images until one has its thumbnail: a Trigger that joins its consumer group late may miss the
// first.
func (s *system) awaitThumbnail(ctx context.Context) error {
	c := newClient(s.addresses[ourUpload])
	defer c.close()
	first := newFile(photograph(small.megapixels))
	for deadline := time.Now().Add(2 * time.Minute); ; {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := c.toThumbnail(attempt, first)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// pids returns the processes whose use is measured.
func (s *system) pids() map[string]int {
	pids := map[string]int{generator: os.Getpid()}
	for name, p := range s.running {
		pids[name] = p.ID()
	}
	for _, name := range serverNames {
		text, err := os.ReadFile(filepath.Join(s.directory, "servers", name+".pid"))
		if id, parseErr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && parseErr == nil {
			pids[name] = id
		}
	}
	return pids
}

// stop stops what was started, and removes its files. A function that has crashed is an error.
func (s *system) stop() error {
	var errs []error
	// The Broker first, which delivers to the functions.
	for _, name := range append([]string{broker}, slices.Sorted(maps.Keys(s.running))...) {
		errs = append(errs, s.end(name))
	}
	s.servers.close()
	// Not the context of the run, which may have ended.
	errs = append(errs, s.inRoot(context.Background(), s.ciServers(), ".ci/servers", "stop"))
	return errors.Join(append(errs, os.RemoveAll(s.directory))...)
}

// end stops a process. It is an error if it has ended by itself.
func (s *system) end(name string) error {
	p := s.running[name]
	if p == nil {
		return nil
	}
	delete(s.running, name)
	err := p.Err()
	p.Stop(20 * time.Second)
	return err
}

// cpuModel returns what /proc/cpuinfo calls the processor.
func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// asideTopic is a topic whose records nobody reads.
func (s *system) asideTopic() string { return s.settings["KAFKA_TOPIC"] + aside }
