package objects

import (
	"crypto/md5" //nolint:gosec // ETags are MD5
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/johannesboyne/gofakes3"
)

// A file of the store is the content of a version of an object, then the record of that version as JSON, then the
// length of the record, its CRC-32C and the format's name. So the content and its description change in one rename,
// and other programs can open the file: what follows an image does not disturb them.
const (
	formatName    = "imgobj01"
	trailerLength = 4 + 4 + len(formatName)
	// maxRecord is more than the headers of a request may take.
	maxRecord = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a version of an object.
type record struct {
	Key      string             `json:"key"`
	Version  gofakes3.VersionID `json:"version,omitempty"` // "" if the bucket had no versions
	Deleted  bool               `json:"deleted,omitempty"` // a marker
	Size     int64              `json:"size"`
	MD5      []byte             `json:"md5"`
	Modified int64              `json:"modified"` // Unix time in nanoseconds
	Sequence uint64             `json:"sequence"` // grows with each version of the store
	Metadata map[string]string  `json:"metadata,omitempty"`
}

// incoming is a file that is being written, in a directory that is emptied at the start.
type incoming struct {
	file *os.File
	sum  hash.Hash // of the content
	size int64
}

func (s *Store) newIncoming() (*incoming, error) {
	file, err := os.CreateTemp(s.path(incomingFolder), "")
	if err != nil {
		return nil, err
	}
	return &incoming{file: file, sum: md5.New()}, nil //nolint:gosec // ETags are MD5
}

// write appends the content of input.
func (f *incoming) write(input io.Reader) error {
	written, err := io.Copy(io.MultiWriter(f.file, f.sum), input)
	f.size += written
	return err
}

// discard removes the file, unless it has been renamed.
func (f *incoming) discard() {
	f.file.Close()
	_ = os.Remove(f.file.Name())
}

// seal appends the record and closes the file. With durable it is on the disk then.
func (f *incoming) seal(r *record, durable bool) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(line) > maxRecord {
		return gofakes3.ErrMetadataTooLarge
	}
	line = binary.LittleEndian.AppendUint32(line, uint32(len(line)))
	line = binary.LittleEndian.AppendUint32(line, crc32.Checksum(line[:len(line)-4], castagnoli))
	line = append(line, formatName...)
	if _, err := f.file.Write(line); err != nil {
		return err
	}
	if durable {
		if err := f.file.Sync(); err != nil {
			return err
		}
	}
	return f.file.Close()
}

// errDamaged is the cause if a file is not as seal left it.
var errDamaged = errors.New("the file is damaged")

// readRecord reads the record at the end of a file.
func readRecord(file *os.File) (r record, err error) {
	info, err := file.Stat()
	if err != nil {
		return r, err
	}
	trailer := make([]byte, trailerLength)
	end := info.Size() - int64(trailerLength)
	if end < 0 {
		return r, errDamaged
	}
	if _, err := file.ReadAt(trailer, end); err != nil {
		return r, err
	}
	length := int64(binary.LittleEndian.Uint32(trailer))
	if string(trailer[8:]) != formatName || length > maxRecord || length > end {
		return r, errDamaged
	}
	line := make([]byte, length)
	if _, err := file.ReadAt(line, end-length); err != nil {
		return r, err
	}
	if crc32.Checksum(line, castagnoli) != binary.LittleEndian.Uint32(trailer[4:]) || json.Unmarshal(line, &r) != nil {
		return r, errDamaged
	}
	if r.Size != end-length {
		return r, errDamaged
	}
	return r, nil
}

// syncFolder has the names in a folder on the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", filepath.Base(path), err)
	}
	return nil
}
