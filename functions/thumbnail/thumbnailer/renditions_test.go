package thumbnailer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color/palette"
	"image/gif"
	"image/png"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

const fiveRenditions = `renditions:
  card: {width: 64, height: 48, fit: cover, gravity: smart, format: webp, quality: 80}
  hero: {width: 160, format: [webp, jpeg]}
  box: {width: 50, height: 50, fit: contain, background: "#f80", format: png}
  same: {height: 30, format: [original, jpeg]}
`

// All renditions of an image are stored, in the formats and sizes of the configuration, and are in status and event.
func TestRenditions(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS="+fiveRenditions)
	set, err := rendition.Parse([]byte(fiveRenditions))
	if err != nil {
		t.Fatal(err)
	}
	e := s.uploaded("Überblick ☃.jpg", jpegOf(t, 320, 240))
	id := e.Subject()
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil {
		t.Fatal(err)
	}
	key := func(name, extension string) string {
		return fmt.Sprintf("%s/%s~%s_Überblick ☃.jpg%s", id, name, set.Find(name).Hash, extension)
	}
	wanted := map[string]struct {
		format string
		size   image.Point
	}{
		id + "/thumbnail_Überblick ☃.jpg": {"jpeg", image.Pt(200, 150)},
		key("card", ".webp"):              {"webp", image.Pt(64, 48)},
		key("hero", ".webp"):              {"webp", image.Pt(160, 120)},
		key("hero", ".jpg"):               {"jpeg", image.Pt(160, 120)},
		key("box", ".png"):                {"png", image.Pt(50, 50)},
		key("same", ".jpg"):               {"jpeg", image.Pt(40, 30)},
	}
	if len(made.Renditions) != len(wanted) || made.Renditions[0].Name != "thumbnail" {
		t.Errorf("got %d renditions, the first %+v; want %d, the thumbnail first",
			len(made.Renditions), made.Renditions[0], len(wanted))
	}
	for _, r := range made.Renditions {
		t.Run(r.Object, func(t *testing.T) {
			if about, err := s.store.Stat(t.Context(), r.Object); err != nil || about.Engine() != raster.Engine {
				t.Errorf("got %+v, %v; want the version of the engine %d", about, err, raster.Engine)
			}
			want := wanted[r.Object]
			content, info := s.object(r.Object)
			header, err := raster.Probe(t.Context(), bytes.NewReader(content))
			size := image.Pt(header.Width, header.Height)
			if err != nil || string(header.Format) != want.format || size != want.size {
				t.Errorf("got %+v, %v; want %+v", header, err, want)
			}
			if r.Width != want.size.X || r.Height != want.size.Y || r.Bytes != int64(len(content)) || r.Frames != 1 ||
				r.ContentType != info.ContentType || r.ContentType != "image/"+want.format ||
				r.URL != "/images/"+id+"/"+r.Name+"?v="+set.Find(r.Name).Hash {
				t.Errorf("got %+v, want the description of %+v", r, info)
			}
		})
	}
	known, _, err := s.statuses.Read(t.Context(), id)
	if err != nil || !reflect.DeepEqual(known.Result.Renditions, made.Renditions) {
		t.Errorf("the status has %+v, %v; want what the event has", known, err)
	}
	if err := s.statuses.Forget(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	rebuilt, _, err := s.statuses.Read(t.Context(), id)
	if err != nil || !reflect.DeepEqual(rebuilt, known) {
		t.Errorf("rebuilt from the objects: %+v, %v; want %+v", rebuilt, err, known)
	}
}

// The thumbnail may be redefined. It keeps its key, which the contract with the original system names.
func TestOtherThumbnail(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS=renditions: {thumbnail: {width: 30, height: 30, fit: cover, format: webp}}")
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || made.ThumbnailSize != [2]int{30, 30} || made.Thumbnail != e.Subject()+"/thumbnail_a.jpg" ||
		len(made.Renditions) != 1 || made.Renditions[0].ContentType != "image/webp" {
		t.Errorf("got %+v, %v; want a thumbnail of 30x30 under its key, and its description", made, err)
	}
	if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
		t.Fatal(err)
	}
	rebuilt, _, err := s.statuses.Read(t.Context(), e.Subject())
	if err != nil || !reflect.DeepEqual(rebuilt.Result.Renditions, made.Renditions) {
		t.Errorf("rebuilt: %+v, %v; want %+v", rebuilt, err, made.Renditions)
	}
}

// By default an image has the objects of the original system and no other, and its status and event no other fields.
func TestDefaultSet(t *testing.T) {
	t.Parallel()
	s := start(t)
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	reply := s.deliver(e).reply(t)
	if strings.Contains(string(reply.Data()), "renditions") {
		t.Errorf("the event is %s, want no renditions", reply.Data())
	}
	if got, want := s.names(e.Subject()), []string{"a.jpg", "thumbnail_a.jpg"}; !slices.Equal(got, want) {
		t.Errorf("got objects %q, want %q", got, want)
	}
	_, info := s.object(e.Subject() + "/thumbnail_a.jpg")
	for name := range info.UserMetadata {
		if !slices.Contains([]string{"Original-Size", "Thumbnail-Size", "Processed-At", "Engine"}, name) {
			t.Errorf("the thumbnail has the metadata %q, which it had not", name)
		}
	}
}

