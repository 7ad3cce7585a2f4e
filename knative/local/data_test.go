package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/fakes"
)

// childArguments has this test run the program instead of tests, in a process that can be killed.
const childArguments = "IMAGE_SERVICE_LOCAL_ARGUMENTS"

func TestMain(m *testing.M) {
	if arguments := os.Getenv(childArguments); arguments != "" {
		os.Args = append(os.Args[:1], strings.Split(arguments, " ")...)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is the program in a process of its own.
type child struct {
	t       *testing.T
	process *exec.Cmd
	url     string
	data    string // what the summary says of it
}

// startChild starts the program with a data directory. That every image has its thumbnail at once is not needed here.
func startChild(t *testing.T, data string) *child {
	t.Helper()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), childArguments+"=--listen 127.0.0.1:0 --data "+data, "LOG_LEVEL=ERROR",
		"MINIO_ENDPOINT=", "REDIS_HOST=", "KAFKA_BOOTSTRAP_SERVERS=")
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, process: process}
	t.Cleanup(c.kill)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
		if found := regexp.MustCompile(`^  (Page|Data) +(.*)$`).FindStringSubmatch(lines.Text()); found != nil {
			if c.data = found[2]; found[1] == "Page" {
				c.url = found[2]
			}
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	if c.url == "" {
		t.Fatal("the program did not start")
	}
	return c
}

// kill ends the process as the kernel does when memory is short.
func (c *child) kill() {
	_ = c.process.Process.Kill()
	_ = c.process.Wait()
}

// upload returns the ID of an image that was accepted, "" if it was not.
func (c *child) upload(content []byte, key string) string {
	request, err := http.NewRequest(http.MethodPost, c.url+"/upload", bytes.NewReader(content))
	if err != nil {
		return ""
	}
	request.Header.Set("Content-Type", "image/png")
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var accepted struct {
		ImageID string `json:"image_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&accepted); err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return accepted.ImageID
}

func (c *child) get(path string) (status int, body []byte) {
	c.t.Helper()
	response, err := http.Get(c.url + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, body
}

func smallPNG(t *testing.T) []byte {
	t.Helper()
	var content bytes.Buffer
	if err := png.Encode(&content, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

// A process that is killed under load loses nothing that was answered with 200, and finishes it when it runs again.
func TestDataSurvivesKill(t *testing.T) {
	data, content := filepath.Join(t.TempDir(), "data"), smallPNG(t)
	accepted := map[string]string{} // Idempotency-Key to image ID
	for run := range 2 {
		c := startChild(t, data)
		c.uploadUntilKilled(content, fmt.Sprint("run-", run), 12, accepted)
	}
	if len(accepted) < 24 {
		t.Fatalf("got %d images, want 24 at least", len(accepted))
	}
	c := startChild(t, data)
	if !strings.HasPrefix(c.data, data+", kept between runs; ") || strings.Contains(c.data, " 0 images") {
		t.Errorf("the summary says of the data: %q", c.data)
	}
	for key, imageID := range accepted {
		if again := c.upload(content, key); again != imageID {
			t.Errorf("upload with key %s again: got image %q, want %q", key, again, imageID)
		}
		if status, got := c.get("/images/" + imageID); status != http.StatusOK || !bytes.Equal(got, content) {
			t.Errorf("original of %s: got %d and %d bytes, want the %d of the upload", imageID, status, len(got), len(content))
		}
		eventually(t, "image "+imageID+" is completed", func() bool {
			_, body := c.get("/status/" + imageID)
			return bytes.Contains(body, []byte(`"status":"completed"`))
		})
	}
}

// uploadUntilKilled uploads from several clients, kills the process after a number of answers, and adds what was
// accepted.
func (c *child) uploadUntilKilled(content []byte, prefix string, count int, accepted map[string]string) {
	var lock sync.Mutex
	var wait sync.WaitGroup
	deadline := time.Now().Add(time.Minute)
	for client := range 4 {
		wait.Go(func() {
			for n := 0; time.Now().Before(deadline); n++ {
				key := fmt.Sprintf("%s-%d-%d", prefix, client, n)
				imageID := c.upload(content, key)
				if imageID == "" {
					return
				}
				lock.Lock()
				accepted[key] = imageID
				if count--; count == 0 {
					_ = c.process.Process.Kill()
				}
				lock.Unlock()
			}
		})
	}
	wait.Wait()
	c.kill()
}

func none(string) string { return "" }

// Start refuses a directory that it cannot use, and says why.
func TestDataRefused(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, name, content string) (directory string) {
		t.Helper()
		directory = t.TempDir()
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return directory
	}
	used := t.TempDir()
	servers, err := fakes.Open(none, used)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	for name, test := range map[string]struct{ directory, want string }{
		"used":          {used, fmt.Sprintf("is used by process %d; stop that, or choose another", os.Getpid())},
		"other files":   {write(t, "letter.txt", "Dear"), "has other files, such as letter.txt; choose an empty"},
		"other version": {write(t, "image-service.json", `{"format":"image-service local data","version":2}`), "version 2"},
		"not JSON":      {write(t, "image-service.json", "{"), "image-service.json in directory"},
		"a file":        {filepath.Join(write(t, "file", ""), "file"), "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			err := realMain(t.Context(), []string{"--listen", "127.0.0.1:0", "--data", test.directory}, io.Discard,
				io.Discard, none)
			if err == nil || !strings.HasPrefix(err.Error(), "--data: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want --data and %q", err, test.want)
			}
		})
	}
	allReal := func(name string) string { return "somewhere" }
	if _, err := fakes.Open(allReal, t.TempDir()); err == nil {
		t.Error("a data directory was accepted although no server is built in")
	}
}

// Without --data nothing stays: neither after the end, nor after the next start if the process was killed.
func TestNoDataStays(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	servers, err := fakes.Start(none)
	if err != nil {
		t.Fatal(err)
	}
	running, _ := servers.Directory()
	killed := filepath.Join(temporary, "image-service-local-killed")
	if err := os.MkdirAll(filepath.Join(killed, "minio"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, directory := range []string{killed, running} {
		if err := os.Chtimes(directory, old, old); err != nil {
			t.Fatal(err)
		}
	}
	next, err := fakes.Start(none)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed); err == nil {
		t.Error("the directory of a process that was killed is still there")
	}
	if _, err := os.Stat(running); err != nil {
		t.Errorf("the directory of a process that runs: %v", err)
	}
	next.Close()
	servers.Close()
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("%s is left", left[0].Name())
	}
}
