package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// A bookmark is the file that has the cursor of a run that is not at its end.
type bookmark struct {
	path  string
	run   string // what the cursor is of: bucket, flags and renditions
	saved time.Time
	// before is how many images were unknown before the cursor that was read, and missed how many have been since.
	before int64
	missed atomic.Int64
}

// bookmarkInterval is how often the file is written. What is done after the last time is repeated after a crash.
const bookmarkInterval = time.Second

// contents are those of the file.
type contents struct {
	Cursor string `json:"cursor"`
	Run    string `json:"run"`
	// Unknown is how many images before the cursor are unknown, so that something is left to be done.
	Unknown int64 `json:"unknown,omitempty"`
}

// read returns the cursor; empty if there is no file. One of another run is an error.
func (b *bookmark) read() (string, error) {
	text, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read cursor: %w", err)
	}
	var c contents
	if err := json.Unmarshal(text, &c); err != nil || c.Cursor == "" {
		return "", fmt.Errorf("read cursor: %s is not a cursor file of this command; remove it, or name another", b.path)
	}
	if c.Run != b.run {
		return "", fmt.Errorf("the cursor in %s is of a run with another bucket, other flags or renditions "+
			"(%s; this is %s); remove the file to begin anew", b.path, c.Run, b.run)
	}
	b.before = c.Unknown
	return c.Cursor, nil
}

// miss counts an image that is unknown.
func (b *bookmark) miss() {
	if b != nil {
		b.missed.Add(1)
	}
}

// report writes how many images were unknown before the cursor, and returns false if there are any.
func (b *bookmark) report(out io.Writer) (good bool) {
	if b == nil || b.before == 0 {
		return true
	}
	fmt.Fprintf(out, "%d images were unknown before the run went on; run it again\n", b.before)
	return false
}

// save writes the cursor, if it was not written lately. The file is never half written.
func (b *bookmark) save(cursor string, now bool) error {
	if b == nil || cursor == "" || !now && time.Since(b.saved) < bookmarkInterval {
		return nil
	}
	b.saved = time.Now()
	text, err := json.Marshal(contents{cursor, b.run, b.before + b.missed.Load()})
	if err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(b.path), filepath.Base(b.path)+".*")
	if err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), b.path)
	}
	if err != nil {
		return fmt.Errorf("write cursor: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

// remove is for the end of the bucket: the next run begins anew.
func (b *bookmark) remove() error {
	if b == nil {
		return nil
	}
	if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cursor: %w", err)
	}
	return nil
}
