package standin

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"os"
	"testing"
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
