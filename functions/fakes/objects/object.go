package objects

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/johannesboyne/gofakes3"
)

// PutObject implements gofakes3.Backend. Nothing changes before all of input has been written.
func (s *Store) PutObject(
	bucketName, key string, metadata map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions,
) (result gofakes3.PutObjectResult, err error) {
	f, err := s.newIncoming()
	if err != nil {
		return result, err
	}
	defer f.discard()
	if err := f.write(input); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = gofakes3.ErrIncompleteBody
		}
		return result, err
	}
	if f.size != size {
		return result, gofakes3.ErrIncompleteBody
	}
	result.VersionID, err = s.commit(bucketName, key, metadata, f, conditions)
	return result, err
}

// commit makes a file that has been written the newest version of an object, if conditions, which may be nil, hold.
func (s *Store) commit(
	bucketName, key string, metadata map[string]string, f *incoming, conditions *gofakes3.PutConditions,
) (gofakes3.VersionID, error) {
	s.change.Lock()
	defer s.change.Unlock()
	if conditions != nil {
		newest, exists := s.find(bucketName, key, nil)
		info := &gofakes3.ConditionalObjectInfo{Exists: exists, Hash: newest.sum[:]}
		if err := gofakes3.CheckPutConditions(conditions, info); err != nil {
			return "", err
		}
	}
	return s.add(bucketName, record{Key: key, Size: f.size, MD5: f.sum.Sum(nil), Metadata: metadata}, f)
}

// add adds a version of which f has the content. change is locked.
func (s *Store) add(bucketName string, r record, f *incoming) (gofakes3.VersionID, error) {
	s.index.Lock()
	b := s.buckets[bucketName]
	if b == nil {
		s.index.Unlock()
		return "", gofakes3.BucketNotFound(bucketName)
	}
	if b.Versioning == gofakes3.VersioningEnabled {
		r.Version = gofakes3.VersionID(uuid.NewString())
	}
	s.sequence++
	r.Sequence, r.Modified = s.sequence, time.Now().UnixNano()
	s.index.Unlock()

	if err := f.seal(&r, s.durable); err != nil {
		return "", err
	}
	if err := os.Rename(f.file.Name(), s.path(bucketsFolder, bucketName, fileName(r.Key, r.Version))); err != nil {
		return "", err
	}
	s.index.Lock()
	b.insert(r.Key, r.version())
	s.index.Unlock()
	return r.Version, s.sync(bucketsFolder, bucketName)
}

// insert makes v the newest version of an object. One without an ID replaces the one without an ID.
func (b *bucket) insert(key string, v version) {
	versions := b.objects[key]
	if len(versions) == 0 {
		at, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, at, key)
	}
	versions = slices.DeleteFunc(versions, func(other version) bool { return other.id == v.id })
	b.objects[key] = slices.Insert(versions, 0, v)
}

// remove removes a version from the index.
func (b *bucket) remove(key string, id gofakes3.VersionID) {
	versions := slices.DeleteFunc(b.objects[key], func(v version) bool { return v.id == id })
	if len(versions) > 0 {
		b.objects[key] = versions
		return
	}
	delete(b.objects, key)
	if at, found := slices.BinarySearch(b.keys, key); found {
		b.keys = slices.Delete(b.keys, at, at+1)
	}
}

// find returns a version of an object; without an ID the newest, if that is not a marker.
func (s *Store) find(bucketName, key string, id *gofakes3.VersionID) (v version, found bool) {
	s.index.RLock()
	defer s.index.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return v, false
	}
	for _, v := range b.objects[key] {
		switch {
		case id == nil:
			return v, !v.deleted
		case v.id == *id:
			return v, true
		}
	}
	return v, false
}

// GetObject implements gofakes3.Backend.
func (s *Store) GetObject(
	bucketName, key string, wanted *gofakes3.ObjectRangeRequest,
) (*gofakes3.Object, error) {
	v, found := s.find(bucketName, key, nil)
	if !found {
		return nil, s.notFound(bucketName, gofakes3.KeyNotFound(key))
	}
	return s.open(bucketName, key, v.id, wanted)
}

// HeadObject implements gofakes3.Backend.
func (s *Store) HeadObject(bucketName, key string) (*gofakes3.Object, error) {
	return withoutContents(s.GetObject(bucketName, key, nil))
}

// GetObjectVersion implements gofakes3.VersionedBackend.
func (s *Store) GetObjectVersion(
	bucketName, key string, id gofakes3.VersionID, wanted *gofakes3.ObjectRangeRequest,
) (*gofakes3.Object, error) {
	if _, found := s.find(bucketName, key, &id); !found {
		return nil, s.notFound(bucketName, gofakes3.ErrNoSuchVersion)
	}
	return s.open(bucketName, key, id, wanted)
}

// HeadObjectVersion implements gofakes3.VersionedBackend.
func (s *Store) HeadObjectVersion(bucketName, key string, id gofakes3.VersionID) (*gofakes3.Object, error) {
	return withoutContents(s.GetObjectVersion(bucketName, key, id, nil))
}

