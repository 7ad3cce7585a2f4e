package inbox

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

// s3Record is a record as S3 and MinIO write it; fields are those of the object.
func s3Record(eventName, bucket, fields string) string {
	return `{"eventVersion":"2.0","eventSource":"aws:s3","eventTime":"2026-11-29T10:00:00.000Z",` +
		`"eventName":"` + eventName + `","s3":{"s3SchemaVersion":"1.0",` +
		`"bucket":{"name":"` + bucket + `","arn":"arn:aws:s3:::` + bucket + `"},"object":{` + fields + `}}}`
}

func records(list ...string) string { return `{"Records":[` + strings.Join(list, ",") + `]}` }

func TestParse(t *testing.T) {
	t.Parallel()
	const kafka, sqs = "dev.knative.kafka.event", "dev.knative.connector.event.aws-sqs"
	put := s3Record("ObjectCreated:Put", "inbox", `"key":"a.png","size":78,"eTag":"e1","sequencer":"1"`)
	sns := `{"Type":"Notification","TopicArn":"arn:aws:sns:eu-west-1:1:t","Message":` + quote(records(put)) + `}`
	eventBridge := func(detailType string) string {
		return `{"version":"0","id":"1","detail-type":"` + detailType + `","source":"aws.s3","time":"2026-11-29T10:00:00Z",` +
			`"detail":{"version":"0","bucket":{"name":"inbox"},` +
			`"object":{"key":"2026/a+b %41.png","size":5,"etag":"e1","version-id":"v1","sequencer":"1"},"reason":"PutObject"}}`
	}
	google := `{"kind":"storage#object","bucket":"inbox","name":"2026/a+b.png","generation":"1700","size":"5","etag":"e1"}`
	minio := `{"EventName":"s3:ObjectCreated:Put","Key":"inbox/a.png","Records":[` +
		s3Record("s3:ObjectCreated:Put", "inbox",
			`"key":"a.png","size":78,"eTag":"e1","sequencer":"1","versionId":"v1"`) + `]}`
	for _, test := range []struct {
		name, eventType, data string
		want                  []Object
	}{
		{"S3, from Kafka", kafka, records(put), []Object{{"inbox", "a.png", "1"}}},
		{"S3, plain", "", records(put), []Object{{"inbox", "a.png", "1"}}},
		{"MinIO", kafka, minio, []Object{{"inbox", "a.png", "v1"}}},
		{"several records", kafka, records(put, put, s3Record("ObjectRemoved:Delete", "inbox", `"key":"b.png"`)),
			[]Object{{"inbox", "a.png", "1"}, {"inbox", "a.png", "1"}}},
		{"no record", kafka, records(), nil},
		{"one record (TriggerMesh)", "com.amazon.s3.objectcreated", put, []Object{{"inbox", "a.png", "1"}}},
		{"SNS", sqs, sns, []Object{{"inbox", "a.png", "1"}}},
		{"EventBridge", "", eventBridge("Object Created"), []Object{{"inbox", "2026/a+b %41.png", "v1"}}},
		{"EventBridge, deleted", "", eventBridge("Object Deleted"), nil},
		{"Google", googleStorage + "finalized", google, []Object{{"inbox", "2026/a+b.png", "1700"}}},
		{"Google, generation as a number", googleStorage + "finalized", strings.Replace(google, `"1700"`, "1700", 1),
			[]Object{{"inbox", "2026/a+b.png", "1700"}}},
		{"Google, deleted", googleStorage + "deleted", google, nil},
		{"Google, metadata", googleStorage + "metadataUpdated", google, nil},
		{"encoded key", kafka, records(s3Record("ObjectCreated:Put", "inbox", `"key":"2026%2Fmein+K%C3%A4se+%2B+%25.png"`)),
			[]Object{{"inbox", "2026/mein Käse + %.png", "2026-11-29T10:00:00.000Z"}}},
		{"version null", kafka, records(s3Record("ObjectCreated:Put", "inbox", `"key":"a","versionId":"null","eTag":"e"`)),
			[]Object{{"inbox", "a", "e 2026-11-29T10:00:00.000Z"}}},
		{"quoted ETag", kafka, records(s3Record("ObjectCreated:Put", "inbox", `"key":"a","eTag":"\"e\""`)),
			[]Object{{"inbox", "a", "e 2026-11-29T10:00:00.000Z"}}},
		{"sequencer", kafka, records(s3Record("ObjectCreated:Put", "inbox", `"key":"a","sequencer":"17A"`)),
			[]Object{{"inbox", "a", "17A"}}},
		{"Post", kafka, records(s3Record("s3:ObjectCreated:Post", "inbox", `"key":"a","eTag":"e"`)),
			[]Object{{"inbox", "a", "e 2026-11-29T10:00:00.000Z"}}},
		{"Copy", kafka, records(s3Record("s3:ObjectCreated:Copy", "inbox", `"key":"a","eTag":"e"`)),
			[]Object{{"inbox", "a", "e 2026-11-29T10:00:00.000Z"}}},
		{"multipart", kafka, records(s3Record("s3:ObjectCreated:CompleteMultipartUpload", "inbox", `"key":"a","eTag":"e-2"`)),
			[]Object{{"inbox", "a", "e-2 2026-11-29T10:00:00.000Z"}}},
		{"folder", kafka, records(s3Record("ObjectCreated:Put", "inbox", `"key":"2026%2F","size":0`)), nil},
		{"tagging", kafka, records(s3Record("s3:ObjectCreated:PutTagging", "inbox", `"key":"a"`)), nil},
		{"retention", kafka, records(s3Record("s3:ObjectCreated:PutRetention", "inbox", `"key":"a"`)), nil},
		{"deleted", kafka, records(s3Record("s3:ObjectRemoved:Delete", "inbox", `"key":"a"`)), nil},
		{"delete marker", kafka, records(s3Record("s3:ObjectRemoved:DeleteMarkerCreated", "inbox", `"key":"a"`)), nil},
		{"read", kafka, records(s3Record("s3:ObjectAccessed:Get", "inbox", `"key":"a"`)), nil},
		{"restored", kafka, records(s3Record("ObjectRestore:Completed", "inbox", `"key":"a"`)), nil},
		{"test event", kafka,
			`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-29T10:00:00Z","Bucket":"inbox"}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, refused := Parse(test.eventType, []byte(test.data))
			if refused != nil || !slices.Equal(got, test.want) {
				t.Errorf("Parse() = %q, %v; want %q", got, refused, test.want)
			}
		})
	}
}

// quote returns text as a JSON string.
func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	google := googleStorage + "finalized"
	for _, test := range []struct {
		name, eventType, data string
		unknown               bool
	}{
		{"nothing", "", "", true},
		{"text", "", "hello", true},
		{"list", "", "[]", true},
		{"null", "", "null", true},
		{"another object", "", `{"before":null,"after":{"id":1},"op":"c"}`, true},
		{"not UTF-8", "", "{\"Records\":[],\"a\":\"\xff\"}", true},
		{"records of another service", "", `{"Records":[{"eventSource":"aws:ses","ses":{}}]}`, true},
		{"records that are not a list", "", `{"Records":{}}`, true},
		{"another service of EventBridge", "", `{"source":"aws.ec2","detail-type":"Object Created","detail":{}}`, true},
		{"Google's data with another type", "com.example", `{"bucket":"inbox","name":"a"}`, true},
		{"Google, no JSON object", google, `{"bucket":7}`, true},
		{"message in a message", "", `{"Type":"Notification","Message":` +
			quote(`{"Type":"Notification","Message":`+quote(`{}`)+`}`) + `}`, true},
		{"key that is not encoded", "", records(s3Record("ObjectCreated:Put", "inbox", `"key":"100%.png"`)), false},
		{"too many records", "", records(slices.Repeat([]string{"null"}, maxRecords+1)...), false},
		{"no key", "", records(s3Record("ObjectCreated:Put", "inbox", "")), false},
		{"no bucket", "", records(s3Record("ObjectCreated:Put", "", `"key":"a"`)), false},
		{"Google, no name", google, `{"bucket":"inbox"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, refused := Parse(test.eventType, []byte(test.data))
			err := errors.Join(refused...)
			if len(refused) != 1 || !errors.Is(err, events.ErrInvalid) || errors.Is(err, ErrUnknown) != test.unknown {
				t.Errorf("Parse() = %q, %v; want an invalid event, unknown: %t", got, err, test.unknown)
			}
		})
	}
}

