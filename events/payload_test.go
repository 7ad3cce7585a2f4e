package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"gitlab.com/yourorg/image-service/events"
)

const imageID = "0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11"

// long is a name that fits into a key, but not after an image ID.
var long = strings.Repeat("a", 1000)

// A kind is a type of event with a full payload and Decode for its Go type.
type kind struct {
	payload events.Payload
	decode  func(event.Event) (events.Payload, error)
}

func kindOf[P events.Payload](payload P) kind {
	return kind{payload, func(e event.Event) (events.Payload, error) { return events.Decode[P](e) }}
}

var kinds = []kind{
	kindOf(events.ImageReceived{Bucket: "scans", ObjectName: "2026/Straße/東京.png", Version: "v1", Filename: "東京 🗼.png"}),
	kindOf(events.ImageUploaded{
		ImageID: imageID, ObjectName: imageID + "/Zürich 100%.jpg", Filename: "Zürich 100%.jpg", Timestamp: 1767225600.25,
		Bucket: "images", ContentType: "image/jpeg", Size: 2897311, Width: 4032, Height: 3024,
	}),
	kindOf(events.ImageThumbnailed{
		ImageID: imageID, Bucket: "images",
		ObjectName: imageID + "/Ελλάδα.webp", Thumbnail: imageID + "/thumbnail_Ελλάδα.webp",
		OriginalSize: [2]int{1920, 1080}, ThumbnailSize: [2]int{200, 112}, ProcessedAt: 1767225601.5,
		Renditions: []events.Rendition{{
			Name: "card", Object: imageID + "/card~0123abcd_Ελλάδα.webp.jpg", Width: 640, Height: 480, Bytes: 1, Frames: 1,
			ContentType: "image/jpeg", URL: "/images/" + imageID + "/card?v=0123abcd",
		}},
		Cause: events.Cause{Source: "/scanner/7", ID: "tray-4711"},
	}),
	kindOf(events.ImageFailed{
		ImageID: imageID, Bucket: "images", ObjectName: imageID + "/عکس.gif", Reason: events.ReasonDamaged,
		Error: "the image ends in the middle of its pixels", ProcessedAt: 1767225601.5,
		Cause: events.Cause{Source: "/scanner/7", ID: "tray-4711"},
	}),
	kindOf(events.ImageRender{
		ImageID: imageID, Bucket: "images", Renditions: []string{"card", "hero-2"}, EngineOlderThan: 2,
	}),
	kindOf(events.ImageDelete{ImageID: imageID}),
	kindOf(events.ImageDeleted{
		ImageID: imageID, Reason: events.DeletionExpired, DeletedAt: 1767225601.5,
		Cause: events.Cause{Source: "/scanner/7", ID: "tray-4711"},
	}),
	kindOf(events.ImageSweep{}),
}

func kindNamed(tb testing.TB, eventType string) kind {
	tb.Helper()
	for _, k := range kinds {
		if k.payload.EventType() == eventType {
			return k
		}
	}
	tb.Fatalf("no payload has the type %q", eventType)
	return kind{}
}

// dataEvent returns an event as a producer without this package may send it.
func dataEvent(eventType string, data []byte) event.Event {
	e := event.New()
	e.SetID("1")
	e.SetSource("/elsewhere")
	e.SetType(eventType)
	e.SetDataContentType(event.ApplicationJSON)
	e.DataEncoded = data
	return e
}

