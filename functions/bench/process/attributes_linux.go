package process

import "syscall"

// attributes give a child a process group of its own, which Ctrl-C does not reach, and have it die with its parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
