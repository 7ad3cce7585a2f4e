package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A FilePath is a setting whose value is the path of a file.
type FilePath struct {
	Name string
	// Contents completes the sentence "expected the path of ...", such as "a PEM file".
	Contents string
	Doc      string
}

// Read returns the file, which is not opened yet.
func (p FilePath) Read(r *Reader) File { return File{setting: p, path: r.value(p)} }

// String returns the name of the setting.
func (p FilePath) String() string { return p.Name }

// Describe returns the declaration in words.
func (p FilePath) Describe() Description {
	return Description{Name: p.Name, Type: "file", Values: "the path of " + p.Contents, Doc: p.Doc}
}

// A File is the file that a setting names. It is opened anew by each Read: Kubernetes replaces the files of a Secret
// while a process runs.
type File struct {
	setting FilePath
	path    string
}

// IsSet reports whether the setting has a value.
func (f File) IsSet() bool { return f.path != "" }

// String returns the name of the setting. The path is not shown, as it may be a key that was put there by mistake.
func (f File) String() string { return f.setting.Name }

// Read returns the contents of the file. Its error does not show the path.
func (f File) Read() ([]byte, error) {
	text, err := os.ReadFile(f.path)
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w; expected the path of %s", f, err, f.setting.Contents)
	}
	return text, nil
}