// verdicts has small changes to valid payloads, as JSON merge patches (null removes), with the fault that they cause: a
// part of Validate's error, or "" if the payload stays valid. The JSON Schemas must agree with Validate.
var verdicts = []struct {
	eventType, patch, fault string
}{
	{events.TypeImageReceived, `{"filename": null}`, ""},
	{events.TypeImageReceived, `{"filename": ""}`, ""},
	{events.TypeImageReceived, `{"filename": "../../etc/\u0000passwd"}`, ""},
	{events.TypeImageReceived, `{"scanner": 7}`, ""},
	{events.TypeImageReceived, `{"object_name": "a"}`, ""},
	{events.TypeImageReceived, `{"object_name": "..a/.b/c../..."}`, ""},
	{events.TypeImageReceived, `{"object_name": "a\\..\\b ?#%2F"}`, ""},
	{events.TypeImageReceived, `{"object_name": "` + strings.Repeat("a", 1024) + `"}`, ""},
	{events.TypeImageReceived, `{"bucket": "a.b-c"}`, ""},
	{events.TypeImageReceived, `{"bucket": "` + strings.Repeat("b", 63) + `"}`, ""},
	{events.TypeImageReceived, `{"version": null}`, ""},
	{events.TypeImageReceived, `{"version": ""}`, ""},
	{events.TypeImageReceived, `{"version": "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"}`, ""},
	{events.TypeImageReceived, `{"version": "` + strings.Repeat("v", 1024) + `"}`, ""},
	{events.TypeImageReceived, `{"version": 7}`, "data: "},
	{events.TypeImageReceived, `{"version": "a\nb"}`, "version is"},
	{events.TypeImageReceived, `{"version": "` + strings.Repeat("v", 1025) + `"}`, "(1025 bytes)"},
	{events.TypeImageReceived, `{"filename": 7}`, "data: "},
	{events.TypeImageReceived, `{"bucket": null}`, "bucket is missing or empty"},
	{events.TypeImageReceived, `{"bucket": ""}`, "bucket is missing or empty"},
	{events.TypeImageReceived, `{"bucket": "ab"}`, "bucket is"},
	{events.TypeImageReceived, `{"bucket": "Scans"}`, "bucket is"},
	{events.TypeImageReceived, `{"bucket": "scans/2026"}`, "bucket is"},
	{events.TypeImageReceived, `{"bucket": "scans\n"}`, "bucket is"},
	{events.TypeImageReceived, `{"bucket": "-scans"}`, "bucket is"},
	{events.TypeImageReceived, `{"bucket": "` + strings.Repeat("b", 64) + `"}`, "bucket is"},
	{events.TypeImageReceived, `{"bucket": ["scans"]}`, "data: "},
	{events.TypeImageReceived, `{"object_name": null}`, "object_name is missing or empty"},
	{events.TypeImageReceived, `{"object_name": ""}`, "object_name is missing or empty"},
	{events.TypeImageReceived, `{"object_name": "/etc/passwd"}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "a/"}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "a//b"}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "."}`, "segments"},
	{events.TypeImageReceived, `{"object_name": ".."}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "../secret"}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "a/../../secret"}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "a/.."}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "a/./b"}`, "segments"},
	{events.TypeImageReceived, `{"object_name": "a\u0000b"}`, "control characters"},
	{events.TypeImageReceived, `{"object_name": "a\nb"}`, "control characters"},
	{events.TypeImageReceived, `{"object_name": "a\u007fb"}`, "control characters"},
	{events.TypeImageReceived, `{"object_name": "a\u0085b"}`, "control characters"},
	{events.TypeImageReceived, `{"object_name": "a\u009fb"}`, "control characters"},
	{events.TypeImageReceived, `{"object_name": "` + strings.Repeat("a", 1025) + `"}`, "(1025 bytes)"},
	{events.TypeImageReceived, `{"object_name": "` + strings.Repeat("a", 1<<16) + `"}`, "(65536 bytes)"},

	{events.TypeImageUploaded, `{"bucket": null, "content_type": null, "size": null, "width": null, "height": null}`, ""},
	{events.TypeImageUploaded, `{"bucket": "", "content_type": "", "size": 0, "width": 0, "height": 0}`, ""},
	{events.TypeImageUploaded, `{"size": 9007199254740991, "width": 2147483647, "height": 2147483647}`, ""},
	{events.TypeImageUploaded, `{"content_type": "image/svg+xml"}`, ""},
	{events.TypeImageUploaded, `{"timestamp": 1}`, ""},
	{events.TypeImageUploaded, `{"timestamp": 17672256e2}`, ""},
	{events.TypeImageUploaded, `{"image_id": null}`, "image_id is missing or empty"},
	{events.TypeImageUploaded, `{"image_id": ""}`, "image_id is"},
	{events.TypeImageUploaded, `{"image_id": "0B6F4C1E-8A1D-4A58-9F0E-2F6F3F6F9D11"}`, "image_id is"},
	{events.TypeImageUploaded, `{"image_id": "` + imageID + `\n"}`, "image_id is"},
	{events.TypeImageUploaded, `{"image_id": "` + strings.Repeat("0", 1<<16) + `"}`, "image_id is"},
	{events.TypeImageUploaded, `{"object_name": null}`, "object_name is missing or empty"},
	{events.TypeImageUploaded, `{"object_name": "Zürich 100%.jpg"}`, "object_name is"},
	{events.TypeImageUploaded, `{"object_name": "` + imageID + `/a/b", "filename": "a/b"}`, "one name"},
	{events.TypeImageUploaded, `{"object_name": "` + imageID + `/..", "filename": ".."}`, "segments"},
	{events.TypeImageUploaded, `{"object_name": "` + imageID + `/", "filename": ""}`, "segments"},
	{events.TypeImageUploaded, `{"object_name": "` + imageID + `/a\tb", "filename": "a\tb"}`, "control characters"},
	{events.TypeImageUploaded, `{"object_name": "` + imageID + "/" + long + `", "filename": "` + long + `"}`,
		"(1037 bytes)"},
	{events.TypeImageUploaded, `{"filename": null}`, "filename is"},
	{events.TypeImageUploaded, `{"filename": ""}`, "filename is"},
	{events.TypeImageUploaded, `{"filename": "../x"}`, "filename is"},
	{events.TypeImageUploaded, `{"timestamp": null}`, "timestamp is 0"},
	{events.TypeImageUploaded, `{"timestamp": 0}`, "timestamp is 0"},
	{events.TypeImageUploaded, `{"timestamp": -1}`, "timestamp is -1"},
	{events.TypeImageUploaded, `{"timestamp": 1767225600250}`, "timestamp is 1.76722560025e+12"},
	{events.TypeImageUploaded, `{"timestamp": 1e400}`, "data: "},
	{events.TypeImageUploaded, `{"timestamp": "1767225600.25"}`, "data: "},
	{events.TypeImageUploaded, `{"timestamp": "NaN"}`, "data: "},
	{events.TypeImageUploaded, `{"timestamp": ` + strings.Repeat("9", 1<<16) + `}`, "data: "},
	{events.TypeImageUploaded, `{"bucket": "No"}`, "bucket is"},
	{events.TypeImageUploaded, `{"content_type": "jpeg"}`, "content_type is"},
	{events.TypeImageUploaded, `{"content_type": "Image/JPEG"}`, "content_type is"},
	{events.TypeImageUploaded, `{"content_type": "image/jpeg; q=1"}`, "content_type is"},
	{events.TypeImageUploaded, `{"content_type": "image/jpeg\r\nX: y"}`, "content_type is"},
	{events.TypeImageUploaded, `{"size": -1}`, "size is -1"},
	{events.TypeImageUploaded, `{"size": 1.5}`, "data: "},
	{events.TypeImageUploaded, `{"size": "1"}`, "data: "},
	{events.TypeImageUploaded, `{"size": 9007199254740992}`, "size is"},
	{events.TypeImageUploaded, `{"size": 1000000000000000000000}`, "data: "},
	{events.TypeImageUploaded, `{"width": -1}`, "width is -1"},
	{events.TypeImageUploaded, `{"width": 2147483648}`, "width is"},
	{events.TypeImageUploaded, `{"height": -1}`, "height is -1"},

	{events.TypeImageThumbnailed, `{"original_size": [1, 1], "thumbnail_size": [1, 1]}`, ""},
	{events.TypeImageThumbnailed, `{"image_id": null}`, "image_id is missing or empty"},
	{events.TypeImageThumbnailed, `{"bucket": null}`, "bucket is missing or empty"},
	{events.TypeImageThumbnailed, `{"bucket": ""}`, "bucket is missing or empty"},
	{events.TypeImageThumbnailed, `{"object_name": null}`, "object_name is missing or empty"},
	{events.TypeImageThumbnailed, `{"thumbnail": null}`, "thumbnail is"},
	{events.TypeImageThumbnailed, `{"thumbnail": "../thumbnail_x.jpg"}`, "thumbnail is"},
	{events.TypeImageThumbnailed, `{"object_name": "` + imageID + "/" + long + `"}`, "(1037 bytes)"},
	{events.TypeImageThumbnailed, `{"thumbnail": "` + imageID + "/" + long + `"}`, "(1037 bytes)"},
	{events.TypeImageThumbnailed, `{"original_size": null}`, "original_size is"},
	{events.TypeImageThumbnailed, `{"original_size": []}`, "original_size is"},
	{events.TypeImageThumbnailed, `{"original_size": [1920]}`, "original_size is"},
	{events.TypeImageThumbnailed, `{"original_size": [1920, 0]}`, "original_size is"},
	{events.TypeImageThumbnailed, `{"original_size": [-1, 1080]}`, "original_size is"},
	{events.TypeImageThumbnailed, `{"original_size": [1920, 2147483648]}`, "original_size is"},
	{events.TypeImageThumbnailed, `{"original_size": "1920x1080"}`, "data: "},
	{events.TypeImageThumbnailed, `{"thumbnail_size": null}`, "thumbnail_size is"},
	{events.TypeImageThumbnailed, `{"thumbnail_size": {"width": 200, "height": 112}}`, "data: "},
	{events.TypeImageThumbnailed, `{"renditions": null}`, ""},
	{events.TypeImageThumbnailed, `{"renditions": []}`, ""},
	{events.TypeImageThumbnailed, `{"placeholder": "1QcSHQRnh493V4dIh4eXh1h4kJUI", "color": "#a8c0d0"}`, ""},
	{events.TypeImageThumbnailed, `{"placeholder": "", "color": ""}`, ""},
	{events.TypeImageThumbnailed, `{"placeholder": "no!"}`, "placeholder is"},
	{events.TypeImageThumbnailed, `{"color": "#FFF"}`, "color is"},
	{events.TypeImageThumbnailed, `{"renditions": [{}]}`, "renditions[0].name is"},
	{events.TypeImageThumbnailed, `{"renditions": {}}`, "data: "},
	{events.TypeImageThumbnailed, rendition(`{}`), ""},
	{events.TypeImageThumbnailed, rendition(`{"more": 1}`), ""},
	{events.TypeImageThumbnailed, rendition(`{"name": "Card"}`), "renditions[0].name is"},
	{events.TypeImageThumbnailed, rendition(`{"object": "elsewhere/x.jpg"}`), "renditions[0].object is"},
	{events.TypeImageThumbnailed, rendition(`{"width": 0}`), "renditions[0].width is 0"},
	{events.TypeImageThumbnailed, rendition(`{"height": -1}`), "renditions[0].height is -1"},
	{events.TypeImageThumbnailed, rendition(`{"frames": null}`), "renditions[0].frames is 0"},
	{events.TypeImageThumbnailed, rendition(`{"bytes": 0}`), "renditions[0].bytes is 0"},
	{events.TypeImageThumbnailed, rendition(`{"content_type": "WebP"}`), "renditions[0].content_type is"},
	{events.TypeImageThumbnailed, rendition(`{"url": "http://elsewhere"}`), "renditions[0].url is"},
	{events.TypeImageThumbnailed, `{"processed_at": null}`, "processed_at is"},
	{events.TypeImageThumbnailed, `{"processed_at": -0.5}`, "processed_at is"},

	{events.TypeImageFailed, `{"bucket": null, "object_name": null}`, ""},
	{events.TypeImageFailed, `{"bucket": "", "object_name": ""}`, ""},
	{events.TypeImageFailed, `{"bucket": "", "object_name": null}`, ""},
	{events.TypeImageFailed, `{"cause": null}`, ""},
	{events.TypeImageFailed, `{"cause": {"source": "my scanner", "id": "Ä ☃", "time": "2026-01-01T00:00:00Z"}}`, ""},
	{events.TypeImageFailed, `{"cause": {"source": "", "id": ""}}`, ""},
	{events.TypeImageFailed, `{"cause": {"id": "1"}}`, "both or none"},
	{events.TypeImageFailed, `{"cause": {"source": "/x", "id": ""}}`, "both or none"},
	{events.TypeImageFailed, `{"cause": "4711"}`, "data: "},
	{events.TypeImageFailed, `{"reason": "not_an_image"}`, ""},
	{events.TypeImageFailed, `{"reason": "unsupported"}`, ""},
	{events.TypeImageFailed, `{"reason": "too_many_bytes"}`, ""},
	{events.TypeImageFailed, `{"reason": "too_many_pixels"}`, ""},
	{events.TypeImageFailed, `{"reason": "of_a_later_version_2"}`, ""},
	{events.TypeImageFailed, `{"error": "first line\nsecond line"}`, ""},
	{events.TypeImageFailed, `{"image_id": null}`, "image_id is missing or empty"},
	{events.TypeImageFailed, `{"bucket": null}`, "both or none"},
	{events.TypeImageFailed, `{"bucket": ""}`, "both or none"},
	{events.TypeImageFailed, `{"object_name": null}`, "both or none"},
	{events.TypeImageFailed, `{"bucket": "X"}`, "bucket is"},
	{events.TypeImageFailed, `{"object_name": "elsewhere/x.jpg"}`, "object_name is"},
	{events.TypeImageFailed, `{"object_name": "` + imageID + "/" + long + `"}`, "(1037 bytes)"},
	{events.TypeImageFailed, `{"reason": null}`, "reason is"},
	{events.TypeImageFailed, `{"reason": ""}`, "reason is"},
	{events.TypeImageFailed, `{"reason": "Damaged"}`, "reason is"},
	{events.TypeImageFailed, `{"reason": "bad luck"}`, "reason is"},
	{events.TypeImageFailed, `{"error": null}`, "error is"},
	{events.TypeImageFailed, `{"error": ""}`, "error is"},
	{events.TypeImageFailed, `{"error": " \t"}`, "error is"},
	{events.TypeImageFailed, `{"processed_at": null}`, "processed_at is"},
	{events.TypeImageFailed, `{"processed_at": true}`, "data: "},

	{events.TypeImageRender, `{"renditions": null, "engine_older_than": null, "bucket": null}`, ""},
	{events.TypeImageRender, `{"renditions": [], "engine_older_than": 0, "bucket": ""}`, ""},
	{events.TypeImageRender, `{"requested_by": "an operator"}`, ""},
	{events.TypeImageRender, `{"image_id": null}`, "image_id is missing or empty"},
	{events.TypeImageRender, `{"image_id": "0B6F4C1E-8A1D-4A58-9F0E-2F6F3F6F9D11"}`, "image_id is"},
	{events.TypeImageRender, `{"bucket": "Images"}`, "bucket is"},
	{events.TypeImageRender, `{"renditions": "card"}`, "data: "},
	{events.TypeImageRender, `{"renditions": [""]}`, "renditions[0] is"},
	{events.TypeImageRender, `{"renditions": ["card", "../card"]}`, "renditions[1] is"},
	{events.TypeImageRender, `{"renditions": [` + strings.Repeat(`"a",`, 100) + `"a"]}`, "101 names"},
	{events.TypeImageRender, `{"engine_older_than": -1}`, "engine_older_than is"},
	{events.TypeImageRender, `{"engine_older_than": "v2"}`, "data: "},

	{events.TypeImageDelete, `{}`, ""},
	{events.TypeImageDelete, `{"asked_by": "an operator"}`, ""},
	{events.TypeImageDelete, `{"image_id": null}`, "image_id is missing or empty"},
	{events.TypeImageDelete, `{"image_id": "` + strings.ToUpper(imageID) + `"}`, "image_id is"},
	{events.TypeImageDelete, `{"image_id": 7}`, "data: "},
	{events.TypeImageDeleted, `{"cause": null}`, ""},
	{events.TypeImageDeleted, `{"reason": "requested"}`, ""},
	{events.TypeImageDeleted, `{"reason": "of_a_later_version_2"}`, ""},
	{events.TypeImageDeleted, `{"image_id": ""}`, "image_id is missing or empty"},
	{events.TypeImageDeleted, `{"reason": null}`, "reason is"},
	{events.TypeImageDeleted, `{"reason": "Too old"}`, "reason is"},
	{events.TypeImageDeleted, `{"deleted_at": null}`, "deleted_at is"},
	{events.TypeImageDeleted, `{"deleted_at": 1767225601500}`, "deleted_at is"},
	{events.TypeImageDeleted, `{"cause": {"id": "1"}}`, "both or none"},
	{events.TypeImageSweep, `{}`, ""},
	{events.TypeImageSweep, `{"asked_by": "an operator"}`, ""},
}

