//go:build !windows

package fakes

import (
	"errors"
	"os"
	"syscall"
)

// errLocked is the cause if another process has a lock.
var errLocked = errors.New("locked by another process")

// openLocked opens a file, which it creates if it is missing, for this process alone.
func openLocked(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return file, nil
}
