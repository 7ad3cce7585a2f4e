package inbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"gitlab.com/yourorg/image-service/events"
)

// An Object is an object that a notification reports as new.
type Object struct {
	Bucket, Key string
	// Version is the object's version ID; "" if its bucket has no versions, or if S3's interface cannot read them.
	Version string
	// Put tells the object from others that had or will have the same key, if it has no version: the sequencer of its
	// notifications, otherwise the ETag of its content and the time.
	Put string
}

// ErrUnknown means that data has none of the forms of a notification.
var ErrUnknown = fmt.Errorf("%w: the data is not a notification of a bucket, expected Records[].s3 of S3 or MinIO, "+
	"an event of EventBridge with the source aws.s3, or the data of google.cloud.storage.object.v1", events.ErrInvalid)

// Parse returns the objects that a notification reports as new; none for one that reports something else, such as a
// deletion or a test. It reads the forms of
//
//   - S3 and MinIO (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html):
//     Records, a single record, and either inside a message of SNS,
//   - EventBridge (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html),
//   - Google Cloud Storage, whose event type says what has happened.
//
// eventType is the type of the CloudEvent that has the data; "" if it is not one. Each error in refused is about one
// record, or about the whole, and wraps events.ErrInvalid; the other records' objects are returned beside it.
func Parse(eventType string, data []byte) (objects []Object, refused []error) {
	var fields map[string]json.RawMessage
	// encoding/json would replace what is not UTF-8, and so name another object.
	if !utf8.Valid(data) || json.Unmarshal(data, &fields) != nil {
		return nil, []error{ErrUnknown}
	}
	switch {
	case fields["Records"] != nil:
		return parseRecords(fields["Records"])
	case fields["Message"] != nil && textOf(fields["Type"]) == "Notification" && !strings.HasPrefix(eventType, snsMark):
		return Parse(snsMark+eventType, []byte(textOf(fields["Message"])))
	}
	objects, err := parseSingle(eventType, data, fields)
	if err != nil {
		refused = []error{err}
	}
	return objects, refused
}

// parseSingle parses the notification of a single object.
func parseSingle(eventType string, data []byte, fields map[string]json.RawMessage) ([]Object, error) {
	switch {
	case fields["s3"] != nil:
		return parseRecord(data)
	case fields["detail"] != nil:
		return parseEventBridge(data)
	case textOf(fields["Event"]) == "s3:TestEvent": // that the notifications are configured
		return nil, nil
	case strings.HasPrefix(eventType, googleStorage):
		return parseGoogle(eventType, data)
	}
	return nil, ErrUnknown
}

const (
	// snsMark is put before the type of what is inside a message of SNS, which cannot have another message in it.
	snsMark = "sns:"
	// googleStorage is the beginning of the types of https://googleapis.github.io/google-cloudevents.
	googleStorage = "google.cloud.storage.object.v1."
)

// maxRecords bounds the events that one notification causes. S3 and MinIO send one record, a queue between them and the
// service a few.
const maxRecords = 1000

// textOf returns a JSON string; "" if it is not one.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// A record is what S3 and MinIO report about one object.
type record struct {
	EventName string `json:"eventName"`
	EventTime string `json:"eventTime"`
	S3        *struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"` // encoded as in the query of a URL
			VersionID string `json:"versionId"`
			ETag      string `json:"eTag"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

func parseRecords(list json.RawMessage) (objects []Object, refused []error) {
	var records []json.RawMessage
	if err := json.Unmarshal(list, &records); err != nil {
		return nil, []error{ErrUnknown}
	}
	if len(records) > maxRecords {
		return nil, []error{fmt.Errorf("%w: the notification has %d records, expected at most %d",
			events.ErrInvalid, len(records), maxRecords)}
	}
	for _, r := range records {
		found, err := parseRecord(r)
		if err != nil {
			refused = append(refused, err)
		}
		objects = append(objects, found...)
	}
	return objects, refused
}

func parseRecord(data []byte) ([]Object, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil || r.S3 == nil {
		return nil, ErrUnknown
	}
	if !isCreation(r.EventName) {
		return nil, nil
	}
	object := r.S3.Object
	key, err := url.QueryUnescape(object.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: the key %.90q is not URL-encoded", events.ErrInvalid, object.Key)
	}
	return newObject(r.S3.Bucket.Name, key, object.VersionID, object.Sequencer, object.ETag, r.EventTime)
}

// unchanged are events of creation that leave the content of the object as it was.
var unchanged = []string{"PutRetention", "PutLegalHold", "PutTagging", "DeleteTagging", "PutAcl"}

// isCreation reports whether an event is s3:ObjectCreated:*. MinIO writes s3: before it, S3 does not.
func isCreation(eventName string) bool {
	action, created := strings.CutPrefix(strings.TrimPrefix(eventName, "s3:"), "ObjectCreated:")
	return created && !slices.Contains(unchanged, action)
}

func parseEventBridge(data []byte) ([]Object, error) {
	var event struct {
		Type   string `json:"detail-type"`
		Source string `json:"source"`
		Time   string `json:"time"`
		Detail struct {
			Bucket struct {
				Name string `json:"name"`
			} `json:"bucket"`
			Object struct {
				Key       string `json:"key"` // not encoded
				VersionID string `json:"version-id"`
				ETag      string `json:"etag"`
				Sequencer string `json:"sequencer"`
			} `json:"object"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(data, &event); err != nil || event.Source != "aws.s3" {
		return nil, ErrUnknown
	}
	if event.Type != "Object Created" {
		return nil, nil
	}
	object := event.Detail.Object
	return newObject(event.Detail.Bucket.Name, object.Key, object.VersionID, object.Sequencer, object.ETag, event.Time)
}

func parseGoogle(eventType string, data []byte) ([]Object, error) {
	var object struct {
		Bucket     string          `json:"bucket"`
		Name       string          `json:"name"`
		Generation json.RawMessage `json:"generation"` // a number, or its text, as int64 is in Protobuf's JSON
		ETag       string          `json:"etag"`
		Time       string          `json:"timeCreated"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, ErrUnknown
	}
	if eventType != googleStorage+"finalized" {
		return nil, nil
	}
	generation := strings.Trim(string(object.Generation), `"`)
	return newObject(object.Bucket, object.Name, "", generation, object.ETag, object.Time)
}

// newObject returns an object; nothing for the marker of a folder. In a bucket without versions the ETag alone does not
// identify it: an object that is put again with the same bytes, after its first image failed, is a new one.
func newObject(bucket, key, version, sequencer, etag, time string) ([]Object, error) {
	if bucket == "" || key == "" {
		return nil, fmt.Errorf("%w: the notification has the bucket %.70q and the key %.90q, expected both",
			events.ErrInvalid, bucket, key)
	}
	if strings.HasSuffix(key, "/") {
		return nil, nil
	}
	if version == "null" { // of an object in a bucket without versions
		version = ""
	}
	if version != "" {
		return []Object{{Bucket: bucket, Key: key, Version: version}}, nil
	}
	content := strings.TrimSpace(strings.Trim(etag, `"`) + " " + time)
	return []Object{{Bucket: bucket, Key: key, Put: cmp.Or(sequencer, content)}}, nil
}
