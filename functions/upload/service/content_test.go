package service

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// Members of a structured event, the first of several.
const (
	asPNG  = `,"datacontenttype":"image/png",`
	asGIF  = `,"datacontenttype":"image/gif",`
	asText = `,"datacontenttype":"text/plain",`
)

// A sentEvent is one HTTP request with an event.
type sentEvent struct {
	contentType string
	header      []string
	body        string
}

// binaryDelivery is an event in binary mode, whose attributes are header lines.
func binaryDelivery(contentType, body string, header ...string) func(id string) sentEvent {
	return func(id string) sentEvent { return sentEvent{contentType, binaryHeader(id, header...), body} }
}

// structuredDelivery is an event in structured mode with other members after its required ones.
func structuredDelivery(members string) func(id string) sentEvent {
	return func(id string) sentEvent {
		return sentEvent{structuredMode, nil, `{"specversion":"1.0","type":"image.received","source":"` + eventSource +
			`","id":"` + id + `"` + members + `}`}
	}
}

func (s *testServer) deliver(d sentEvent) response {
	s.t.Helper()
	return s.post("/", d.contentType, strings.NewReader(d.body), d.header...)
}

// imageOf returns the ID in the answer to an accepted event.
func (r response) imageOf(tb testing.TB) string {
	tb.Helper()
	id, found := strings.CutPrefix(r.header.Get("Location"), "/status/")
	if r.status != http.StatusOK || !found {
		tb.Fatalf("answer is %d %s, want 200 with the location of the status", r.status, r.body)
	}
	return id
}

// Data that its sender did not declare to be an image, and that is not one, leaves no result: the event becomes a dead
// letter, and works once it is corrected.
func TestReceiveMisread(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	content := pngOf(t, 9, 9)
	s.put(bucket, "a.png", content)
	object := `{"bucket":"` + bucket + `","object_name":"a.png"}`
	text := base64.StdEncoding.EncodeToString(content)
	lines := strings.Repeat(text[:64]+"\r\n", 3)
	for name, test := range map[string]struct {
		send func(id string) sentEvent
		code string
	}{
		"reference as text/plain":        {binaryDelivery("text/plain", object), "invalid_event"},
		"reference as a form":            {binaryDelivery("application/x-www-form-urlencoded", object), "invalid_event"},
		"reference as image/png":         {binaryDelivery("image/png", object), "not_an_image"},
		"reference as bytes":             {binaryDelivery("application/octet-stream", " \r\n"+object), "not_an_image"},
		"reference as a malformed type":  {binaryDelivery("gar bage;;;", object), "invalid_event"},
		"reference that is cut":          {binaryDelivery("", object[:20]), "invalid_event"},
		"text without a type":            {binaryDelivery("", "hello"), "invalid_event"},
		"SVG without a type":             {binaryDelivery("", "<svg xmlns='http://www.w3.org/2000/svg'/>"), "invalid_event"},
		"JSON that is too large":         {binaryDelivery("", `{"a":"`+strings.Repeat("a", 64<<10)+`"}`), "too_many_bytes"},
		"null without a dataref":         {binaryDelivery("", "null"), "invalid_event"},
		"base64 as image/png":            {binaryDelivery("image/png", text), "not_an_image"},
		"base64 in quotes":               {binaryDelivery("image/png", `"`+text+`"`), "not_an_image"},
		"base64 in lines":                {binaryDelivery("image/png", lines), "not_an_image"},
		"structured, base64 in data":     {structuredDelivery(asPNG + `"data":"` + text + `"`), "not_an_image"},
		"structured, image in data":      {structuredDelivery(asGIF + `"data":"GIF89a..."`), "not_an_image"},
		"structured, JSON as image/png":  {structuredDelivery(asPNG + `"data":` + object), "invalid_event"},
		"structured, text":               {structuredDelivery(asText + `"data":"hello"`), "invalid_event"},
		"structured, string":             {structuredDelivery(`,"data":"` + text + `"`), "invalid_event"},
		"structured, base64 of text":     {structuredDelivery(`,"data_base64":"aGVsbG8="`), "invalid_event"},
		"structured, base64 of object":   {structuredDelivery(asPNG + `"data_base64":"e30="`), "not_an_image"},
		"structured, data without value": {structuredDelivery(`,"data":null`), "invalid_event"},
	} {
		t.Run(name, func(t *testing.T) {
			id := uuid.NewString()
			got := s.deliver(test.send(id))
			if got.status < 400 || got.status >= 500 || got.code(t) != test.code {
				t.Errorf("answer is %d %s, want a 4xx with %s", got.status, got.body, test.code)
			}
			if again := s.deliver(test.send(id)); again.status != got.status {
				t.Errorf("the second answer is %d %s, want %d", again.status, again.body, got.status)
			}
			corrected := s.deliver(binaryDelivery("application/json", object)(id))
			if state := s.status(corrected.imageOf(t)); state != string(status.Queued) {
				t.Errorf("after its correction the image is %s, want queued", state)
			}
		})
	}
	for _, key := range s.keys() {
		if strings.Contains(key, "/thumbnail_") {
			t.Errorf("bucket has %q, want originals only", key)
		}
	}
}

