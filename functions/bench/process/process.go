// Package process runs programs beside this one and reads from /proc what they have used. Reading needs Linux.
package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Process is a program that was spawned.
type Process struct {
	command *exec.Cmd
	log     string
	ended   chan struct{}
}

// starts runs process starts on one thread that lives as long as this process: the kernel sends Pdeathsig when the
// thread that started the child exits, and Go ends threads at any time.
var starts = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
}

// Spawn starts a command in a process group of its own, which Ctrl-C does not reach. On Linux the command is killed
// when this process ends, however that happens.
func Spawn(command *exec.Cmd) error {
	command.SysProcAttr = attributes()
	started := make(chan error)
	starts <- func() { started <- command.Start() }
	return <-started
}

// Start starts a program with an environment of env, PATH and HOME, and appends its output to the file log.
func Start(log string, env []string, command ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &Process{exec.Command(command[0], command[1:]...), log, make(chan struct{})}
	p.command.Stdout, p.command.Stderr = out, out
	p.command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(log)}, env...)
	if err := Spawn(p.command); err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	go func() {
		_ = p.command.Wait() // its log shows how it ended
		close(p.ended)
	}()
	return p, nil
}

// ID is the process's ID.
func (p *Process) ID() int { return p.command.Process.Pid }

// Err returns an error, with the end of the log, if the process has ended.
func (p *Process) Err() error {
	select {
	case <-p.ended:
		text, _ := os.ReadFile(p.log)
		return fmt.Errorf("%s ended with %v: %s", p.command.Path, p.command.ProcessState, text[max(0, len(text)-3000):])
	default:
		return nil
	}
}

// Stop asks the process to end, and kills it if it has not ended within the limit.
func (p *Process) Stop(limit time.Duration) {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(limit):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

// tick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every platform of Go's.
const tick = 10 * time.Millisecond

// CPU returns the user and system time that a process has used, in hundredths of a second. proc(5) has the fields.
func CPU(id int) (time.Duration, error) {
	name := fmt.Sprintf("/proc/%d/stat", id)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name of the program
	fields := strings.Fields(rest)
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, fmt.Errorf("%s has %d fields after the name; expected more than %d", name, len(fields), system)
	}
	var ticks int64
	for _, field := range []string{fields[user], fields[system]} {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

var peakForm = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// Peak returns the most memory, in bytes, that a process has had resident since it started or ForgetPeak.
func Peak(id int) (int64, error) {
	name := fmt.Sprintf("/proc/%d/status", id)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	found := peakForm.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("%s has no VmHWM", name)
	}
	kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10, err
}

// ForgetPeak has Peak begin anew.
func ForgetPeak(id int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", id), []byte("5"), 0)
}