// Deliveries of an image to pods of two configurations, at the same time and again: there is one object for each
// specification, and every delivery has one of the two sets complete.
func TestRenditionsOnce(t *testing.T) {
	t.Parallel()
	const other = "renditions: {card: {width: 20}, hero: {width: 160, format: [webp, jpeg]}}"
	s := start(t, "RENDITIONS="+fiveRenditions)
	urls := []string{s.url, s.run(func(name string) string {
		if name == "RENDITIONS" {
			return other
		}
		return s.getenv(name)
	})}
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			made, err := events.Decode[events.ImageThumbnailed](s.deliverTo(urls[i%2], e).reply(t))
			if err != nil || len(made.Renditions) < 4 {
				t.Errorf("got %+v, %v; want the thumbnail and a whole set", made, err)
			}
		})
	}
	wait.Wait()
	want := []string{"a.jpg", "thumbnail_a.jpg"}
	for _, text := range []string{fiveRenditions, other} {
		set, err := rendition.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range set.Renditions[1:] {
			for _, extension := range map[string][]string{
				"card": {".webp", ".jpg"}, "hero": {".webp", ".jpg"}, "box": {".png"}, "same": {".jpg"},
			}[r.Name] {
				want = append(want, r.Name+"~"+r.Hash+"_a.jpg"+extension)
			}
		}
	}
	for _, name := range s.names(e.Subject()) {
		if !slices.Contains(want, name) {
			t.Errorf("there is an object %q, want no other than %q", name, want)
		}
	}
}

