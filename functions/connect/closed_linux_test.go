package connect

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// What waits to be read, such as a session ticket, is not taken for a message, and a connection that was closed is
// noticed although it waits.
func TestClosedWithUnreadBytes(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(server.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server.TLS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	sent, hangUp := make(chan error, 1), make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = conn.Write([]byte("unread"))
		}
		sent <- err
		<-hangUp
		conn.Close()
	}()
	tcp, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := redisConn{tls.Client(tcp, &tls.Config{InsecureSkipVerify: true})}
	t.Cleanup(func() { conn.Close() })
	if err := errors.Join(conn.Handshake(), <-sent); err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	check := func() error {
		return raw.Read(func(uintptr) bool {
			t.Error("the bytes are looked for")
			return true
		})
	}
	if err := check(); err != nil {
		t.Errorf("an open connection: %v, want no error", err)
	}
	close(hangUp)
	deadline := time.Now().Add(10 * time.Second)
	for err = check(); err == nil && time.Now().Before(deadline); err = check() {
		time.Sleep(time.Millisecond)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("a closed connection: %v, want EOF", err)
	}
}
