//go:build faults

package faults

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/gif"
	_ "image/jpeg" // so that package image reads it
	_ "image/png"  // so that package image reads it
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	_ "golang.org/x/image/webp" // so that package image reads it
)

// A renditionSet has the fields of renditions by their names, and those that a document must have for a hash: formats
// are lists, colours have four components, and no field has its default. See docs/reference/renditions.md.
type renditionSet map[string]map[string]any

// thumbnail is the name of the rendition that every image has.
const thumbnail = "thumbnail"

// firstSet is what is made of each image in all runs.
var firstSet = renditionSet{
	thumbnail: {"width": 200, "height": 200},
	"card":    {"width": 48, "height": 32, "fit": "cover", "format": []string{"webp"}},
	"square":  {"width": 40, "height": 40, "fit": "contain", "background": "#ff8800ff"},
	"hero":    {"width": 64, "format": []string{"webp", "jpeg"}},
	"teaser":  {"width": 32, "height": 32, "fit": "cover", "gravity": "smart", "animated": true},
}

// setting is the environment variable with the document. JSON is YAML, too.
func (s renditionSet) setting() string {
	document, err := json.Marshal(map[string]any{"renditions": s})
	if err != nil {
		panic(err) // the values are numbers, strings and lists of them
	}
	return "RENDITIONS=" + string(document)
}

// hash is what keys and URLs name a specification by: the beginning of the SHA-256 of its fields.
func (s renditionSet) hash(name string) string {
	fields, err := json.Marshal(s[name])
	if err != nil {
		panic(err) // see setting
	}
	sum := sha256.Sum256(fields)
	return hex.EncodeToString(sum[:4])
}

// A file is one of an image's: what a set makes of a sample, or what is stored.
type file struct {
	format        string // as package image names it
	width, height int
	frames        int
}

var extensions = map[string]string{"jpeg": ".jpg", "png": ".png", "gif": ".gif", "webp": ".webp"}

// readFile returns what the content of a file is.
func readFile(content []byte) (f file, err error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(content))
	f = file{format, config.Width, config.Height, 1}
	switch {
	case err != nil:
		return f, err
	case format == "gif":
		animation, err := gif.DecodeAll(bytes.NewReader(content))
		if err != nil {
			return f, err
		}
		f.frames = len(animation.Image)
	case format == "webp":
		f.frames = max(1, bytes.Count(content, []byte("ANMF"))) // the header of a frame
	}
	return f, nil
}

// filesOf returns the files that the set makes of an image, by the names of their objects.
func (s renditionSet) filesOf(of sample) (map[string]file, error) {
	original, err := readFile(of.content)
	if err != nil {
		return nil, err
	}
	all := map[string]file{}
	for name, fields := range s {
		formats, chosen := fields["format"].([]string)
		if !chosen {
			formats = []string{original.format}
		}
		for _, format := range formats {
			all[s.object(name, of.name, format)] = original.fit(fields, format)
		}
	}
	return all, nil
}

// object is the name of a file's object. That of the thumbnail does not depend on its specification.
func (s renditionSet) object(name, filename, format string) string {
	if name == thumbnail {
		return "thumbnail_" + filename
	}
	return name + "~" + s.hash(name) + "_" + filename + extensions[format]
}

// fit returns what a specification makes of an image, which it does not enlarge.
func (f file) fit(fields map[string]any, format string) file {
	box := func(side string) int {
		if pixels, limited := fields[side].(int); limited {
			return pixels
		}
		return math.MaxInt32
	}
	made := file{format, box("width"), box("height"), 1}
	switch fields["fit"] {
	case "contain":
	case "cover":
		made.width, made.height = min(made.width, f.width), min(made.height, f.height)
	default:
		scale := min(1, float64(made.width)/float64(f.width), float64(made.height)/float64(f.height))
		made.width = int(math.Round(float64(f.width) * scale))
		made.height = int(math.Round(float64(f.height) * scale))
	}
	if fields["animated"] == true {
		made.frames = f.frames
	}
	return made
}

// describe describes a file as the status of its image does.
func (s renditionSet) describe(imageID, object string, f file, bytes int64) events.Rendition {
	name, _, _ := strings.Cut(object, "~")
	if strings.HasPrefix(object, "thumbnail_") {
		name = thumbnail
	}
	return events.Rendition{
		Name: name, Object: imageID + "/" + object, Width: f.width, Height: f.height, Bytes: bytes,
		ContentType: "image/" + f.format, Frames: f.frames, URL: "/images/" + imageID + "/" + name + "?v=" + s.hash(name),
	}
}

