package objects

import (
	"slices"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// ListBucket implements gofakes3.Backend. It reads the index only, from the first key of the page on.
func (s *Store) ListBucket(
	name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage,
) (*gofakes3.ObjectList, error) {
	s.index.RLock()
	defer s.index.RUnlock()
	b := s.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	list, count := gofakes3.NewObjectList(), int64(0)
	for at := b.first(prefix, page); at < len(b.keys) && strings.HasPrefix(b.keys[at], prefix.Prefix); at++ {
		var match gofakes3.PrefixMatch
		newest := b.objects[b.keys[at]][0]
		if newest.deleted || !prefix.Match(b.keys[at], &match) {
			continue
		}
		if page.MaxKeys > 0 && count == page.MaxKeys {
			list.IsTruncated = true
			return list, nil
		}
		count++
		if match.CommonPrefix {
			list.AddPrefix(match.MatchedPart)
			at = b.after(match.MatchedPart) - 1 // the others with this prefix are the same entry
		} else {
			list.Add(newest.content(b.keys[at]))
		}
		list.NextMarker = b.keys[at]
	}
	list.NextMarker = "" // this was the last page
	return list, nil
}

// first returns the index of the first key of a page.
func (b *bucket) first(prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) int {
	at, _ := slices.BinarySearch(b.keys, prefix.Prefix)
	after, found := slices.BinarySearch(b.keys, page.Marker)
	if found {
		after++
	}
	return max(at, after)
}

// after returns the index of the first key behind all that begin with prefix, of which there is one at least.
func (b *bucket) after(prefix string) int {
	at, _ := slices.BinarySearchFunc(b.keys, prefix, func(key, prefix string) int {
		if key < prefix || strings.HasPrefix(key, prefix) {
			return -1
		}
		return 1
	})
	return at
}

func (v *version) content(key string) *gofakes3.Content {
	return &gofakes3.Content{
		Key: key, Size: v.size, ETag: v.etag(), LastModified: gofakes3.NewContentTime(time.Unix(0, v.modified)),
	}
}

// ListBucketVersions implements gofakes3.VersionedBackend. A page ends between two objects, so it may have more
// versions than it should.
func (s *Store) ListBucketVersions(
	name string, prefix *gofakes3.Prefix, page *gofakes3.ListBucketVersionsPage,
) (*gofakes3.ListBucketVersionsResult, error) {
	s.index.RLock()
	defer s.index.RUnlock()
	b := s.buckets[name]
	if b == nil {
		return nil, gofakes3.BucketNotFound(name)
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	if page == nil {
		page = &gofakes3.ListBucketVersionsPage{}
	}
	result := gofakes3.NewListBucketVersionsResult(name, prefix, page)
	at := b.first(prefix, gofakes3.ListBucketPage{Marker: page.KeyMarker})
	for ; at < len(b.keys) && strings.HasPrefix(b.keys[at], prefix.Prefix); at++ {
		var match gofakes3.PrefixMatch
		if !prefix.Match(b.keys[at], &match) {
			continue
		}
		if page.MaxKeys > 0 && int64(len(result.Versions)) >= page.MaxKeys {
			result.IsTruncated, result.NextKeyMarker = true, b.keys[at-1]
			return result, nil
		}
		if match.CommonPrefix {
			result.AddPrefix(match.MatchedPart)
			at = b.after(match.MatchedPart) - 1
			continue
		}
		for n, v := range b.objects[b.keys[at]] {
			result.Versions = append(result.Versions, v.item(b.keys[at], n == 0))
		}
	}
	return result, nil
}

func (v *version) item(key string, latest bool) gofakes3.VersionItem {
	modified := gofakes3.NewContentTime(time.Unix(0, v.modified))
	if v.deleted {
		return &gofakes3.DeleteMarker{Key: key, VersionID: v.id, IsLatest: latest, LastModified: modified}
	}
	return &gofakes3.Version{
		Key: key, VersionID: v.id, IsLatest: latest, LastModified: modified, Size: v.size, ETag: v.etag(),
	}
}