// An absent datacontenttype means JSON, or an image if the data begins like one. The value null means that there is no
// data.
func TestReceiveWithoutContentType(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	content := pngOf(t, 9, 9)
	s.put(bucket, "a.png", content)
	object := `{"bucket":"` + bucket + `","object_name":"a.png"}`
	dataref := events.FormatDataRef(bucket, "a.png")
	image := base64.StdEncoding.EncodeToString(content)
	encodedObject := base64.StdEncoding.EncodeToString([]byte(object))
	for name, send := range map[string]func(id string) sentEvent{
		"reference":                       binaryDelivery("", object),
		"reference after space":           binaryDelivery("", "\r\n\t "+object),
		"image":                           binaryDelivery("", string(content)),
		"image as text/plain":             binaryDelivery("text/plain", string(content)),
		"image as a form":                 binaryDelivery("application/x-www-form-urlencoded", string(content)),
		"dataref and null":                binaryDelivery("", " null\n", "Ce-Dataref: "+dataref),
		"dataref and null as JSON":        binaryDelivery("application/json", "null", "Ce-Dataref: "+dataref),
		"dataref of an image":             binaryDelivery("image/png", "", "Ce-Dataref: "+dataref),
		"structured, reference":           structuredDelivery(`,"data":` + object),
		"structured, image":               structuredDelivery(`,"data_base64":"` + image + `"`),
		"structured, reference in base64": structuredDelivery(`,"data_base64":"` + encodedObject + `"`),
		"structured, JSON in base64": structuredDelivery(
			`,"datacontenttype":"application/json","data_base64":"` + encodedObject + `"`),
		"structured, dataref and null":    structuredDelivery(`,"data":null,"dataref":"` + dataref + `"`),
		"structured, dataref of an image": structuredDelivery(asPNG + `"dataref":"` + dataref + `"`),
		"structured, image and null":      structuredDelivery(`,"data":null,"data_base64":"` + image + `"`),
	} {
		t.Run(name, func(t *testing.T) {
			id := s.deliver(send(uuid.NewString())).imageOf(t)
			if got := s.get("/images/" + id); got.body != string(content) {
				t.Errorf("GET /images answers %d with %d bytes, want the image", got.status, len(got.body))
			}
		})
	}
	t.Run("dataref, empty body of unknown length", func(t *testing.T) {
		header := binaryHeader(uuid.NewString(), "Ce-Dataref: "+dataref)
		s.post("/", "image/png", ofUnknownLength(strings.NewReader("")), header...).imageOf(t)
	})
}

// One event has one image, however it comes: in structured or binary mode, from a sender that percent-encodes headers
// or from one that does not, through Kafka, and through Knative's Broker, which sends ISO-8859-1.
func TestReceiveInEveryMode(t *testing.T) {
	t.Parallel()
	s := start(t)
	content := string(pngOf(t, 9, 9))
	run := uuid.NewString()
	raw := func(source, id string) sentEvent {
		return sentEvent{"image/png", []string{
			"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: " + source, "Ce-Id: " + id + run,
		}, content}
	}
	structured := func(source, id string) sentEvent {
		body, err := json.Marshal(map[string]any{
			"specversion": "1.0", "type": "image.received", "source": source, "id": id + run,
			"datacontenttype": "image/png", "data_base64": []byte(content),
		})
		if err != nil {
			t.Fatal(err)
		}
		return sentEvent{structuredMode, nil, string(body)}
	}
	for name, test := range map[string]struct {
		first  sentEvent
		others []sentEvent
	}{
		"plain": {structured("/scanner", "7-"), []sentEvent{raw("/scanner", "7-")}},
		"space and umlaut in the ID": {structured("/scanner", "scan 7 ü"), []sentEvent{
			raw("/scanner", "scan%207%20%C3%BC"), raw("/scanner", "scan 7 ü"), raw("/scanner", "scan 7 \xfc"),
		}},
		"script": {structured("/scanner", "фото"), []sentEvent{
			raw("/scanner", "%D1%84%D0%BE%D1%82%D0%BE"), raw("/scanner", "фото"),
		}},
		"percent sign": {structured("/scanner", "100% "), []sentEvent{
			raw("/scanner", "100%25%20"), raw("/scanner", "100% "),
		}},
		"escape in the ID": {structured("/scanner", "a%20b"), []sentEvent{
			raw("/scanner", "a%2520b"), raw("/scanner", "a%20b"),
		}},
		"escape in the source": {structured("/my%20scanner", "8-"), []sentEvent{
			raw("/my%2520scanner", "8-"), raw("/my%20scanner", "8-"),
		}},
		"space in the source": {structured("/a scanner", "9-"), []sentEvent{
			raw("/a%20scanner", "9-"), raw("/a scanner", "9-"),
		}},
		"umlaut in the source": {structured("/zürich", "10-"), []sentEvent{
			raw("/z%C3%BCrich", "10-"), raw("/zürich", "10-"), raw("/z\xfcrich", "10-"),
		}},
		"quotes": {structured("/scanner", `"11"`), []sentEvent{raw("/scanner", "%2211%22")}},
	} {
		t.Run(name, func(t *testing.T) {
			want := s.deliver(test.first).imageOf(t)
			for _, other := range test.others {
				if got := s.deliver(other).imageOf(t); got != want {
					t.Errorf("%q makes the image %s, want %s", other.header, got, want)
				}
			}
		})
	}
}