// onlyValidate has faults that a schema cannot express: it sees one property at a time, and counts characters.
var onlyValidate = []struct {
	eventType, patch, fault string
}{
	{events.TypeImageReceived, `{"object_name": "` + strings.Repeat("ü", 513) + `"}`, "(1026 bytes)"},
	{events.TypeImageUploaded, `{"image_id": "1b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11"}`, "object_name is"},
	{events.TypeImageUploaded, `{"filename": "other.jpg"}`, "filename is"},
	{events.TypeImageUploaded, `{"size": 1.0}`, "data: "},
	{events.TypeImageThumbnailed, `{"thumbnail": "1b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11/thumbnail_x.jpg"}`, "thumbnail is"},
}

func TestVerdicts(t *testing.T) {
	for _, tt := range verdicts {
		t.Run(tt.eventType+" "+clip(tt.patch), func(t *testing.T) {
			data := patched(t, tt.eventType, tt.patch)
			checkDecode(t, dataEvent(tt.eventType, data), tt.fault)
			err := validateData(t, tt.eventType, data)
			if got, want := err == nil, tt.fault == ""; got != want {
				t.Errorf("schema says valid = %t (%v), want %t", got, err, want)
			}
		})
	}
}

func TestOnlyValidateSees(t *testing.T) {
	for _, tt := range onlyValidate {
		t.Run(tt.eventType+" "+clip(tt.patch), func(t *testing.T) {
			data := patched(t, tt.eventType, tt.patch)
			checkDecode(t, dataEvent(tt.eventType, data), tt.fault)
			if err := validateData(t, tt.eventType, data); err != nil {
				t.Errorf("schema refuses it, so the row belongs to the verdicts: %v", err)
			}
		})
	}
}

