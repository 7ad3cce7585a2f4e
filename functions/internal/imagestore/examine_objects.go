package imagestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

// absence, bytes ... are the requirements on single objects. Each returns a lack, or an error of the server.

func (x *examination) absence(ctx context.Context) error {
	key := OriginalKey(x.folder("absence"), "none.png")
	if _, err := x.Stat(ctx, key); !errors.Is(err, ErrNotFound) {
		return notAbsent("HeadObject", err)
	}
	body, _, err := x.Get(ctx, x.bucket, key)
	if err == nil {
		body.Close()
	}
	if !errors.Is(err, ErrNotFound) {
		return notAbsent("GetObject", err)
	}
	return nil
}

func notAbsent(request string, err error) error {
	response := responseOf(err)
	switch {
	case err == nil:
		return lacks("%s finds an object that was never stored", request)
	case response.StatusCode == http.StatusNotFound && response.RequestID == "":
		return lacks("the 404 of %s has no x-amz-request-id, as if a proxy had sent it", request)
	}
	return err
}

func (x *examination) bytes(ctx context.Context) error {
	chunks := strings.Repeat("0123456789abcdef", 100<<10/16) // longer than the chunks in which a stream is signed
	folder := x.folder("bytes")
	for name, put := range map[string]func(key string) error{
		"whole": func(key string) error { return x.put(ctx, key, chunks, Attributes{}) },
		"stream": func(key string) error {
			size := int64(len(chunks))
			return unlessTaken(x.putStream(ctx, key, io.LimitReader(strings.NewReader(chunks), size), size, Attributes{}))
		},
		"parts": func(key string) error {
			complete, err := x.inParts(ctx, key, chunks)
			if err != nil {
				return err
			}
			return unlessTaken(complete())
		},
	} {
		key := OriginalKey(folder+"-"+name, name)
		if err := put(key); err != nil {
			return err
		}
		info, err := x.Stat(ctx, key)
		if err != nil {
			return err
		}
		if info.Size != int64(len(chunks)) {
			return lacks("of the %d bytes sent as %q, %d are stored: the framing of a stream is kept",
				len(chunks), key, info.Size)
		}
		if err := x.holds(ctx, key, chunks); err != nil {
			return err
		}
	}
	return nil
}

func (x *examination) metadata(ctx context.Context) error {
	key := OriginalKey(x.folder("metadata"), "a.png")
	want := Attributes{ContentType: "image/png", Metadata: map[string]string{
		"Filename":  EncodeFilename(strings.Repeat("höhe ☃ 100% + ", 40)),
		causeSource: encodeMetadata("/scanner/ü%41"), causeID: strings.Repeat("x", maxEncodedCause-40),
	}}
	if err := x.put(ctx, key, "a", want); err != nil {
		return err
	}
	stat, err := x.Stat(ctx, key)
	if err != nil {
		return err
	}
	body, got, err := x.Get(ctx, x.bucket, key)
	if err != nil {
		return err
	}
	body.Close()
	for request, info := range map[string]*Info{"HeadObject": stat, "GetObject": got} {
		if info.ContentType != want.ContentType {
			return lacks("%s returns the content type %q, not %q", request, info.ContentType, want.ContentType)
		}
		if !maps.Equal(info.Metadata, want.Metadata) {
			return lacks("%s returns the metadata %.300q, not %.300q", request, info.Metadata, want.Metadata)
		}
	}
	return nil
}

func (x *examination) ranges(ctx context.Context) error {
	key := OriginalKey(x.folder("ranges"), "a.png")
	if err := x.put(ctx, key, "0123456789", Attributes{}); err != nil {
		return err
	}
	info, err := x.Stat(ctx, key)
	if err != nil {
		return err
	}
	for limits, want := range map[[2]int64]string{{0, 10}: "0123456789", {3, 7}: "3456", {9, 10}: "9"} {
		body, err := x.GetRange(ctx, info, limits[0], limits[1])
		if err != nil {
			return err
		}
		got, err := io.ReadAll(io.LimitReader(body, 20))
		body.Close()
		if err != nil {
			return err
		}
		if string(got) != want {
			return lacks("the bytes %d to %d of 0123456789 are %q", limits[0], limits[1]-1, got)
		}
	}
	info.ETag = strings.Repeat("0", len(info.ETag))
	if body, err := x.GetRange(ctx, info, 0, 5); err == nil {
		body.Close()
		return lacks("If-Match of GetObject is ignored: an image could be put together from two")
	}
	return nil
}

