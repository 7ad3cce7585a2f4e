package events_test

import (
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/events"
)

func TestDataRef(t *testing.T) {
	tests := []struct{ bucket, key, ref string }{
		{"images", imageID + "/photo.jpg", "s3://images/" + imageID + "/photo.jpg"},
		{"images", "a/100% & more?#.jpg", "s3://images/a/100%25%20&%20more%3F%23.jpg"},
		{"my.scans-1", "東京/Ü ñ.png", "s3://my.scans-1/%E6%9D%B1%E4%BA%AC/%C3%9C%20%C3%B1.png"},
		{"images", "a\\b:c@d;e=f+g,h'(i)*!$", "s3://images/a%5Cb:c@d;e=f+g,h%27%28i%29%2A%21$"},
	}
	for _, tt := range tests {
		if got := events.FormatDataRef(tt.bucket, tt.key); got != tt.ref {
			t.Errorf("FormatDataRef(%q, %q) = %q, want %q", tt.bucket, tt.key, got, tt.ref)
		}
		if bucket, key, err := events.ParseDataRef(tt.ref); bucket != tt.bucket || key != tt.key || err != nil {
			t.Errorf("ParseDataRef(%q) = %q, %q, %v, want %q, %q", tt.ref, bucket, key, err, tt.bucket, tt.key)
		}
	}
	// Receivers of CloudEvents over HTTP may decode the percent signs of an attribute.
	if _, key, err := events.ParseDataRef("s3://images/a/Straße 7.jpg"); key != "a/Straße 7.jpg" || err != nil {
		t.Errorf("ParseDataRef of a decoded reference = %q, %v", key, err)
	}
}

func TestParseDataRefRefuses(t *testing.T) {
	refs := []string{
		"", "s3:", "s3://", "s3://images", "s3://images/", "images/a.jpg", "s3:images/a.jpg", "/images/a.jpg",
		"http://169.254.169.254/latest/meta-data", "https://images/a.jpg", "file:///etc/passwd", "gopher://redis:6379/x",
		"s3://user:secret@images/a.jpg", "s3://images:9000/a.jpg", "s3://images/a.jpg?versionId=1", "s3://images/a.jpg#x",
		"s3://images/../secrets/a.jpg", "s3://images/%2e%2e/a.jpg", "s3://images/a%2F..%2Fb",
		"s3://images/a//b", "s3://images//a",
		"s3://images/a%00b", "s3://images/a\nb", "s3://images/a%0ab", "s3://images/%ff", "s3://images/%zz",
		"s3://IMAGES/a.jpg", "s3://ü/a.jpg", "s3://[::1]/a.jpg", " s3://images/a.jpg",
		"s3://images/" + strings.Repeat("a", 1025), "s3://images/" + strings.Repeat("\n", 1<<20),
	}
	for _, ref := range refs {
		t.Run(clip(ref), func(t *testing.T) {
			bucket, key, err := events.ParseDataRef(ref)
			if err == nil {
				t.Fatalf("ParseDataRef = %q, %q, want an error", bucket, key)
			}
			checkInvalid(t, err, "expected")
		})
	}
}

// FuzzParseDataRef wants the result to be an object that a payload may name, and to survive formatting and parsing.
func FuzzParseDataRef(f *testing.F) {
	f.Add("s3://images/" + imageID + "/photo.jpg")
	f.Add("s3://my.scans-1/%E6%9D%B1%E4%BA%AC/Stra\u00dfe 100%25.png")
	f.Add("s3://images/a%2Fb;c=d?")
	f.Add("S3://images/../a#")
	f.Add("http://169.254.169.254/latest/meta-data")
	f.Fuzz(func(t *testing.T, ref string) {
		bucket, key, err := events.ParseDataRef(ref)
		if err != nil {
			checkInvalid(t, err, "expected")
			return
		}
		object := events.ImageReceived{Bucket: bucket, ObjectName: key}
		if err := object.Validate(); err != nil {
			t.Errorf("ParseDataRef(%q) = %q, %q: %v", ref, bucket, key, err)
		}
		formatted := events.FormatDataRef(bucket, key)
		if strings.ContainsFunc(formatted, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("FormatDataRef(%q, %q) = %q, want printable ASCII", bucket, key, formatted)
		}
		if b, k, err := events.ParseDataRef(formatted); b != bucket || k != key || err != nil {
			t.Errorf("ParseDataRef(%q) = %q, %q, %v, want %q, %q", formatted, b, k, err, bucket, key)
		}
	})
}
