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

// A link passes TCP connections on, as a network does: to a server, or to one of the pods of a service. What is wrong
// with it can be changed at any time.
type link struct {
	net.Listener
	flaw atomic.Pointer[flaw]

	lock    sync.Mutex
	targets []string
	next    int
}

// A flaw is what is wrong with a link; the zero value is nothing.
type flaw struct {
	delay  time.Duration // of each piece that comes back
	rate   int           // bytes a second, each way; 0 for no bound
	cut    int           // a connection is reset after so many bytes; 0 for never
	silent bool          // what comes is taken and goes nowhere; connections on which that has happened stay dead
}

func newLink(targets ...string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{Listener: listener, targets: targets}
	l.flaw.Store(&flaw{})
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

// route sends connections to other targets from now on; those that are open stay.
func (l *link) route(targets ...string) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.targets = targets
}

// dial connects to one target after the other, and to the next one if it does not answer.
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
	return nil, errors.New("nobody is there")
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

// pass is one direction of a connection. A receiver that takes no more does not end its sender: it may still have an answer
// for it.
func (l *link) pass(to, from *net.TCPConn, passed *atomic.Int64, back bool) {
	defer to.CloseWrite()
	defer func() { _, _ = io.Copy(io.Discard, from) }()
	buffer := make([]byte, 32<<10)
	for {
		flaw := l.flaw.Load()
		piece := buffer
		if flaw.rate > 0 {
			piece = buffer[:max(flaw.rate/20, 1)]
			time.Sleep(time.Second / 20)
		}
		n, err := from.Read(piece)
		if flaw = l.flaw.Load(); flaw.silent {
			return
		}
		if back && n > 0 {
			time.Sleep(flaw.delay)
		}
		if flaw.cut > 0 && passed.Add(int64(n)) > int64(flaw.cut) {
			_, _ = to.SetLinger(0), from.SetLinger(0) // a reset and no goodbye
			_, _ = to.Close(), from.Close()
			return
		}
		if _, writeErr := to.Write(piece[:n]); err != nil || writeErr != nil {
			return
		}
	}
}
