package service

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

const renditions = `renditions:
  card: {width: 64, height: 48, fit: cover, format: webp}
  hero: {width: 160, format: [webp, original]}
`

// withRenditions starts a server and stores an image with a thumbnail and all renditions, and one of an older
// specification. Objects have their names as contents.
func withRenditions(t *testing.T, settings ...string) (s *testServer, id string, set *rendition.Set) {
	t.Helper()
	s = start(t, append([]string{"RENDITIONS=" + renditions}, settings...)...)
	set, err := rendition.Parse([]byte(renditions))
	if err != nil {
		t.Fatal(err)
	}
	id = uuid.NewString()
	s.storeOriginal(id, pngOf(t, 60, 40))
	s.complete(id)
	original := id + "/a.png"
	for _, r := range []imagestore.Rendition{
		{Name: "card", Hash: set.Find("card").Hash, Extension: ".webp"},
		{Name: "hero", Hash: set.Find("hero").Hash, Extension: ".webp"},
		{Name: "hero", Hash: set.Find("hero").Hash, Extension: ".png"},
		{Name: "card", Hash: "01234567", Extension: ".jpg"},
		{Name: "gone", Hash: "01234567", Extension: ".jpg"},
	} {
		subtype := strings.NewReplacer(".", "", "jpg", "jpeg").Replace(r.Extension)
		s.putAs(r.Key(original), r.Name+r.Extension, "image/"+subtype)
	}
	return s, id, set
}

// completeWithCard records the result of an image and stores its rendition card.
func (s *testServer) completeWithCard(id string) {
	s.t.Helper()
	set, err := rendition.Parse([]byte(renditions))
	if err != nil {
		s.t.Fatal(err)
	}
	card := imagestore.Rendition{Name: "card", Hash: set.Find("card").Hash, Extension: ".webp"}
	file := status.File{Name: "card", Hash: card.Hash, Rendition: raster.Rendition{
		Format: raster.WebP, Bytes: []byte("card"), Width: 64, Height: 48, Frames: 1,
	}}
	files, err := s.statuses().RecordRenditions(s.t.Context(), id, id+"/a.png", []status.File{file})
	if err != nil {
		s.t.Fatal(err)
	}
	s.complete(id)
	final := status.Status{ImageID: id, State: status.Completed, ProcessedAt: 1, Result: &status.Result{
		Success: true, Thumbnail: id + "/thumbnail_a.png", Renditions: files,
		OriginalSize: &status.Size{60, 40}, ThumbnailSize: &status.Size{40, 30},
	}}
	if _, err := s.statuses().Advance(s.t.Context(), final); err != nil {
		s.t.Fatal(err)
	}
}