// A rendition that cannot be stored leaves the image without a result, and the next delivery completes it.
func TestRenditionsCompleteTogether(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS="+fiveRenditions)
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	id := e.Subject()
	set, err := rendition.Parse([]byte(fiveRenditions))
	if err != nil {
		t.Fatal(err)
	}
	// An object of the rendition's name that is not one has its description fail.
	taken := id + "/box~" + set.Find("box").Hash + "_a.jpg.png"
	client := testservers.MinIO(t, s.getenv)
	if _, err := client.PutObject(t.Context(), s.store.Bucket(), taken, strings.NewReader("x"), 1,
		minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := s.deliver(e); got.status != 503 {
		t.Errorf("got %d %s, want 503", got.status, got.body)
	}
	if known, _, err := s.statuses.Read(t.Context(), id); err != nil || known.State.Final() {
		t.Errorf("the status is %+v, %v; want one that is not final", known, err)
	}
	if err := s.store.Remove(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || len(made.Renditions) != 6 {
		t.Errorf("got %+v, %v; want all renditions", made, err)
	}
}

// A configuration with faults is reported at once, and nothing is served.
func TestBadRenditions(t *testing.T) {
	t.Parallel()
	getenv := testservers.StartStores(t, "RENDITIONS=renditions:\n  a: {}\n  b: {width: 0}", "MAX_IMAGE_PIXELS=x")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = Run(context.Background(), listener, getenv)
	for _, want := range []string{
		"MAX_IMAGE_PIXELS is", "line 2: renditions.a has no size", `line 3: renditions.b.width is "0"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run() = %v, want %q in it", err, want)
		}
	}
}

// names lists the objects of an image.
func (s *service) names(imageID string) (names []string) {
	s.t.Helper()
	client := testservers.MinIO(s.t, s.getenv)
	for object := range client.ListObjects(
		s.t.Context(), s.store.Bucket(), minio.ListObjectsOptions{Prefix: imageID + "/"},
	) {
		if object.Err != nil {
			s.t.Fatal(object.Err)
		}
		names = append(names, strings.TrimPrefix(object.Key, imageID+"/"))
	}
	return names
}

// Placeholder and colour are in the event and in the status, also after Redis has forgotten it.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS=placeholder: thumbhash\ncolor: true")
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || len(made.Placeholder) < 20 || len(made.Color) != 7 || made.Renditions != nil {
		t.Errorf("got %+v, %v; want placeholder and colour, and no renditions", made, err)
	}
	if err := s.statuses.Forget(t.Context(), e.Subject()); err != nil {
		t.Fatal(err)
	}
	rebuilt, _, err := s.statuses.Read(t.Context(), e.Subject())
	if err != nil || rebuilt.Result.Placeholder != made.Placeholder || rebuilt.Result.Color != made.Color {
		t.Errorf("rebuilt: %+v, %v; want %+v", rebuilt.Result, err, made)
	}
}

// A watermark is read beside the images that were admitted, so one that takes much memory is refused.
func TestHugeWatermark(t *testing.T) {
	t.Parallel()
	s := start(t)
	const key = "marks/huge.webp"
	if err := s.store.Put(t.Context(), key, plainWebP(4096, 3000), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	marks := watermarks{store: s.store}
	_, err := marks.read(t.Context(), "s3://"+s.store.Bucket()+"/"+key)
	var refused *raster.Error
	if !errors.As(err, &refused) || refused.Reason != raster.ReasonTooManyPixels {
		t.Errorf("got error %v, want too_many_pixels", err)
	}
}

// Admission counts a watermark, whose image is read later.
func TestWatermarkCosts(t *testing.T) {
	set, err := rendition.Parse([]byte("renditions: {marked: {width: 100, watermark: s3://abc/logo.png}}"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlan(set, nil, raster.Limits{})
	with, without := raster.CostOf(raster.Limits{}, 1<<14, p.costs...), raster.CostOf(raster.Limits{}, 1<<14, p.targets...)
	if with.Memory <= without.Memory || with.CPU <= without.CPU {
		t.Errorf("got %+v with a watermark, %+v without", with, without)
	}
}

// A watermark is an object. Without it an image waits; it does not fail.
func TestWatermark(t *testing.T) {
	t.Parallel()
	getenv := testservers.StartStores(t)
	bucket := getenv("MINIO_BUCKET")
	s := start(t, "MINIO_BUCKET="+bucket,
		"RENDITIONS=renditions: {marked: {width: 100, format: png, watermark_opacity: 1, "+
			"watermark: s3://"+bucket+"/marks/logo.png}}")
	e := s.uploaded("a.jpg", jpegOf(t, 320, 240))
	if got := s.deliver(e); got.status != 503 {
		t.Errorf("without the watermark: got %d %s, want 503", got.status, got.body)
	}
	mark := image.NewNRGBA(image.Rect(0, 0, 40, 40))
	for i := range mark.Pix {
		mark.Pix[i] = 255
	}
	var file bytes.Buffer
	if err := png.Encode(&file, mark); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Put(t.Context(), "marks/logo.png", file.Bytes(), imagestore.Attributes{}); err != nil {
		t.Fatal(err)
	}
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(e).reply(t))
	if err != nil || len(made.Renditions) != 2 {
		t.Fatalf("got %+v, %v; want two renditions", made, err)
	}
	content, _ := s.object(made.Renditions[1].Object)
	marked, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := marked.At(99, 74).RGBA(); r != 0xffff || g != 0xffff || b != 0xffff {
		t.Errorf("the corner is %d %d %d, want the white watermark", r>>8, g>>8, b>>8)
	}
	if r, _, _, _ := marked.At(70, 70).RGBA(); r == 0xffff {
		t.Error("the watermark is larger than a quarter")
	}
}

// An animation is kept where the rendition is one, up to its number of frames; elsewhere it is its first frame.
func TestAnimatedRendition(t *testing.T) {
	t.Parallel()
	s := start(t, `RENDITIONS=renditions:
  teaser: {width: 20, height: 20, fit: cover, animated: true, max_frames: 3, format: webp}
  padded: {width: 30, height: 30, fit: contain, animated: true, grayscale: true}
  still: {width: 20, format: webp}`)
	made, err := events.Decode[events.ImageThumbnailed](s.deliver(s.uploaded("a.gif", gifOf(t, 5))).reply(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"teaser": "image/webp 20x20 3", "padded": "image/gif 30x30 5", "still": "image/webp 20x15 1",
		"thumbnail": "image/gif 40x30 1",
	}
	for _, r := range made.Renditions {
		t.Run(r.Name, func(t *testing.T) {
			got := fmt.Sprintf("%s %dx%d %d", r.ContentType, r.Width, r.Height, r.Frames)
			content, _ := s.object(r.Object)
			header, err := raster.Probe(t.Context(), bytes.NewReader(content))
			if got != want[r.Name] || err != nil || header.Width != r.Width || header.Height != r.Height {
				t.Errorf("got %s, a file of %+v, %v; want %s", got, header, err, want[r.Name])
			}
			if r.ContentType == "image/gif" {
				all, err := gif.DecodeAll(bytes.NewReader(content))
				if err != nil || len(all.Image) != r.Frames {
					t.Errorf("the GIF has %d frames, %v; want %d", len(all.Image), err, r.Frames)
				}
			}
		})
	}
}

// gifOf is an animation of 40x30 pixels.
func gifOf(t *testing.T, frames int) []byte {
	t.Helper()
	animation := gif.GIF{}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, 40, 30), palette.WebSafe)
		for y := range 30 {
			m.SetColorIndex(7*i, y, 200)
		}
		animation.Image, animation.Delay = append(animation.Image, m), append(animation.Delay, 10)
	}
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, &animation); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
