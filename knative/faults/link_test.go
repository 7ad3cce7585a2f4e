//go:build faults

package faults

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A link is a TCP proxy that stands for the network in front of a server or of the pods of a service. Its impairment
// can be changed at any time.
type link struct {
	net.Listener
	impairment atomic.Pointer[impairment]

	lock    sync.Mutex
	targets []string
	next    int
}

// An impairment degrades a link; the zero value changes nothing.
type impairment struct {
	delay      time.Duration // added to each piece of an answer
	rate       int           // bytes per second in each direction; 0 for no limit
	resetAfter int           // number of bytes after which a connection is reset; 0 for never
	blackhole  bool          // data is read and dropped; a connection that lost data stays dead
}

func newLink(targets ...string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{Listener: listener, targets: targets}
	l.impairment.Store(&impairment{})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go l.connect(client.(*net.TCPConn))
		}
	}()
	return l, nil
}

func (l *link) address() string { return l.Addr().String() }

// route sets the targets of new connections; open ones stay.
func (l *link) route(targets ...string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.targets = targets
}

// dial connects to the targets in turn, skipping those that do not accept the connection.
func (l *link) dial() (*net.TCPConn, error) {
	l.lock.Lock()
	targets, first := l.targets, l.next
	l.next++
	l.lock.Unlock()
	for i := range targets {
		server, err := net.DialTimeout("tcp", targets[(first+i)%len(targets)], time.Second)
		if err == nil {
			return server.(*net.TCPConn), nil
		}
	}
	return nil, errors.New("no target accepts connections")
}

func (l *link) connect(client *net.TCPConn) {
	defer client.Close()
	server, err := l.dial()
	if err != nil {
		return
	}
	defer server.Close()
	var passed atomic.Int64
	var both sync.WaitGroup
	both.Go(func() { l.pass(server, client, &passed, false) })
	both.Go(func() { l.pass(client, server, &passed, true) })
	both.Wait()
}

// pass copies one direction of a connection. When the receiver stops reading, the sender is drained instead of closed,
// because the receiver's answer may still be on its way.
func (l *link) pass(to, from *net.TCPConn, passed *atomic.Int64, back bool) {
	defer to.CloseWrite()
	defer func() { _, _ = io.Copy(io.Discard, from) }()
	buffer := make([]byte, 32<<10)
	for {
		impairment := l.impairment.Load()
		piece := buffer
		if impairment.rate > 0 {
			piece = buffer[:max(impairment.rate/20, 1)]
			time.Sleep(time.Second / 20)
		}
		n, err := from.Read(piece)
		if impairment = l.impairment.Load(); impairment.blackhole {
			return
		}
		if back && n > 0 {
			time.Sleep(impairment.delay)
		}
		if impairment.resetAfter > 0 && passed.Add(int64(n)) > int64(impairment.resetAfter) {
			_, _ = to.SetLinger(0), from.SetLinger(0) // RST instead of FIN
			_, _ = to.Close(), from.Close()
			return
		}
		if _, writeErr := to.Write(piece[:n]); err != nil || writeErr != nil {
			return
		}
	}
}