// notFound returns the error for a bucket that is missing, or else that of the object.
func (s *Store) notFound(bucketName string, object error) error {
	if exists, _ := s.BucketExists(bucketName); !exists {
		return gofakes3.BucketNotFound(bucketName)
	}
	return object
}

// open opens a version. All that it returns is from one file, which may be newer than what the index said before.
func (s *Store) open(
	bucketName, key string, id gofakes3.VersionID, wanted *gofakes3.ObjectRangeRequest,
) (*gofakes3.Object, error) {
	file, err := os.Open(s.path(bucketsFolder, bucketName, fileName(key, id)))
	if isMissing(err) {
		return nil, gofakes3.KeyNotFound(key)
	}
	if err != nil {
		return nil, err
	}
	object, err := read(file, wanted)
	if err != nil {
		file.Close()
	}
	return object, err
}

func read(file *os.File, wanted *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	r, err := readRecord(file)
	if err != nil {
		return nil, err
	}
	start, length := int64(0), r.Size
	part, err := wanted.Range(r.Size)
	if err != nil {
		return nil, err
	}
	if part != nil {
		start, length = part.Start, part.Length
	}
	return &gofakes3.Object{
		Name: r.Key, Metadata: r.Metadata, Size: r.Size, Hash: r.MD5, Range: part,
		VersionID: r.Version, IsDeleteMarker: r.Deleted,
		Contents: contents{io.NewSectionReader(file, start, length), file},
	}, nil
}

// contents is a part of a file.
type contents struct {
	io.Reader
	io.Closer
}

func withoutContents(object *gofakes3.Object, err error) (*gofakes3.Object, error) {
	if err != nil {
		return nil, err
	}
	object.Contents.Close()
	object.Contents = contents{eof{}, io.NopCloser(nil)}
	return object, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// CopyObject implements gofakes3.Backend.
func (s *Store) CopyObject(
	fromBucket, fromKey, bucketName, key string, metadata map[string]string,
) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(s, fromBucket, fromKey, bucketName, key, metadata)
}

// DeleteObject implements gofakes3.Backend. In a bucket with versions it adds a marker.
func (s *Store) DeleteObject(bucketName, key string) (result gofakes3.ObjectDeleteResult, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	configuration, err := s.VersioningConfiguration(bucketName)
	if err != nil {
		return result, err
	}
	if !configuration.Enabled() {
		return result, s.deleteFile(bucketName, key, "")
	}
	f, err := s.newIncoming()
	if err != nil {
		return result, err
	}
	defer f.discard()
	result.IsDeleteMarker = true
	result.VersionID, err = s.add(bucketName, record{Key: key, Deleted: true, MD5: f.sum.Sum(nil)}, f)
	return result, err
}

// DeleteObjectVersion implements gofakes3.VersionedBackend.
func (s *Store) DeleteObjectVersion(
	bucketName, key string, id gofakes3.VersionID,
) (result gofakes3.ObjectDeleteResult, err error) {
	s.change.Lock()
	defer s.change.Unlock()
	v, found := s.find(bucketName, key, &id)
	if !found {
		return result, nil
	}
	return gofakes3.ObjectDeleteResult{IsDeleteMarker: v.deleted, VersionID: id}, s.deleteFile(bucketName, key, id)
}

// deleteFile deletes a version, which may be missing. change is locked.
func (s *Store) deleteFile(bucketName, key string, id gofakes3.VersionID) error {
	if _, found := s.find(bucketName, key, &id); !found {
		return nil
	}
	err := os.Remove(s.path(bucketsFolder, bucketName, fileName(key, id)))
	if err != nil && !isMissing(err) {
		return err
	}
	s.index.Lock()
	s.buckets[bucketName].remove(key, id)
	s.index.Unlock()
	return s.sync(bucketsFolder, bucketName)
}

// DeleteMulti implements gofakes3.Backend.
func (s *Store) DeleteMulti(bucketName string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	ids := make([]gofakes3.ObjectID, len(keys))
	for n, key := range keys {
		ids[n].Key = key
	}
	return s.DeleteMultiVersions(bucketName, ids...)
}

// DeleteMultiVersions implements gofakes3.VersionedBackend.
func (s *Store) DeleteMultiVersions(
	bucketName string, objects ...gofakes3.ObjectID,
) (result gofakes3.MultiDeleteResult, err error) {
	for _, object := range objects {
		if object.VersionID == "" {
			_, err = s.DeleteObject(bucketName, object.Key)
		} else {
			_, err = s.DeleteObjectVersion(bucketName, object.Key, gofakes3.VersionID(object.VersionID))
		}
		if err != nil {
			failed := gofakes3.ErrorResultFromError(err)
			failed.Key = object.Key
			result.Error = append(result.Error, failed)
			continue
		}
		result.Deleted = append(result.Deleted, object)
	}
	return result, nil
}
