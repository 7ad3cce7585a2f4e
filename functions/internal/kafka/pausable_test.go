package kafka

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// pausable is a Kafka that can stop responding, as in a long garbage collection or on a host without network:
// connections stay open and new ones are accepted, but nothing is answered.
type pausable struct {
	net.Listener
	Settings
	paused   sync.RWMutex  // held for writing during a pause
	requests chan struct{} // has an item when there was a request
	reads    atomic.Int64
}

func startPausable(t *testing.T) *pausable {
	t.Helper()
	p := &pausable{requests: make(chan struct{}, 1)}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "images"),
		kfake.ListenFn(func(network, address string) (_ net.Listener, err error) {
			p.Listener, err = net.Listen(network, address)
			return p, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	p.Settings = Settings{Brokers: cluster.ListenAddrs(), Topic: "images"}
	return p
}

func (p *pausable) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	return pausableConn{conn, p}, err
}

type pausableConn struct {
	net.Conn
	*pausable
}

func (c pausableConn) Close() error { return c.Conn.Close() }

func (c pausableConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.reads.Add(1)
	select {
	case c.requests <- struct{}{}:
	default:
	}
	c.paused.RLock()
	defer c.paused.RUnlock()
	return n, err
}

// pause discards the notice of an earlier request.
func (p *pausable) pause() {
	p.paused.Lock()
	select {
	case <-p.requests:
	default:
	}
}

func (p *pausable) resume() { p.paused.Unlock() }

// publishAndLeave cancels the publication at the first request to Kafka.
func (p *pausable) publishAndLeave(t *testing.T, topic *Topic) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-p.requests; cancel() }()
	err := topic.Publish(ctx, newEvent(t))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context canceled", err)
	}
	return err
}