// oddNames are names that SafeName leaves as they are, and that servers have been seen to fail with.
var oddNames = []string{
	"Ärger (1)+%41 ☃.jpg", "📷.png", "a.", "a+b & c;d=e,f", "%2F%2e%2e", "?versionId=null", "#x", `"'<>|*:`, "xl.meta",
	"part.1", "a~$@!^`{}[]", strings.Repeat("ü", maxFilename/2),
}

func (x *examination) names(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(writers)
	for i, name := range oddNames {
		all.Go(func() error {
			id := x.folder(fmt.Sprint("name-", i))
			key := OriginalKey(id, name)
			if err := x.put(ctx, key, name, Attributes{}); err != nil {
				return fmt.Errorf("the name %q: %w", name, err)
			}
			_, err := x.Confirm(ctx, id, key)
			if errors.Is(err, errNotListed) {
				return lacks("an object called %q is stored, but not listed", name)
			}
			if err != nil {
				return fmt.Errorf("the name %q: %w", name, err)
			}
			return x.holds(ctx, key, name)
		})
	}
	return all.Wait()
}

// ordered are names in the order of their bytes, which is not that of letters.
var ordered = []string{"!", "%", "-", "0", "A", "Z", "_", "a", "a b", "a.", "a0", "z", "~", "ß", "ä", "☃", "📷"}

func (x *examination) listing(ctx context.Context) error {
	folder := x.folder("listing")
	var want []string
	for _, name := range ordered {
		want = append(want, OriginalKey(folder, name))
	}
	for _, i := range []int{3, 1, 16, 0, 5, 12, 7, 9, 2, 4, 6, 8, 15, 14, 10, 11, 13} {
		if err := x.put(ctx, want[i], "a", Attributes{}); err != nil {
			return err
		}
		if listed, err := x.keys(ctx, want[i], "", 0); err != nil || !slices.Contains(listed, want[i]) {
			return orLack(err, "%q is not listed right after it was stored", want[i])
		}
	}
	for after, rest := range map[string][]string{"": want, want[4]: want[5:], OriginalKey(folder, "a!"): want[9:]} {
		listed, err := x.keys(ctx, folder+"/", after, 3)
		if err != nil || !slices.Equal(listed, rest) {
			return orLack(err, "after %q %q are listed, in pages of three, not %q", after, listed, rest)
		}
	}
	next := OriginalKey(folder+"x", "a")
	if err := x.put(ctx, next, "a", Attributes{}); err != nil {
		return err
	}
	if listed, err := x.keys(ctx, folder, folder+"0", 0); err != nil || !slices.Equal(listed, []string{next}) {
		return orLack(err, "after the folder %q %q are listed, not %q", folder, listed, next)
	}
	return nil
}

// keys lists keys with a prefix as Scan does.
func (x *examination) keys(ctx context.Context, prefix, after string, page int) (keys []string, err error) {
	options := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, StartAfter: after, MaxKeys: page}
	for object := range x.client.ListObjectsIter(ctx, x.bucket, options) {
		if object.Err != nil {
			return nil, x.wrap(object.Err, "list", x.bucket, prefix)
		}
		keys = append(keys, object.Key)
	}
	return keys, ctx.Err()
}

func orLack(err error, format string, arguments ...any) error {
	if err != nil {
		return err
	}
	return lacks(format, arguments...)
}

func (x *examination) removal(ctx context.Context) error {
	key := OriginalKey(x.folder("removal"), "a.png")
	for _, content := range []string{"first", "second"} {
		if err := x.put(ctx, key, content, Attributes{}); err != nil {
			return err
		}
		if err := x.holds(ctx, key, content); err != nil {
			return err
		}
		for range 2 { // the second time there is nothing to remove
			if err := x.Remove(ctx, key); err != nil {
				return err
			}
		}
		if _, err := x.Stat(ctx, key); !errors.Is(err, ErrNotFound) {
			return orLack(err, "%q is there after it was removed", key)
		}
		if listed, err := x.keys(ctx, key, "", 0); err != nil || len(listed) > 0 {
			return orLack(err, "%q is listed after it was removed", key)
		}
	}
	return nil
}