// A record that cannot be read does not take the others with it.
func TestParseSomeRecords(t *testing.T) {
	t.Parallel()
	good := s3Record("ObjectCreated:Put", "inbox", `"key":"a.png","eTag":"e1"`)
	for name, bad := range map[string]string{
		"key that is not encoded": s3Record("ObjectCreated:Put", "inbox", `"key":"a%zz"`),
		"no key":                  s3Record("ObjectCreated:Put", "inbox", ""),
		"null":                    "null",
	} {
		t.Run(name, func(t *testing.T) {
			got, refused := Parse("", []byte(records(bad, good, bad)))
			if !slices.Equal(got, []Object{{"inbox", "a.png", "e1 2026-11-29T10:00:00.000Z"}}) || len(refused) != 2 {
				t.Errorf("Parse() = %q, %v; want a.png and two errors", got, refused)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("", records(s3Record("ObjectCreated:Put", "inbox", `"key":"a%2Fb+c"`)))
	f.Add("", `{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"b"},"object":{"key":"a"}}}`)
	f.Add(googleStorage+"finalized", `{"bucket":"inbox","name":"a","generation":1}`)
	f.Add("", `{"Type":"Notification","Message":"{\"Records\":[]}"}`)
	f.Fuzz(func(t *testing.T, eventType, data string) {
		objects, refused := Parse(eventType, []byte(data))
		for _, err := range refused {
			if !errors.Is(err, events.ErrInvalid) {
				t.Errorf("error is %v, want one that wraps events.ErrInvalid", err)
			}
		}
		for _, o := range objects {
			if o.Bucket == "" || o.Key == "" || strings.HasSuffix(o.Key, "/") {
				t.Errorf("got the object %q, want a bucket and a key", o)
			}
		}
	})
}