// checkRenditions checks the renditions of an accepted image, and that its status lists them.
func (l *loadGenerator) checkRenditions(u *submission, objects map[string]stored) error {
	if u.want != "completed" {
		return checkFailure(u.name, objects)
	}
	if err := l.checkFiles(firstSet, u.imageID, u.sample, objects); err != nil {
		return err
	}
	return u.checkListing(firstSet, objects)
}

// checkFailure checks that an image which failed has nothing but its original and the note of that.
func checkFailure(filename string, objects map[string]stored) error {
	for object := range objects {
		if object != filename && object != "thumbnail_"+filename {
			return fmt.Errorf("%s is stored for an image that has failed", object)
		}
	}
	return nil
}

// checkUnaccepted checks the renditions of the images that are stored although no client got a 200 for them.
func (l *loadGenerator) checkUnaccepted(all inventory) {
	samples := map[string]sample{}
	for _, s := range l.samples {
		samples[s.name] = s
	}
	for _, u := range l.acceptedUploads() {
		delete(all, u.imageID)
	}
	for imageID, objects := range all {
		for name := range objects {
			of, expected := samples[name]
			err := checkFailure(name, objects)
			switch {
			case isRendition(name):
				continue
			case !expected:
				err = errors.New("its name is not that of a sample")
			case of.want == "completed":
				err = l.checkFiles(firstSet, imageID, of, objects)
			}
			if err != nil {
				l.violation("%s/%s, which was not accepted: %v", imageID, name, err)
			}
		}
	}
}

// checkFiles checks that an image has the files of a set and no others, each as the specification says.
func (l *loadGenerator) checkFiles(set renditionSet, imageID string, of sample, objects map[string]stored) error {
	want, err := set.filesOf(of)
	if err != nil {
		return err
	}
	for object := range objects {
		if _, expected := want[object]; isRendition(object) && !expected {
			return fmt.Errorf("%s is stored, which none of the specifications makes", object)
		}
	}
	for object, f := range want {
		found := objects[object]
		if found.versions != 1 || found.removed {
			return fmt.Errorf("%s has %d versions, removed: %v; want 1 version", object, found.versions, found.removed)
		}
		got, err := l.storedFile(imageID+"/"+object, of, found)
		if err != nil {
			return fmt.Errorf("%s: %w", object, err)
		}
		if got != f {
			return fmt.Errorf("%s is %+v, want %+v", object, got, f)
		}
	}
	return nil
}

func isRendition(object string) bool {
	return strings.HasPrefix(object, "thumbnail_") || strings.Contains(object, "~")
}

// checkListing checks that a status lists the files of a set, the thumbnail first.
func (u *submission) checkListing(set renditionSet, objects map[string]stored) error {
	files, err := set.filesOf(u.sample)
	if err != nil {
		return err
	}
	var want []events.Rendition
	for _, object := range slices.Sorted(maps.Keys(files)) {
		described := set.describe(u.imageID, object, files[object], objects[object].size)
		if described.Name == thumbnail {
			want = slices.Insert(want, 0, described)
		} else {
			want = append(want, described)
		}
	}
	if !slices.Equal(u.renditions, want) {
		return fmt.Errorf("its status lists\n%+v, want\n%+v", u.renditions, want)
	}
	return nil
}

// known has the files that were read, by their names without the image ID, and by ETag: the same is made of a sample
// each time, so that most objects need not be read.
var known sync.Map

// storedFile returns what an object is. Its content type must be that of its content.
func (s *system) storedFile(key string, of sample, found stored) (file, error) {
	_, object, _ := strings.Cut(key, "/")
	at := [3]string{of.name, object, found.etag}
	if f, read := known.Load(at); read {
		return f.(file), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	reader, err := s.minioClient.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return file{}, err
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		return file{}, err
	}
	info, err := reader.Stat()
	if err != nil {
		return file{}, err
	}
	f, err := readFile(content)
	if err == nil && info.ContentType != "image/"+f.format {
		err = fmt.Errorf("content type is %s, want that of %s", info.ContentType, f.format)
	}
	if err == nil {
		known.Store(at, f)
	}
	return f, err
}
