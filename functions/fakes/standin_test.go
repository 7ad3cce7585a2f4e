package fakes

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Whoever reads a part of an object and leaves, as the functions do with ranges, puts nothing on the console.
func TestS3IsSilent(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed) // where net/http complains unless it is told otherwise
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newS3()
	go server.Serve(listener)
	url := "http://" + listener.Addr().String() + "/bucket"
	send(t, http.MethodPut, url, nil)
	send(t, http.MethodPut, url+"/object", make([]byte, 20<<20)) // more than fits between the two ends of a connection
	send(t, http.MethodGet, url+"/object", nil)
	if err := server.Shutdown(t.Context()); err != nil { // when all has been said
		t.Fatal(err)
	}
	if printed.Len() > 0 {
		t.Errorf("printed %s", &printed)
	}
}

// A key that may live for a while is gone after it, without a test that moves the clock.
func TestRedisForgets(t *testing.T) {
	servers, err := Start(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	client := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(servers.Getenv("REDIS_HOST"), servers.Getenv("REDIS_PORT"))})
	t.Cleanup(func() { client.Close() })
	for key, life := range map[string]time.Duration{"short": time.Second, "long": time.Hour, "endless": 0} {
		if err := client.Set(t.Context(), key, "value", life).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); client.Exists(t.Context(), "short").Val() == 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a key of one second is still there after a minute")
		}
	}
	if kept := client.Exists(t.Context(), "long", "endless").Val(); kept != 2 {
		t.Errorf("%d of 2 keys are left that live longer", kept)
	}
}

// send does not read the answer.
func send(t *testing.T, method, url string, body []byte) {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Range", "bytes=0-")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", method, url, response.Status)
	}
}