// TestOnlySchemaSees has payloads that encoding/json accepts and the schemas do not: the service's own events follow
// the schemas, and those of others are not refused for what does no harm.
func TestOnlySchemaSees(t *testing.T) {
	tests := map[string]string{
		`null for a name`:      `{"bucket": "scans", "object_name": "a", "filename": null}`,
		`upper case in a name`: `{"Bucket": "scans", "object_name": "a"}`,
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			checkDecode(t, dataEvent(events.TypeImageReceived, []byte(data)), "")
			if err := validateData(t, events.TypeImageReceived, []byte(data)); err == nil {
				t.Error("schema takes it, too, so the row belongs to the verdicts")
			}
		})
	}
}

// checkDecode decodes an event as its type and wants it to be valid, or the error to mention fault.
func checkDecode(t *testing.T, e event.Event, fault string) {
	t.Helper()
	_, err := kindNamed(t, e.Type()).decode(e)
	checkInvalid(t, err, fault)
}

// checkInvalid wants an error that mentions fault, wraps ErrInvalid and fits on a line of a log; or none if fault is
// "".
func checkInvalid(t *testing.T, err error, fault string) {
	t.Helper()
	if fault == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("taken, want an error about %q", fault)
	}
	if !errors.Is(err, events.ErrInvalid) || !strings.Contains(err.Error(), fault) {
		t.Errorf("error is %q, want ErrInvalid about %q", err, fault)
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) || len(err.Error()) > 2048 {
		t.Errorf("error has %d bytes, want one short line: %.2048q", len(err.Error()), err)
	}
}

