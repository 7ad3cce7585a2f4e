package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A bookmark is the file that has the cursor of a run that is not at its end.
type bookmark struct {
	path  string
	run   string // what the cursor is of: flags and renditions
	saved time.Time
}

// bookmarkInterval is how often the file is written. What is done after the last time is repeated after a crash.
const bookmarkInterval = time.Second

// contents are those of the file.
type contents struct {
	Cursor string `json:"cursor"`
	Run    string `json:"run"`
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
		return "", fmt.Errorf("the cursor in %s is of a run with other flags or renditions (%s; this is %s); "+
			"remove the file to begin anew", b.path, c.Run, b.run)
	}
	return c.Cursor, nil
}

// save writes the cursor, if it was not written lately. The file is never half written.
func (b *bookmark) save(cursor string, now bool) error {
	if b == nil || cursor == "" || !now && time.Since(b.saved) < bookmarkInterval {
		return nil
	}
	b.saved = time.Now()
	text, err := json.Marshal(contents{cursor, b.run})
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
