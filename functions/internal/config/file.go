package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A File is one whose path a setting has. Who reads it again gets what is in it by then: Kubernetes replaces the files of
// a Secret while a process runs.
type File struct{ setting, path string }

// File is the file whose path the setting called name has.
func (r *Reader) File(name string) File { return File{name, r.getenv(name)} }

// IsSet tells whether the setting has a path.
func (f File) IsSet() bool { return f.path != "" }

// String is the name of the setting. The path is not shown, as what stands there by mistake may be a key.
func (f File) String() string { return f.setting }

// Read is what is in the file.
func (f File) Read() ([]byte, error) {
	text, err := os.ReadFile(f.path)
	var about *fs.PathError
	if errors.As(err, &about) {
		err = about.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s can not be read: %w; expected the path of a file", f, err)
	}
	return text, nil
}
