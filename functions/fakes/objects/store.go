// Package objects keeps the objects of the fake MinIO in files, so that memory does not limit their number. It holds an
// index of about 300 bytes for each object.
//
// A durable store has what it acknowledged on the disk, and has it again when it is opened after the process, or the
// machine, ended at any moment. Uploads in parts that were not completed are forgotten then.
package objects

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// The folders of a store. A bucket is a folder of files, and of bucketFile.
const (
	bucketsFolder  = "buckets"
	incomingFolder = "incoming"
	bucketFile     = "bucket.json"
)

// A Store is a directory with buckets. It is a backend of gofakes3, with versions and uploads in parts.
type Store struct {
	directory string
	durable   bool

	change sync.Mutex // held by what changes a bucket, from the check of its conditions to the end of the change

	index    sync.RWMutex // guards what follows
	buckets  map[string]*bucket
	uploads  map[gofakes3.UploadID]*upload
	sequence uint64
}

var (
	_ gofakes3.Backend          = (*Store)(nil)
	_ gofakes3.VersionedBackend = (*Store)(nil)
	_ gofakes3.MultipartBackend = (*Store)(nil)
)

// bucket is the index of a bucket.
type bucket struct {
	properties
	keys    []string // sorted
	objects map[string][]version
}

// properties are the content of bucketFile.
type properties struct {
	Created    time.Time                 `json:"created"`
	Versioning gofakes3.VersioningStatus `json:"versioning,omitempty"`
}

// version is what the index knows of a version of an object. The newest of an object is the first.
type version struct {
	id       gofakes3.VersionID
	deleted  bool
	size     int64
	sum      [16]byte
	modified int64
	sequence uint64
}

// Open opens the store in a directory, which it creates if it is missing. It fails if a file is damaged.
func Open(directory string, durable bool) (*Store, error) {
	s := &Store{
		directory: directory, durable: durable,
		buckets: map[string]*bucket{}, uploads: map[gofakes3.UploadID]*upload{},
	}
	if err := os.RemoveAll(s.path(incomingFolder)); err != nil {
		return nil, err
	}
	for _, folder := range []string{bucketsFolder, incomingFolder} {
		if err := os.MkdirAll(s.path(folder), 0o700); err != nil {
			return nil, err
		}
	}
	if err := s.sync(""); err != nil {
		return nil, err
	}
	return s, s.readBuckets()
}

// path returns the path of a file of the store.
func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.directory}, names...)...)
}

// sync has the names in a folder of the store on the disk, if the store is durable.
func (s *Store) sync(names ...string) error {
	if !s.durable {
		return nil
	}
	return syncFolder(s.path(names...))
}

// fileName returns the name of the file of a version: keys may be longer than names of files, and have other
// characters.
func fileName(key string, id gofakes3.VersionID) string {
	sum := sha256.Sum256([]byte(key + "\x00" + string(id)))
	return hex.EncodeToString(sum[:])
}

func (s *Store) readBuckets() error {
	folders, err := os.ReadDir(s.path(bucketsFolder))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := s.readBucket(folder.Name()); err != nil {
			return fmt.Errorf("read bucket %q: %w", folder.Name(), err)
		}
	}
	return nil
}

func (s *Store) readBucket(name string) error {
	b := &bucket{objects: map[string][]version{}}
	content, err := os.ReadFile(s.path(bucketsFolder, name, bucketFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, &b.properties); err != nil {
		return fmt.Errorf("%s: %w", bucketFile, errDamaged)
	}
	files, err := os.ReadDir(s.path(bucketsFolder, name))
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.Name() == bucketFile {
			continue
		}
		r, err := s.readFile(name, file.Name())
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		b.objects[r.Key] = append(b.objects[r.Key], r.version())
		s.sequence = max(s.sequence, r.Sequence)
	}
	for key, versions := range b.objects {
		b.keys = append(b.keys, key)
		slices.SortFunc(versions, func(a, b version) int { return cmp.Compare(b.sequence, a.sequence) })
	}
	slices.Sort(b.keys)
	s.buckets[name] = b
	return nil
}

func (s *Store) readFile(bucketName, name string) (r record, err error) {
	file, err := os.Open(s.path(bucketsFolder, bucketName, name))
	if err != nil {
		return r, err
	}
	defer file.Close()
	if r, err = readRecord(file); err == nil && fileName(r.Key, r.Version) != name {
		err = errDamaged
	}
	return r, err
}

func (r *record) version() version {
	v := version{id: r.Version, deleted: r.Deleted, size: r.Size, modified: r.Modified, sequence: r.Sequence}
	copy(v.sum[:], r.MD5)
	return v
}

