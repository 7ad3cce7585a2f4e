package connect

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialRedis is DialContext for go-redis, which looks whether a connection was closed before it uses it again, if it can
// get at the socket. Otherwise each connection that was idle while Redis restarted would fail a command.
func (d *Dialer) dialRedis(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return redisConn{conn.(*tls.Conn)}, nil
}

// A redisConn is a TLS connection that shows go-redis whether it was closed.
type redisConn struct{ *tls.Conn }

// SyscallConn implements syscall.Conn.
func (c redisConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.NetConn().(syscall.Conn).SyscallConn()
	return closeCheck{raw}, err
}

// A closeCheck is the socket below a TLS connection.
type closeCheck struct{ syscall.RawConn }

// Read returns io.EOF if the server has closed the connection, and otherwise nil. It does not call its argument, with
// which go-redis looks for bytes: it would take those of TLS, such as a session ticket, for the beginning of a message
// of Redis, and wait for the rest without a limit.
func (c closeCheck) Read(func(fd uintptr) (done bool)) error {
	closed := false
	err := c.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, _ = unix.Poll(poll, 0) // after an error, such as an interruption, the next command finds out
		closed = poll[0].Revents != 0
	})
	if err == nil && closed {
		err = io.EOF
	}
	return err
}
