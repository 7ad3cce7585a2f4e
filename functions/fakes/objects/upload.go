package objects

import (
	"cmp"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/johannesboyne/gofakes3"
)

// upload is an upload in parts, each of which is a file.
type upload struct {
	bucket, key string
	metadata    map[string]string
	initiated   time.Time
	parts       map[int]part
	// Whether it must fail if the object exists.
	exclusive bool
}

type part struct {
	path     string
	size     int64
	sum      string // hexadecimal
	modified time.Time
}

// CreateMultipartUpload implements gofakes3.MultipartBackend.
func (s *Store) CreateMultipartUpload(
	bucketName, key string, metadata map[string]string,
) (gofakes3.UploadID, error) {
	s.index.Lock()
	defer s.index.Unlock()
	id := gofakes3.UploadID(uuid.NewString())
	s.uploads[id] = &upload{
		bucket: bucketName, key: key, metadata: metadata, initiated: time.Now(), parts: map[int]part{},
	}
	return id, nil
}

// findUpload returns an upload. index is locked.
func (s *Store) findUpload(bucketName, key string, id gofakes3.UploadID) (*upload, error) {
	u := s.uploads[id]
	if u == nil || u.bucket != bucketName || u.key != key {
		return nil, gofakes3.ErrNoSuchUpload
	}
	return u, nil
}

// UploadPart implements gofakes3.MultipartBackend.
func (s *Store) UploadPart(
	bucketName, key string, id gofakes3.UploadID, number int, size int64, input io.Reader,
) (etag string, err error) {
	f, err := s.newIncoming()
	if err != nil {
		return "", err
	}
	kept := false
	defer func() {
		if !kept {
			f.discard()
		}
	}()
	if err := f.write(input); err != nil {
		return "", err
	}
	if f.size != size {
		return "", gofakes3.ErrIncompleteBody
	}
	if err := f.file.Close(); err != nil {
		return "", err
	}
	s.index.Lock()
	defer s.index.Unlock()
	u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return "", err
	}
	if replaced, exists := u.parts[number]; exists {
		_ = os.Remove(replaced.path) // at the latest at the next start
	}
	sum := hex.EncodeToString(f.sum.Sum(nil))
	u.parts[number], kept = part{f.file.Name(), f.size, sum, time.Now()}, true
	return `"` + sum + `"`, nil
}

// ExpectNoObject has an upload fail at its end if the object exists.
func (s *Store) ExpectNoObject(id gofakes3.UploadID) {
	s.index.Lock()
	defer s.index.Unlock()
	if u := s.uploads[id]; u != nil {
		u.exclusive = true
	}
}

// CompleteMultipartUpload implements gofakes3.MultipartBackend. The ETag is the MD5 of the content.
func (s *Store) CompleteMultipartUpload(
	bucketName, key string, id gofakes3.UploadID, input *gofakes3.CompleteMultipartUploadRequest,
) (version gofakes3.VersionID, etag string, err error) {
	u, parts, err := s.partsOf(bucketName, key, id, input)
	if err != nil {
		return "", "", err
	}
	f, err := s.newIncoming()
	if err != nil {
		return "", "", err
	}
	defer f.discard()
	for _, p := range parts {
		if err := f.append(p.path); err != nil {
			return "", "", err
		}
	}
	var conditions *gofakes3.PutConditions
	if u.exclusive {
		every := "*"
		conditions = &gofakes3.PutConditions{IfNoneMatch: &every}
	}
	if version, err = s.commit(bucketName, key, u.metadata, f, conditions); err != nil {
		return "", "", err
	}
	_ = s.AbortMultipartUpload(bucketName, key, id) // of two that complete it, one finds it gone
	return version, gofakes3.FormatETag(f.sum.Sum(nil)), nil
}

// partsOf returns the parts that a request wants the object to have.
func (s *Store) partsOf(
	bucketName, key string, id gofakes3.UploadID, input *gofakes3.CompleteMultipartUploadRequest,
) (*upload, []part, error) {
	s.index.RLock()
	defer s.index.RUnlock()
	u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return nil, nil, err
	}
	var parts []part
	for n, wanted := range input.Parts {
		if n > 0 && wanted.PartNumber <= input.Parts[n-1].PartNumber {
			return nil, nil, gofakes3.ErrInvalidPartOrder
		}
		p, exists := u.parts[wanted.PartNumber]
		if !exists || strings.Trim(wanted.ETag, `"`) != p.sum {
			return nil, nil, gofakes3.ErrInvalidPart
		}
		parts = append(parts, p)
	}
	return u, parts, nil
}

