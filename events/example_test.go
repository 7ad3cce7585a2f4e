package events_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
)

// Another system has stored an image in a bucket and tells the service where. The ID names the object and its version,
// so a retry does not make a second image.
func ExampleEncode() {
	e, err := events.Encode(
		events.ImageReceived{Bucket: "scans", ObjectName: "2026/03/Straße 7.jpg"},
		events.Envelope{Source: "/scanner/7", ID: "2026/03/7f3a@1", Time: time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)},
	)
	if err != nil {
		log.Fatal(err)
	}
	// The address of the Broker, or of the upload function.
	request, err := http.NewRequest(http.MethodPost, "http://upload.example/", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(request.Context()), binding.ToMessage(&e), request); err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"Ce-Type", "Ce-Source", "Ce-Id", "Ce-Time", "Ce-Dataref", "Content-Type"} {
		fmt.Printf("%s: %s\n", name, request.Header.Get(name))
	}
	fmt.Printf("\n%s\n", e.Data())
	// Output:
	// Ce-Type: image.received
	// Ce-Source: /scanner/7
	// Ce-Id: 2026/03/7f3a@1
	// Ce-Time: 2026-03-01T09:30:00Z
	// Ce-Dataref: s3://scans/2026/03/Stra%C3%9Fe%207.jpg
	// Content-Type: application/json
	//
	// {"bucket":"scans","object_name":"2026/03/Straße 7.jpg"}
}

// Another system wants the results of its images: a Trigger delivers image.thumbnailed and image.failed to it.
func ExampleDecode() {
	handle := func(e event.Event) error {
		switch e.Type() {
		case events.TypeImageThumbnailed:
			done, err := events.Decode[events.ImageThumbnailed](e)
			if err != nil {
				return err
			}
			fmt.Printf("%s: %v pixels in %s\n", done.ImageID, done.ThumbnailSize, done.Thumbnail)
		case events.TypeImageFailed:
			failed, err := events.Decode[events.ImageFailed](e)
			if err != nil {
				return err
			}
			fmt.Printf("%s: never (%s), for %s\n", failed.ImageID, failed.Reason, failed.Error)
		}
		return nil
	}
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
		if err == nil {
			err = handle(*e)
		}
		if err != nil { // after 400 it is not sent again, which would not help
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	for _, body := range []string{
		`{"specversion": "1.0", "type": "image.thumbnailed", "source": "/image-service/thumbnail",
		  "id": "image.thumbnailed/0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11", "data": {
		    "image_id": "0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11", "bucket": "images",
		    "object_name": "0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11/photo.jpg",
		    "thumbnail": "0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11/thumbnail_photo.jpg",
		    "original_size": [1920, 1080], "thumbnail_size": [200, 112], "processed_at": 1767225601.5}}`,
		`{"specversion": "1.0", "type": "image.failed", "source": "/image-service/upload",
		  "id": "image.failed/5d1c7f5a-52c9-4d0c-8d0e-8f8a3a1b2c3d", "data": {
		    "image_id": "5d1c7f5a-52c9-4d0c-8d0e-8f8a3a1b2c3d", "reason": "not_an_image",
		    "error": "the content is a PDF document", "processed_at": 1767225601.5}}`,
		`{"specversion": "1.0", "type": "image.failed", "source": "/somebody/else", "id": "1", "data": {}}`,
	} {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		request.Header.Set("Content-Type", event.ApplicationCloudEventsJSON)
		response := httptest.NewRecorder()
		server.ServeHTTP(response, request)
		fmt.Println(response.Code)
	}
	// Output:
	// 0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11: [200 112] pixels in 0b6f4c1e-8a1d-4a58-9f0e-2f6f3f6f9d11/thumbnail_photo.jpg
	// 200
	// 5d1c7f5a-52c9-4d0c-8d0e-8f8a3a1b2c3d: never (not_an_image), for the content is a PDF document
	// 200
	// 400
}

// A dataref names an object; anything else that looks like an address is refused.
func ExampleParseDataRef() {
	bucket, key, err := events.ParseDataRef("s3://scans/2026/03/Stra%C3%9Fe%207.jpg")
	fmt.Println(bucket, key, err)
	_, _, err = events.ParseDataRef("http://169.254.169.254/latest/meta-data")
	fmt.Println(errors.Is(err, events.ErrInvalid))
	// Output:
	// scans 2026/03/Straße 7.jpg <nil>
	// true
}
