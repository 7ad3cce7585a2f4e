package fakes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	lockFile   = "lock"
	formatFile = "image-service.json"
	// formatVersion changes with the layout of a directory.
	formatVersion = 1
	// temporaryPrefix is that of the names of directories that are removed when the process ends.
	temporaryPrefix = "image-service-local-"
)

// format is the content of formatFile.
type format struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

const formatName = "image-service local data"

// directory is where the fakes keep their files. One process uses it at a time: the lock ends with the process, however
// that ends.
type directory struct {
	path string
	lock *os.File
	kept bool // when the process ends
}

// keep opens a directory whose content stays. It is created if it is missing; one with other files is refused.
func keep(path string) (*directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: lock, kept: true}
	if err := d.checkFormat(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// lockDirectory returns the lock of a directory, which has the number of this process in it.
func lockDirectory(path string) (*os.File, error) {
	name := filepath.Join(path, lockFile)
	lock, err := openLocked(name)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("directory %s is used by %s; stop that, or choose another directory", path, owner(name))
	}
	if err != nil {
		return nil, fmt.Errorf("lock directory %s: %w", path, err)
	}
	if err := lock.Truncate(0); err == nil {
		_, _ = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only for owner
	}
	return lock, nil
}

// owner names the process that has a lock.
func owner(lock string) string {
	content, _ := os.ReadFile(lock)
	if process := string(bytes.TrimSpace(content)); process != "" {
		return "process " + process
	}
	return "another process"
}

// checkFormat reads formatFile, or writes it into a new directory.
func (d *directory) checkFormat() error {
	content, err := os.ReadFile(filepath.Join(d.path, formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d.writeFormat()
	}
	if err != nil {
		return err
	}
	var found format
	if err := json.Unmarshal(content, &found); err != nil || found.Format != formatName {
		return fmt.Errorf("%s in directory %s is damaged: expected %q as its format", formatFile, d.path, formatName)
	}
	if found.Version != formatVersion {
		return fmt.Errorf("directory %s has version %d of the format; this program reads version %d. "+
			"Use the program that wrote it, or another directory", d.path, found.Version, formatVersion)
	}
	return nil
}

func (d *directory) writeFormat() error {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	for _, file := range files {
		if name := file.Name(); name != lockFile && !strings.HasPrefix(name, formatFile) {
			return fmt.Errorf("directory %s has other files, such as %s; choose an empty or a new directory", d.path, name)
		}
	}
	content, err := json.Marshal(format{formatName, formatVersion})
	if err != nil {
		return err
	}
	name := filepath.Join(d.path, formatFile)
	if err := os.WriteFile(name+".new", append(content, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// temporary makes a directory that is removed when the process ends. It removes those of processes that were killed.
func temporary() (*directory, error) {
	removeAbandoned(os.TempDir())
	path, err := os.MkdirTemp("", temporaryPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := lockDirectory(path)
	return &directory{path: path, lock: lock}, err
}

// abandonedAge is longer than a process takes from making a directory to locking it.
const abandonedAge = time.Minute

// removeAbandoned removes the temporary directories that no process has locked.
func removeAbandoned(parent string) {
	directories, _ := filepath.Glob(filepath.Join(parent, temporaryPrefix+"*"))
	for _, path := range directories {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < abandonedAge {
			continue
		}
		lock, err := openLocked(filepath.Join(path, lockFile))
		if err != nil {
			continue // it is in use, or another user's
		}
		_ = os.RemoveAll(path) // what stays is for the next start
		lock.Close()
	}
}

// in returns the path of a folder in the directory.
func (d *directory) in(name string) string { return filepath.Join(d.path, name) }

func (d *directory) close() {
	if !d.kept {
		_ = os.RemoveAll(d.path) // what stays is for the next start
	}
	if d.lock != nil {
		d.lock.Close()
	}
}
