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
	"math"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
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

// secondSet is what the document is changed to: one rendition is as before, two have other specifications, two are
// gone, and one is new. No sample is so small that both make the same thumbnail of it.
var secondSet = renditionSet{
	thumbnail: {"width": 25, "height": 25},
	"card":    {"width": 48, "height": 32, "fit": "cover", "format": []string{"webp"}},
	"square":  {"width": 30, "height": 30, "fit": "contain", "background": "#0088ffff"},
	"banner":  {"width": 60, "height": 20, "fit": "cover", "format": []string{"jpeg"}},
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

// fit returns what a specification makes of an image, which it does not enlarge. Halves of a pixel are rounded down.
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
		made.width = int(math.Ceil(float64(f.width)*scale - 0.5))
		made.height = int(math.Ceil(float64(f.height)*scale - 0.5))
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

// checkRenditions checks the renditions of an image whose status is known: they are those of the set by which the
// thumbnail was made, and the status lists them.
func (l *loadGenerator) checkRenditions(u *submission, objects map[string]stored) error {
	if u.want != "completed" {
		return checkFailure(u.name, objects)
	}
	set, err := l.checkFiles(u.imageID, u.sample, objects)
	if err != nil {
		return err
	}
	return l.checkListing(u, set, objects)
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
			case isRendition(name), objects[name].removed: // one that was refused after it was stored
				continue
			case !expected:
				err = errors.New("its name is not that of a sample")
			case of.want == "completed":
				_, err = l.checkFiles(imageID, of, objects)
			}
			if err != nil {
				l.violation("%s/%s, which was not accepted: %v", imageID, name, err)
			}
		}
	}
}

// checkFiles checks that an image has all files of one of the sets, and no file that none of them makes. It returns the
// set, which is that of the thumbnail: that is stored last.
func (l *loadGenerator) checkFiles(
	imageID string, of sample, objects map[string]stored,
) (complete renditionSet, err error) {
	for object := range objects {
		if isRendition(object) && !slices.ContainsFunc(l.sets, func(s renditionSet) bool { return s.makes(object, of) }) {
			return nil, fmt.Errorf("%s is stored, which none of the specifications makes", object)
		}
	}
	for _, set := range l.sets {
		if err = l.checkSet(set, imageID, of, objects); err == nil {
			return set, nil
		}
	}
	return nil, err
}

func (s renditionSet) makes(object string, of sample) bool {
	files, err := s.filesOf(of)
	_, made := files[object]
	return err == nil && made
}

// checkSet checks that an image has the files of a set, each as the specification says.
func (l *loadGenerator) checkSet(set renditionSet, imageID string, of sample, objects map[string]stored) error {
	want, err := set.filesOf(of)
	if err != nil {
		return err
	}
	for object, f := range want {
		if err := l.checkFile(imageID, object, of, f, objects[object]); err != nil {
			return err
		}
	}
	return nil
}

// checkFile checks that a file is stored once, and is what is wanted.
func (s *system) checkFile(imageID, object string, of sample, want file, found stored) error {
	if found.versions != 1 || found.removed {
		return fmt.Errorf("%s has %d versions, removed: %v; want 1 version", object, found.versions, found.removed)
	}
	got, err := s.storedFile(imageID+"/"+object, of, found)
	if err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	if got != want {
		return fmt.Errorf("%s is %+v, want %+v", object, got, want)
	}
	return nil
}

func isRendition(object string) bool {
	return strings.HasPrefix(object, "thumbnail_") || strings.Contains(object, "~")
}

// checkListing checks that the status of an image lists all files of its set, the thumbnail first. If pods of another
// revision have stored files of other specifications meanwhile, it may list those, but it has a file for each name.
func (l *loadGenerator) checkListing(u *submission, complete renditionSet, objects map[string]stored) error {
	possible, err := l.describeFiles(u, objects)
	if err != nil {
		return err
	}
	names, listed := map[string]bool{}, map[string]bool{}
	for i, r := range u.renditions {
		if !slices.Contains(possible[r.Object], r) {
			return fmt.Errorf("its status lists %+v, want one of %+v", r, possible[r.Object])
		}
		if (r.Name == thumbnail) != (i == 0) || listed[r.Object] {
			return fmt.Errorf("its status lists %+v, want the thumbnail first, and each file once", u.renditions)
		}
		names[r.Name], listed[r.Object] = true, true
	}
	for name := range complete {
		if !names[name] {
			return fmt.Errorf("its status lists %+v, want %s among them", u.renditions, name)
		}
	}
	if len(l.sets) == 1 && len(listed) != len(possible) {
		return fmt.Errorf("its status lists %+v, want %+v", u.renditions, possible)
	}
	return nil
}

