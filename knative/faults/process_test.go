//go:build faults

package faults

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A process is a program that runs in a directory of its own, and ends when we do, however we end.
type process struct {
	*exec.Cmd
	ended chan struct{}
}

// starts are done by one thread, which lives as long as we: the kernel kills children (Pdeathsig) with the thread that
// started them, and Go's threads come and go.
var starts = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
}

// launch starts a program with nothing of our environment but what it needs to find others. What it writes is appended
// to the log.
func launch(directory, log string, env []string, command ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{exec.Command(command[0], command[1:]...), make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = directory, out, out
	p.Env = append(slices.Clone(env), "PATH="+os.Getenv("PATH"), "HOME="+directory)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // a group of its own: Ctrl-C is for us
	started := make(chan error)
	starts <- func() { started <- p.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	go func() {
		_ = p.Wait() // how it ends is in its log
		close(p.ended)
	}()
	return p, nil
}

// signal sends a signal; one that has ended needs none.
func (p *process) signal(signal syscall.Signal) { _ = p.Process.Signal(signal) }

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// A pod is a process that is started again whenever it ends, as a kubelet does.
type pod struct {
	address        string
	directory, log string
	clock          string // a file that says how far its clock is off, of stepped programs
	command        []string

	lock    sync.Mutex
	env     []string
	running *process
	starts  int
	stopped bool
	idle    sync.WaitGroup
}

// start returns when the pod has been started once.
func (p *pod) start() error {
	running, err := p.launch()
	if err != nil {
		return err
	}
	p.idle.Go(func() {
		for running != nil && err == nil {
			began := time.Now()
			<-running.ended
			if time.Since(began) < time.Second {
				time.Sleep(500 * time.Millisecond) // it fails as soon as it starts
			}
			running, err = p.launch()
		}
	})
	return nil
}

// launch returns nil when the pod was stopped.
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

// set adds a setting, for when the pod starts again.
func (p *pod) set(setting string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.env = append(slices.Clone(p.env), setting) // of two that have the same name, the last one counts
}

func (p *pod) signal(signal syscall.Signal) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.running.signal(signal)
}

// roll asks the pod to end and waits until the next one runs.
func (p *pod) roll() {
	p.lock.Lock()
	before := p.running
	p.lock.Unlock()
	before.signal(syscall.SIGTERM)
	<-before.ended
	p.await(30 * time.Second)
}

// await waits until the pod takes connections.
func (p *pod) await(limit time.Duration) error {
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

// stop ends the pod for good: by a signal, and if it does not end by that in time, by SIGKILL.
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
	p.idle.Wait()
}

// freeAddress is one that nobody listens on, below 32768, where the ports begin that the system gives to outgoing
// connections: a server that was killed finds its own again.
func freeAddress() string {
	for {
		address := "127.0.0.1:" + strconv.Itoa(20000+rand.IntN(12000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
}
