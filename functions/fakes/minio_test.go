package fakes

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"os"
	"testing"
)

// A client that reads a part of an object and leaves, as the functions do with ranges, causes no output.
func TestS3IsQuiet(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed) // net/http's default
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s3, err := S3(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(s3)
	go server.Serve(listener)
	url := "http://" + listener.Addr().String() + "/bucket"
	send(t, http.MethodPut, url, nil)
	send(t, http.MethodPut, url+"/object", make([]byte, 20<<20)) // more than the buffers of a connection
	send(t, http.MethodGet, url+"/object", nil)
	if err := server.Shutdown(t.Context()); err != nil { // waits for the handlers
		t.Fatal(err)
	}
	if printed.Len() > 0 {
		t.Errorf("printed %s, want nothing", &printed)
	}
}

// send does not read the response.
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
		t.Fatalf("%s %s: got %s, want 2xx", method, url, response.Status)
	}
}