// putAs stores an object of a content type.
func (s *testServer) putAs(key, content, contentType string) {
	s.t.Helper()
	_, err := s.minio().PutObject(s.t.Context(), s.getenv("MINIO_BUCKET"), key,
		strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: contentType})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestGetRendition(t *testing.T) {
	t.Parallel()
	s, id, set := withRenditions(t)
	const (
		forever = "public, max-age=31536000, immutable"
		aWhile  = "public, max-age=60, stale-while-revalidate=86400"
		chrome  = "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	)
	for name, test := range map[string]struct {
		path, accept        string
		content, file, vary string
		cache               string
	}{
		"by its name":          {"/card", "", "card.webp", "card_a.webp", "", aWhile},
		"by the current hash":  {"/card?v=" + set.Find("card").Hash, "", "card.webp", "card_a.webp", "", forever},
		"by an older hash":     {"/card?v=01234567", "", "card.jpg", "card_a.jpg", "", forever},
		"by an unknown hash":   {"/card?v=76543210", "", "card.webp", "card_a.webp", "", aWhile},
		"of a former name":     {"/gone?v=01234567", "", "gone.jpg", "gone_a.jpg", "", forever},
		"for a browser":        {"/hero", chrome, "hero.webp", "hero_a.webp", "Accept", aWhile},
		"for an older browser": {"/hero", "Accept: image/png,image/*;q=0.8", "hero.png", "hero_a.png", "Accept", aWhile},
		"without Accept":       {"/hero", "", "hero.png", "hero_a.png", "Accept", aWhile},
		"for any format":       {"/hero", "Accept: */*", "hero.png", "hero_a.png", "Accept", aWhile},
		"for a format less":    {"/hero", "Accept: image/webp;q=0.5, image/png", "hero.png", "hero_a.png", "Accept", aWhile},
		"for no format":        {"/hero", "Accept: image/avif", "hero.png", "hero_a.png", "Accept", aWhile},
		"for an invalid weight": {
			"/hero", "Accept: image/webp;q=2, image/png;q=0.1", "hero.png", "hero_a.png", "Accept", aWhile,
		},
		"negotiated, by hash": {"/hero?v=" + set.Find("hero").Hash, chrome, "hero.webp", "hero_a.webp", "Accept", forever},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.get("/images/"+id+test.path, cmp.Or(test.accept, "X-Other: 1"))
			if got.status != http.StatusOK || got.body != test.content {
				t.Fatalf("answer is %d %s, want %s", got.status, got.body, test.content)
			}
			extension := strings.ReplaceAll(strings.TrimPrefix(test.content[len("card"):], "."), "jpg", "jpeg")
			for name, want := range map[string]string{
				"Content-Type": "image/" + extension, "Content-Disposition": "inline; filename=" + test.file,
				"Vary": test.vary, "Cache-Control": test.cache,
			} {
				if got := got.header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			etag := got.header.Get("Etag")
			again := s.get("/images/"+id+test.path, cmp.Or(test.accept, "X-Other: 1"), "If-None-Match: "+etag)
			if again.status != http.StatusNotModified || etag[0] != '"' {
				t.Errorf("with the ETag %s: answer is %d, want 304", etag, again.status)
			}
		})
	}
	for path, want := range map[string]string{
		"/card":            "card?v=" + set.Find("card").Hash,
		"/card?v=76543210": "card?v=" + set.Find("card").Hash,
		"/card?v=01234567": "",
	} {
		if got := s.get("/images/" + id + path).header.Get("Content-Location"); got != want {
			t.Errorf("Content-Location of %s is %q, want %q", path, got, want)
		}
	}
	for _, query := range []string{"v=", "v=2", "v=7654321G", "v=01234567&v=01234567"} {
		got := s.get("/images/" + id + "/card?" + query)
		cache := got.header.Get("Cache-Control")
		if got.status != http.StatusBadRequest || got.code(t) != "bad_query" || cache != "no-store" {
			t.Errorf("?%s: answer is %d %s %s, want 400 bad_query, not to be kept", query, got.status, cache, got.body)
		}
	}
	head := s.do(http.MethodHead, "/images/"+id+"/card", "", nil)
	if head.status != http.StatusOK || head.header.Get("Content-Length") != "9" || head.body != "" {
		t.Errorf("HEAD answers %d %v, want 200 and the length", head.status, head.header)
	}
	part := s.get("/images/"+id+"/card", "Range: bytes=5-8")
	if got := part; got.status != http.StatusPartialContent || got.body != "webp" {
		t.Errorf("a range: answer is %d %s, want 206 and a part", got.status, got.body)
	}
	thumbnail, same := s.get("/thumbnails/"+id), s.get("/images/"+id+"/thumbnail")
	if same.status != http.StatusOK || same.body != thumbnail.body || same.header.Get("Cache-Control") != aWhile {
		t.Errorf("the thumbnail as a rendition: %d %v, want what /thumbnails answers, for a while", same.status, same.header)
	}
}

