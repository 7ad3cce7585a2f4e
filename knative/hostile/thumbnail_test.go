//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// A studio delivers the images of a test to the thumbnail function.
type studio struct {
	*process
	store *minio.Client
}

// deliver stores a file as the original of a new image, and delivers its event: it returns the status, and the type of
// the event in reply.
func (s studio) deliver(file []byte) (status int, reply string) {
	ctx := context.Background()
	id, bucket := uuid.NewString(), s.getenv("MINIO_BUCKET")
	key := id + "/a"
	_, err := s.store.PutObject(ctx, bucket, key, bytes.NewReader(file), int64(len(file)), minio.PutObjectOptions{})
	if err != nil {
		s.Error(err)
		return cut, ""
	}
	uploaded := events.ImageUploaded{ImageID: id, ObjectName: key, Filename: "a", Bucket: bucket, Timestamp: 1}
	data, err := json.Marshal(uploaded)
	if err != nil {
		s.Error(err)
		return cut, ""
	}
	sent, err := http.NewRequest(http.MethodPost, "http://"+s.address+"/", bytes.NewReader(data))
	if err != nil {
		s.Error(err)
		return cut, ""
	}
	sent.Header = http.Header{
		"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {events.TypeImageUploaded},
		"Ce-Source": {events.SourceUpload}, "Ce-Id": {id},
	}
	response, err := client.Do(sent)
	if err != nil {
		return cut, ""
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("Ce-Type")
}

// ordinaryPhoto has a photo of 3 megapixels made into a thumbnail. It is busy if the image was put off.
func (s studio) ordinaryPhoto(*process) int {
	status, reply := s.deliver(camera())
	if status == http.StatusOK && reply != events.TypeImageThumbnailed {
		return http.StatusServiceUnavailable
	}
	return status
}

// of attacks with a file.
func (s studio) of(file func() []byte) func(*process) int {
	return func(*process) int {
		status, _ := s.deliver(file())
		return status
	}
}

// camera is a photo of 3 megapixels.
var camera = sync.OnceValue(func() []byte {
	picture := image.NewRGBA(image.Rect(0, 0, 2048, 1536))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i * i >> 8)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
})

// lossless50 is a lossless WebP of 16383x3050 pixels in 66 bytes.
var lossless50 = sync.OnceValue(func() []byte {
	file, err := hex.DecodeString("524946463a000000574542505650384c2e0000002f" +
		"fe7ffa12812e14a000fd2fc0a04d6d6a53ff0b5034a0021de87f01")
	if err != nil {
		panic(err)
	}
	return append(file, make([]byte, 66-len(file))...)
})

// flatPNG is a PNG of a size in one colour.
func flatPNG(width, height int) []byte {
	file := append(pngHeader(uint32(width), uint32(height)), chunk("IDAT", deflated((width+1)*height))...)
	return append(file, chunk("IEND", nil)...)
}

// frames is a GIF of many frames of one pixel on a large screen.
var frames = sync.OnceValue(func() []byte {
	palette := color.Palette{color.Black, color.White}
	all := &gif.GIF{Config: image.Config{ColorModel: palette, Width: 5000, Height: 5000}}
	for range 2000 {
		all.Image = append(all.Image, image.NewPaletted(image.Rect(0, 0, 1, 1), palette))
		all.Delay = append(all.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, all); err != nil {
		panic(err)
	}
	return b.Bytes()
})

func TestThumbnail(t *testing.T) {
	t.Parallel()
	p := start(t, "thumbnail")
	s := studio{p, testservers.MinIO(t, p.getenv)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.store.MakeBucket(ctx, p.getenv("MINIO_BUCKET"), minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	done := []int{200}
	run(t, p, s.ordinaryPhoto, []wave{
		{"connections", connectionAttacks("/")},
		{"HTTP/2", http2Attacks()},
		{"files", []attack{
			{"50 megapixels in 66 bytes", s.of(lossless50), done},
			{"PNG of 49 megapixels in 48 KB", s.of(sync.OnceValue(func() []byte { return flatPNG(7000, 7000) })), done},
			{"PNG of a line", s.of(sync.OnceValue(func() []byte { return flatPNG(40_000_000, 1) })), done},
			{"PNG of a column", s.of(sync.OnceValue(func() []byte { return flatPNG(1, 10_000_000) })), done},
			{"profiles to inflate", s.of(pngOfProfiles), done},
			{"GIF of 2000 frames", s.of(frames), done},
			{"boxes in boxes", s.of(func() []byte { return []byte(nestedBoxes(20_000)) }), done},
			{"JPEG of a header", s.of(func() []byte { return small }), done},
		}},
		{"events", []attack{
			{"many members", sends(func() request {
				return post("/", structured, []byte(event()+`,"data":{"a":1`+strings.Repeat(`,"a":1`, 10_000)+"}}"))
			}), []int{400}},
			{"deep", sends(func() request {
				return post("/", structured, []byte(event()+`,"data":`+strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000)+"}"))
			}), []int{400}},
			{"60 MB", sends(func() request { return stream("/", structured, repeated(" ", 60<<20)) }), []int{413}},
			{"an image of nobody", sends(func() request {
				id := uuid.NewString()
				return request{http.MethodPost, "/", http.Header{
					"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Type": {events.TypeImageUploaded},
					"Ce-Source": {"/hostile"}, "Ce-Id": {id},
				}, strings.NewReader(fmt.Sprintf(`{"image_id":%q,"object_name":"%[1]s/a","filename":"a","timestamp":1}`, id)), -1}
			}), done},
		}},
	})
}
