package imagestore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// A written is a connection that keeps the pieces which are written to it.
type written struct {
	net.Conn
	pieces [][]byte
}

func (w *written) Write(p []byte) (int, error) {
	w.pieces = append(w.pieces, bytes.Clone(p))
	return len(p), nil
}

func TestSendConn(t *testing.T) {
	conn := &written{}
	dialed, err := dial(func(context.Context, string, string) (net.Conn, error) { return conn, nil }).
		sending(t.Context(), "tcp", "store:9000")
	if err != nil {
		t.Fatal(err)
	}
	content := noise(2*sendSize + 1)
	n, err := io.Copy(dialed, io.LimitReader(bytes.NewReader(content), int64(len(content))))
	if n != int64(len(content)) || err != nil {
		t.Errorf("Copy() = %d, %v; want %d", n, err, len(content))
	}
	if got := bytes.Join(conn.pieces, nil); !bytes.Equal(got, content) || len(conn.pieces) != 3 {
		t.Errorf("%d bytes in %d pieces were written, want the %d of the body in 3", len(got), len(conn.pieces), len(content))
	}
	refused := errors.New("refused")
	dialing := dial(func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	if conn, err := dialing.sending(t.Context(), "tcp", "store:9000"); conn != nil || !errors.Is(err, refused) {
		t.Errorf("sending() = %v, %v; want no connection and the error", conn, err)
	}
}