// describeFiles describes the stored files of an image as each of the sets does, by their keys: the thumbnail has one
// key in all of them.
func (l *loadGenerator) describeFiles(
	u *submission, objects map[string]stored,
) (map[string][]events.Rendition, error) {
	all := map[string][]events.Rendition{}
	for _, set := range l.sets {
		files, err := set.filesOf(u.sample)
		if err != nil {
			return nil, err
		}
		for object, f := range files {
			if found := objects[object]; found.versions > 0 {
				r := set.describe(u.imageID, object, f, found.size)
				all[r.Object] = append(all[r.Object], r)
			}
		}
	}
	return all, nil
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

// changeRenditions has the functions make other renditions, one pod after the other, as a new revision does. While pods
// of both revisions work side by side, those of thumbnail are killed.
func (l *loadGenerator) changeRenditions() error {
	l.sets = append(l.sets, secondSet)
	change := func(i int) {
		for _, service := range []*service{l.upload, l.thumbnail} {
			p := service.pods[i]
			p.set(secondSet.setting())
			service.without(p)
			p.roll()
			service.without(nil)
		}
	}
	change(0)
	err := l.killRepeatedly(l.thumbnail.pods...)
	change(1)
	return err
}

// backfill asks twice for what all images lack of the second set, through the Broker and by the command, while the pods
// that make it are killed, and checks that they have it, once, beside what they had. Nothing was replaced.
func (l *loadGenerator) backfill() {
	l.t.Helper()
	var images []*submission
	for _, u := range l.acceptedUploads() {
		if u.want == "completed" {
			images = append(images, u)
		}
	}
	before, err := l.inventory()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, u := range images {
		l.askForRenditions(u)
	}
	l.runBackfill()
	if err := l.killRepeatedly(l.thumbnail.pods...); err != nil {
		l.t.Fatal(err)
	}
	began := time.Now()
	if err := retry(2*drainLimit, func() error { return l.checkBackfilled(images, before) }); err != nil {
		l.t.Error(err)
	}
	l.t.Logf("%d images have the second set %v after the last kill", len(images), time.Since(began))
	for _, u := range images {
		if err := l.checkCurrentListing(u); err != nil {
			l.t.Errorf("%s (%s): %v", u.imageID, u.name, err)
		}
	}
}

// runBackfill runs the command.
func (l *loadGenerator) runBackfill() {
	l.t.Helper()
	directory, err := backfillCommand()
	if err != nil {
		l.t.Fatal(err)
	}
	command := exec.CommandContext(l.t.Context(), filepath.Join(directory, "backfill"))
	command.Env = append(l.environment(), secondSet.setting())
	if output, err := command.CombinedOutput(); err != nil {
		l.t.Fatalf("backfill: %v\n%s", err, output)
	}
}

// askForRenditions sends image.render through the Broker.
func (l *loadGenerator) askForRenditions(u *submission) {
	l.t.Helper()
	asked := events.ImageRender{ImageID: u.imageID}
	e, err := events.Encode(asked, events.Envelope{Source: "/faults", ID: uuid.NewString()})
	if err != nil {
		l.t.Fatal(err)
	}
	answer, err := post(l.t.Context(), l.client, l.broker, e)
	if err != nil {
		l.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		l.t.Fatalf("the Broker answered %s, want 202", answer.Status)
	}
}

// checkBackfilled returns an error unless images have all files of the second set, those that they had before, and no
// others.
func (l *loadGenerator) checkBackfilled(images []*submission, before inventory) error {
	now, err := l.inventory()
	if err != nil {
		return err
	}
	for _, u := range images {
		want, err := l.filesAfterBackfill(u, now[u.imageID])
		if err != nil {
			return err
		}
		for object, f := range want {
			if err := l.checkFile(u.imageID, object, u.sample, f, now[u.imageID][object]); err != nil {
				return fmt.Errorf("%s: %w", u.imageID, err)
			}
		}
		for object, found := range now[u.imageID] {
			had, kept := before[u.imageID][object]
			if _, wanted := want[object]; kept && found != had || !kept && !wanted {
				return fmt.Errorf("%s/%s is %+v, and was %+v before the backfill", u.imageID, object, found, had)
			}
		}
	}
	return nil
}

// filesAfterBackfill returns the files of the second set. The thumbnail by the first one stays, and the other is beside
// it.
func (l *loadGenerator) filesAfterBackfill(u *submission, objects map[string]stored) (map[string]file, error) {
	want, err := secondSet.filesOf(u.sample)
	if err != nil {
		return nil, err
	}
	object := secondSet.object(thumbnail, u.name, "")
	f := want[object]
	if err := l.checkFile(u.imageID, object, u.sample, f, objects[object]); err != nil {
		delete(want, object)
		want[thumbnail+"~"+secondSet.hash(thumbnail)+"_"+u.name+extensions[f.format]] = f
	}
	return want, nil
}

// checkCurrentListing checks that the status of an image lists a file of each name by the second set, and that its URL
// works.
func (l *loadGenerator) checkCurrentListing(u *submission) error {
	var answer struct {
		Result struct{ Renditions []events.Rendition }
	}
	if err := l.getJSON("/status/"+u.imageID, &answer); err != nil {
		return err
	}
	for name := range secondSet {
		url := "/images/" + u.imageID + "/" + name + "?v=" + secondSet.hash(name)
		isListed := func(r events.Rendition) bool { return r.Name == name && r.URL == url }
		if !slices.ContainsFunc(answer.Result.Renditions, isListed) {
			return fmt.Errorf("its status lists %+v, want %s among them", answer.Result.Renditions, url)
		}
	}
	return nil
}

// getJSON reads the answer of upload to a GET, which must be 200.
func (l *loadGenerator) getJSON(path string, into any) error {
	response, err := l.client.Get(l.address() + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