func TestGetRenditionThatIsMissing(t *testing.T) {
	t.Parallel()
	s, id, _ := withRenditions(t)
	waiting := uuid.NewString()
	s.storeOriginal(waiting, pngOf(t, 60, 40))
	for name, test := range map[string]struct{ path, code, body string }{
		"unknown name":    {id + "/large", "rendition_not_found", `"limit":["thumbnail","card","hero"]`},
		"former name":     {id + "/gone", "rendition_not_found", `"limit":["thumbnail","card","hero"]`},
		"not a name":      {id + "/..%2f..", "rendition_not_found", `"found":"../.."`},
		"not yet":         {waiting + "/card", "rendition_not_found", "later"},
		"no thumbnail":    {waiting + "/thumbnail", "rendition_not_found", "later"},
		"unknown image":   {uuid.NewString() + "/card", "image_not_found", ""},
		"not an image ID": {"x/card", "image_not_found", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.get("/images/" + test.path)
			if got.status != http.StatusNotFound || got.code(t) != test.code || !strings.Contains(got.body, test.body) {
				t.Errorf("answer is %d %s, want 404 %s with %s", got.status, got.body, test.code, test.body)
			}
		})
	}
}

// A configured rendition that a completed image lacks is requested once, and the answer says that it is being made. The
// next request after a failure of Kafka requests it again.
func TestRenditionOnDemand(t *testing.T) {
	t.Parallel()
	s := start(t, "RENDITIONS="+renditions)
	complete := func() string {
		id := uuid.NewString()
		s.storeOriginal(id, pngOf(t, 60, 40))
		s.complete(id)
		return id
	}
	id := complete()
	for _, name := range []string{"card", "hero", "card"} {
		got := s.get("/images/" + id + "/" + name)
		if got.status != http.StatusNotFound || got.code(t) != "rendition_not_found" ||
			got.header.Get("Retry-After") != "5" || !strings.Contains(got.body, "being made") {
			t.Errorf("answer is %d %v %s, want 404 that says when to ask again", got.status, got.header, got.body)
		}
	}
	await(t, "the event", func() bool { return s.broker.publishedFor(id) > 0 })
	if got := s.get("/images/" + id + "/large"); got.header.Get("Retry-After") != "" {
		t.Errorf("of an unknown name: got %v, want no Retry-After", got.header)
	}
	published := s.broker.published()
	request, err := events.Decode[events.ImageRender](published[len(published)-1])
	if err != nil || request.ImageID != id || len(request.Renditions) != 0 || s.broker.publishedFor(id) != 1 {
		t.Errorf("published %+v, %v, %d times; want one event for all renditions",
			request, err, s.broker.publishedFor(id))
	}

	s.broker.setDown(true)
	later := complete()
	s.get("/images/" + later + "/card")
	await(t, "the request is forgotten", func() bool {
		return s.redis().Exists(t.Context(), "image:render:"+s.getenv("MINIO_BUCKET")+":"+later).Val() == 0
	})
	s.broker.setDown(false)
	s.get("/images/" + later + "/card")
	await(t, "the event after an outage of Kafka", func() bool { return s.broker.publishedFor(later) == 1 })

	failed := uuid.NewString()
	s.storeOriginal(failed, pngOf(t, 60, 40))
	if _, err := s.statuses().Fail(t.Context(), failed, failed+"/a.png", events.Cause{}, "damaged", "x"); err != nil {
		t.Fatal(err)
	}
	if got := s.get("/images/" + failed + "/card"); got.header.Get("Retry-After") != "" {
		t.Errorf("of an image that has failed: got %v, want no Retry-After", got.header)
	}
}

// Other clients do not get a client's renditions, and shared caches do not keep them.
func TestGetRenditionOfAnother(t *testing.T) {
	t.Parallel()
	c := startWithKeys(t)
	id := c.ada.upload("a.png", pngOf(t, 60, 40))
	c.ada.put(c.ada.getenv("MINIO_BUCKET"), imagestore.ThumbnailKey(id+"/a.png"), []byte("thumbnail"))
	if got := c.ada.get("/images/" + id + "/thumbnail"); got.status != http.StatusOK ||
		!strings.HasPrefix(got.header.Get("Cache-Control"), "private, ") {
		t.Errorf("its owner gets %d %v, want 200 and a private one", got.status, got.header)
	}
	got := c.bob.get("/images/" + id + "/thumbnail")
	if got.status != http.StatusNotFound || got.code(t) != "image_not_found" {
		t.Errorf("another client gets %d %s, want 404 image_not_found", got.status, got.body)
	}
}