func (v *version) etag() string { return gofakes3.FormatETag(v.sum[:]) }

// Keys returns the keys of the objects in a bucket, without those that are deleted.
func (s *Store) Keys(bucketName string) (keys []string) {
	s.index.RLock()
	defer s.index.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return nil
	}
	for _, key := range b.keys {
		if !b.objects[key][0].deleted {
			keys = append(keys, key)
		}
	}
	return keys
}

// ListBuckets implements gofakes3.Backend.
func (s *Store) ListBuckets() (buckets []gofakes3.BucketInfo, err error) {
	s.index.RLock()
	defer s.index.RUnlock()
	for name, b := range s.buckets {
		buckets = append(buckets, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(b.Created)})
	}
	slices.SortFunc(buckets, func(a, b gofakes3.BucketInfo) int { return cmp.Compare(a.Name, b.Name) })
	return buckets, nil
}

// BucketExists implements gofakes3.Backend.
func (s *Store) BucketExists(name string) (exists bool, err error) {
	s.index.RLock()
	defer s.index.RUnlock()
	return s.buckets[name] != nil, nil
}

// CreateBucket implements gofakes3.Backend.
func (s *Store) CreateBucket(name string) error {
	s.change.Lock()
	defer s.change.Unlock()
	if exists, _ := s.BucketExists(name); exists {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	b := &bucket{properties: properties{Created: time.Now()}, objects: map[string][]version{}}
	folder, err := os.MkdirTemp(s.path(incomingFolder), "")
	if err != nil {
		return err
	}
	if err := s.writeProperties(b.properties, filepath.Join(folder, bucketFile)); err != nil {
		return err
	}
	if err := os.Rename(folder, s.path(bucketsFolder, name)); err != nil {
		return err
	}
	if err := errors.Join(s.sync(bucketsFolder, name), s.sync(bucketsFolder)); err != nil {
		return err
	}
	s.index.Lock()
	defer s.index.Unlock()
	s.buckets[name] = b
	return nil
}

// writeProperties replaces a bucketFile.
func (s *Store) writeProperties(p properties, path string) error {
	content, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := s.newIncoming()
	if err != nil {
		return err
	}
	defer f.discard()
	_, err = f.file.Write(content)
	if err == nil && s.durable {
		err = f.file.Sync()
	}
	if err = errors.Join(err, f.file.Close()); err != nil {
		return err
	}
	return os.Rename(f.file.Name(), path)
}

// DeleteBucket implements gofakes3.Backend.
func (s *Store) DeleteBucket(name string) error { return s.deleteBucket(name, false) }

// ForceDeleteBucket implements gofakes3.Backend.
func (s *Store) ForceDeleteBucket(name string) error { return s.deleteBucket(name, true) }

func (s *Store) deleteBucket(name string, force bool) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.index.RLock()
	b := s.buckets[name]
	s.index.RUnlock()
	switch {
	case b == nil:
		return gofakes3.BucketNotFound(name)
	case len(b.keys) > 0 && !force:
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	trash, err := os.MkdirTemp(s.path(incomingFolder), "")
	if err != nil {
		return err
	}
	if err := os.Rename(s.path(bucketsFolder, name), filepath.Join(trash, name)); err != nil {
		return err
	}
	s.index.Lock()
	delete(s.buckets, name)
	s.index.Unlock()
	return errors.Join(s.sync(bucketsFolder), os.RemoveAll(trash))
}

// VersioningConfiguration implements gofakes3.VersionedBackend.
func (s *Store) VersioningConfiguration(name string) (c gofakes3.VersioningConfiguration, err error) {
	s.index.RLock()
	defer s.index.RUnlock()
	b := s.buckets[name]
	if b == nil {
		return c, gofakes3.BucketNotFound(name)
	}
	c.Status = b.Versioning
	return c, nil
}

// SetVersioningConfiguration implements gofakes3.VersionedBackend.
func (s *Store) SetVersioningConfiguration(name string, c gofakes3.VersioningConfiguration) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.index.RLock()
	b := s.buckets[name]
	s.index.RUnlock()
	if b == nil {
		return gofakes3.BucketNotFound(name)
	}
	changed := b.properties
	changed.Versioning = c.Status
	if err := s.writeProperties(changed, s.path(bucketsFolder, name, bucketFile)); err != nil {
		return err
	}
	s.index.Lock()
	b.properties = changed
	s.index.Unlock()
	return s.sync(bucketsFolder, name)
}

// isMissing reports whether a file was deleted since the index named it.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
