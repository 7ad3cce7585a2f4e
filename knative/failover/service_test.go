//go:build redis

package failover

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/process"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// A service is local mode with the Redis of the environment.
type service struct {
	url   string
	redis connect.Redis // with the administrator's login
	http  *http.Client
}

func startService(t *testing.T) *service {
	t.Helper()
	settings, err := connect.From(os.Getenv, connect.ReadRedis)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{redis: settings, http: &http.Client{Timeout: time.Minute}}
	s.url = startLocal(t)
	s.awaitReady(t)
	return s
}

// startLocal starts local mode, until the test ends, and returns the URL of upload.
func startLocal(t *testing.T) (url string) {
	t.Helper()
	command := exec.Command(os.Getenv("CI_LOCAL"), "--listen", "127.0.0.1:0")
	command.Env = append(os.Environ(), "LOG_LEVEL=ERROR", "REDIS_USERNAME="+os.Getenv("CI_REDIS_USERNAME"),
		"GORACE=halt_on_error=1") // so that a data race fails the test
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = log
	output, err := command.StdoutPipe()
	if err == nil {
		err = process.Spawn(command)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("end of the log: %s", text[max(0, len(text)-5000):])
		}
		log.Close()
	})
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	lines := bufio.NewScanner(output)
	for lines.Scan() && url == "" {
		url = address.FindString(lines.Text())
	}
	if url == "" {
		t.Fatal("local mode printed no address")
	}
	go func() {
		for lines.Scan() { // so that it can write
		}
	}()
	return url
}

func (s *service) awaitReady(t *testing.T) {
	t.Helper()
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		response, err := s.http.Get(s.url + "/ready")
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(response.Body)
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
		last = fmt.Sprint(response.StatusCode, " ", body.String(), err)
	}
	t.Fatalf("/ready is %s, want 200", last)
}

func (s *service) upload(content []byte, key string) (imageID string, status int, err error) {
	request, err := http.NewRequest(http.MethodPost, s.url+"/upload", bytes.NewReader(content))
	if err != nil {
		return "", 0, err
	}
	request.Header.Set("Content-Type", "image/png")
	request.Header.Set("Idempotency-Key", key)
	var answer struct {
		ID    string `json:"image_id"`
		Error string `json:"error"`
	}
	status, err = s.ask(request, &answer)
	if err == nil && status != http.StatusOK {
		err = errors.New(answer.Error)
	}
	return answer.ID, status, err
}

// status waits for a second, or until the image is completed or failed.
func (s *service) status(imageID string) (status string, err error) {
	request, err := http.NewRequest(http.MethodGet, s.url+"/status/"+imageID+"?wait=1", nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		Status string `json:"status"`
	}
	_, err = s.ask(request, &answer)
	return answer.Status, err
}

func (s *service) ask(request *http.Request, answer any) (status int, err error) {
	response, err := s.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, json.NewDecoder(response.Body).Decode(answer)
}

func bucketName() string {
	if name := strings.TrimSpace(os.Getenv("MINIO_BUCKET")); name != "" {
		return name
	}
	return "images"
}