// append appends the content of a file.
func (f *incoming) append(path string) error {
	file, err := os.Open(path)
	if isMissing(err) {
		return gofakes3.ErrNoSuchUpload // it was completed or aborted in the meantime
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return f.write(file)
}

// AbortMultipartUpload implements gofakes3.MultipartBackend.
func (s *Store) AbortMultipartUpload(bucketName, key string, id gofakes3.UploadID) error {
	s.index.Lock()
	defer s.index.Unlock()
	u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return err
	}
	delete(s.uploads, id)
	for _, p := range u.parts {
		_ = os.Remove(p.path) // at the latest at the next start
	}
	return nil
}

// ListParts implements gofakes3.MultipartBackend.
func (s *Store) ListParts(
	bucketName, key string, id gofakes3.UploadID, marker int, limit int64,
) (*gofakes3.ListMultipartUploadPartsResult, error) {
	s.index.RLock()
	defer s.index.RUnlock()
	u, err := s.findUpload(bucketName, key, id)
	if err != nil {
		return nil, err
	}
	result := &gofakes3.ListMultipartUploadPartsResult{
		Bucket: bucketName, Key: key, UploadID: id, MaxParts: limit, PartNumberMarker: marker,
	}
	for _, number := range slices.Sorted(maps.Keys(u.parts)) {
		if number <= marker {
			continue
		}
		if int64(len(result.Parts)) == limit {
			result.IsTruncated = true
			break
		}
		p := u.parts[number]
		result.NextPartNumberMarker = number
		result.Parts = append(result.Parts, gofakes3.ListMultipartUploadPartItem{
			PartNumber: number, ETag: `"` + p.sum + `"`, Size: p.size, LastModified: gofakes3.NewContentTime(p.modified),
		})
	}
	return result, nil
}

// ListMultipartUploads implements gofakes3.MultipartBackend.
func (s *Store) ListMultipartUploads(
	bucketName string, marker *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64,
) (*gofakes3.ListMultipartUploadsResult, error) {
	result := &gofakes3.ListMultipartUploadsResult{
		Bucket: bucketName, Delimiter: prefix.Delimiter, Prefix: prefix.Prefix, MaxUploads: limit,
	}
	if marker != nil {
		result.KeyMarker, result.UploadIDMarker = marker.Object, marker.UploadID
	}
	prefixes := map[string]bool{}
	for _, item := range s.uploadsBehind(bucketName, marker) {
		var match gofakes3.PrefixMatch
		if !prefix.Match(item.Key, &match) {
			continue
		}
		if int64(len(result.Uploads)) == limit {
			result.IsTruncated = true
			break
		}
		if match.CommonPrefix {
			if !prefixes[match.MatchedPart] {
				prefixes[match.MatchedPart] = true
				result.CommonPrefixes = append(result.CommonPrefixes, match.AsCommonPrefix())
			}
			continue
		}
		result.Uploads = append(result.Uploads, item)
		result.NextKeyMarker, result.NextUploadIDMarker = item.Key, item.UploadID
	}
	return result, nil
}

// uploadsBehind returns the uploads of a bucket behind a marker, sorted by key and ID.
func (s *Store) uploadsBehind(bucketName string, marker *gofakes3.UploadListMarker) (
	items []gofakes3.ListMultipartUploadItem,
) {
	s.index.RLock()
	defer s.index.RUnlock()
	for id, u := range s.uploads {
		behind := marker == nil || u.key > marker.Object || u.key == marker.Object && id > marker.UploadID
		if u.bucket == bucketName && behind {
			items = append(items, gofakes3.ListMultipartUploadItem{
				Key: u.key, UploadID: id, Initiated: gofakes3.NewContentTime(u.initiated),
			})
		}
	}
	slices.SortFunc(items, func(a, b gofakes3.ListMultipartUploadItem) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.UploadID, b.UploadID))
	})
	return items
}