// The name of an image is as its sender gave it.
func TestReceiveNames(t *testing.T) {
	t.Parallel()
	bucket := "scans-" + uuid.NewString()
	s := start(t, "SOURCE_BUCKETS="+bucket)
	content := pngOf(t, 9, 9)
	const key = "2026/mein Käse 100%.png"
	s.put(bucket, key, content)
	image := base64.StdEncoding.EncodeToString(content)
	binary := func(header ...string) func(string) sentEvent {
		return binaryDelivery("image/png", string(content), header...)
	}
	structured := func(members string) func(string) sentEvent {
		return structuredDelivery(asPNG + `"data_base64":"` + image + `",` + members)
	}
	dataref := events.FormatDataRef(bucket, key)
	for name, test := range map[string]struct {
		send func(id string) sentEvent
		want string
	}{
		"encoded":                    {binary("Ce-Subject: %E2%98%83.png"), "☃.png"},
		"encoded space":              {binary("Ce-Subject: my%20cat.png"), "my cat.png"},
		"encoded slash":              {binary("Ce-Subject: a%2Fb.png"), "b.png"},
		"raw":                        {binary("Ce-Subject: ☃.png"), "☃.png"},
		"raw percent sign":           {binary("Ce-Subject: 100%.png"), "100%.png"},
		"ISO-8859-1":                 {binary("Ce-Subject: K\xe4se.png"), "Käse.png"},
		"lost in a Broker":           {binary("Ce-Subject: ????.png"), "image.png"},
		"lost in a Broker, and kept": {binary("Ce-Subject: ????.png", "Ce-Filename: %D1%84.png"), "ф.png"},
		"encoded filename":           {binary("Ce-Filename: %25D1%2584.png", "Ce-Subject: a.png"), "ф.png"},
		"a question":                 {binary("Ce-Subject: what?.png"), "what?.png"},
		"structured":                 {structured(`"subject":"фото/мой кот.png"`), "мой кот.png"},
		"structured, percent":        {structured(`"subject":"my%20cat.png"`), "my%20cat.png"},
		"structured, filename":       {structured(`"filename":"%D1%84.png","subject":"a.png"`), "ф.png"},
		"dataref, raw":               {binaryDelivery("", "", "Ce-Dataref: "+dataref), "mein Käse 100%.png"},
		"dataref, encoded": {
			binaryDelivery("", "", "Ce-Dataref: "+strings.ReplaceAll(dataref, "%", "%25")), "mein Käse 100%.png",
		},
		"dataref, filename": {binaryDelivery("", "", "Ce-Dataref: "+dataref, "Ce-Filename: ☃.png"), "☃.png"},
		"reference, filename": {
			binaryDelivery("", `{"bucket":"`+bucket+`","object_name":"`+key+`"}`, "Ce-Filename: ☃.png"), "☃.png",
		},
		"reference, both": {
			binaryDelivery("", `{"bucket":"`+bucket+`","object_name":"`+key+`","filename":"b.png"}`, "Ce-Filename: ☃.png"),
			"b.png",
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.deliver(test.send(uuid.NewString())).imageOf(t)
			objects, err := s.images().Find(t.Context(), id)
			if err != nil || objects.Original == nil || objects.Original.Key != id+"/"+test.want {
				t.Errorf("stored %+v, %v; want the name %q", objects.Original, err, test.want)
			}
		})
	}
}