// patched returns the full payload of a type with a JSON merge patch (RFC 7396) of its top level.
func patched(tb testing.TB, eventType, patch string) []byte {
	tb.Helper()
	data, err := json.Marshal(kindNamed(tb, eventType).payload)
	if err != nil {
		tb.Fatal(err)
	}
	var fields, changes map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(data, &fields), json.Unmarshal([]byte(patch), &changes)); err != nil {
		tb.Fatal(err)
	}
	for name, value := range changes {
		fields[name] = value
		if bytes.Equal(value, []byte("null")) {
			delete(fields, name)
		}
	}
	if data, err = json.Marshal(fields); err != nil {
		tb.Fatal(err)
	}
	return data
}

func clip(text string) string { return text[:min(len(text), 80)] }

// rendition returns a patch of image.thumbnailed with one rendition that is valid but for a patch of its own.
func rendition(patch string) string {
	fields := map[string]any{
		"name": "card", "object": imageID + "/card~0123abcd_photo.jpg.webp", "width": 640, "height": 480, "bytes": 9,
		"content_type": "image/webp", "frames": 1, "url": "/images/" + imageID + "/card?v=0123abcd",
	}
	if err := json.Unmarshal([]byte(patch), &fields); err != nil {
		panic(err)
	}
	for name, value := range fields {
		if value == nil {
			delete(fields, name)
		}
	}
	text, err := json.Marshal(map[string]any{"renditions": []any{fields}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// A request for renditions that is repeated is one event, and another one once it asks for something else.
func TestImageRenderID(t *testing.T) {
	base := events.ImageRender{ImageID: imageID, Bucket: "images", Renditions: []string{"card", "hero"}}
	id := base.ID("set-1")
	if again := base.ID("set-1"); again != id || !strings.HasPrefix(id, "image.render/"+imageID+"/") {
		t.Errorf("id = %q and %q, want the same, with the type and the image", id, again)
	}
	card, redo := base, base
	card.Renditions = base.Renditions[:1]
	redo.EngineOlderThan = 2
	for name, other := range map[string]string{
		"set": base.ID("set-2"), "renditions": card.ID("set-1"), "engine": redo.ID("set-1"),
	} {
		if other == id {
			t.Errorf("another %s has the same id %q", name, id)
		}
	}
}
