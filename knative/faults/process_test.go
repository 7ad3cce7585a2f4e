//go:build faults

package faults

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	child "gitlab.com/yourorg/image-service/functions/bench/process"
)

// A process is a program that is killed when the test process ends, even if that is killed itself.
type process struct {
	*exec.Cmd
	ended chan struct{}
}

// launch starts a program. It inherits only PATH from the environment of the tests, and appends its output to the log.
func launch(directory, log string, env []string, command ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{exec.Command(command[0], command[1:]...), make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = directory, out, out
	p.Env = append(slices.Clone(env), "PATH="+os.Getenv("PATH"), "HOME="+directory)
	if err := child.Spawn(p.Cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	go func() {
		_ = p.Wait() // its log shows how it ended
		close(p.ended)
	}()
	return p, nil
}

// signal sends a signal. It ignores the error of a process that has ended.
func (p *process) signal(signal syscall.Signal) { _ = p.Process.Signal(signal) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// A pod is a process that is restarted whenever it ends, as the kubelet does.
type pod struct {
	address        string
	directory, log string
	clock          string // file with the clock error of a stepped program
	command        []string

	lock       sync.Mutex
	env        []string
	running    *process
	starts     int
	stopped    bool
	supervisor sync.WaitGroup
}

// start starts the process, and restarts it until the pod is stopped.
func (p *pod) start() error {
	running, err := p.launch()
	if err != nil {
		return err
	}
	p.supervisor.Go(func() {
		for running != nil && err == nil {
			began := time.Now()
			<-running.ended
			if time.Since(began) < time.Second {
				time.Sleep(500 * time.Millisecond) // back-off of a process that fails at startup
			}
			running, err = p.launch()
		}
	})
	return nil
}

// launch starts the process once; it returns nil if the pod is stopped.
func (p *pod) launch() (*process, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.stopped {
		return nil, nil
	}
	var err error
	p.starts++
	p.running, err = launch(p.directory, p.log, p.env, p.command...)
	return p.running, err
}

// set adds a setting to the environment of the next start.
func (p *pod) set(setting string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.env = append(slices.Clone(p.env), setting) // the last of two values for a name wins
}

func (p *pod) signal(signal syscall.Signal) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.running.signal(signal)
}

// roll terminates the process and waits until its successor accepts connections.
func (p *pod) roll() {
	p.lock.Lock()
	before := p.running
	p.lock.Unlock()
	before.signal(syscall.SIGTERM)
	<-before.ended
	_ = p.awaitReady(30 * time.Second) // the requests that follow show whether it runs
}

// awaitReady waits until the pod accepts connections.
func (p *pod) awaitReady(limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		connection, err := net.DialTimeout("tcp", p.address, time.Second)
		if err == nil {
			return connection.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// stop ends the pod without a restart: by the signal, and by SIGKILL if it has not ended within the limit.
func (p *pod) stop(signal syscall.Signal, limit time.Duration) {
	p.lock.Lock()
	p.stopped = true
	running := p.running
	p.lock.Unlock()
	if running == nil {
		return
	}
	running.signal(signal)
	select {
	case <-running.ended:
	case <-time.After(limit):
		running.kill()
	}
	p.supervisor.Wait()
}

// freeAddress returns an unused loopback address. Its port is below 32768, the start of the ephemeral range, so that no
// outgoing connection takes it while a server restarts.
func freeAddress() string {
	for {
		address := "127.0.0.1:" + strconv.Itoa(20000+rand.IntN(12000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
}
