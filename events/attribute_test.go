package events_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"gitlab.com/yourorg/image-service/events"
)

func TestDecodeAttribute(t *testing.T) {
	for name, test := range map[string]struct{ attribute, value, want string }{
		"plain":                            {"id", "scans/7f3a@1", "scans/7f3a@1"},
		"empty":                            {"subject", "", ""},
		"snowman, encoded":                 {"subject", "%E2%98%83.png", "☃.png"},
		"lower-case digits":                {"subject", "%e2%98%83.png", "☃.png"},
		"snowman, raw":                     {"subject", "☃.png", "☃.png"},
		"raw and encoded":                  {"subject", "☃%E2%98%83", "☃☃"},
		"ISO-8859-1":                       {"subject", "K\xe4se.png", "Käse.png"},
		"space":                            {"id", "scan%207", "scan 7"},
		"slash":                            {"subject", "a%2Fb.png", "a/b.png"},
		"encoded percent":                  {"id", "a%2520b", "a%20b"},
		"one round only":                   {"id", "a%252520b", "a%2520b"},
		"percent at the end":               {"subject", "100%", "100%"},
		"percent before a dot":             {"subject", "100%.png", "100%.png"},
		"percent before half an escape":    {"subject", "100%2", "100%2"},
		"not hexadecimal":                  {"subject", "%zz%1g%\x10\x10", "%zz%1g%\x10\x10"},
		"control characters":               {"id", "a%0Ab%00%7F%C2%85", "a%0Ab%00%7F%C2%85"},
		"noncharacter":                     {"id", "%EF%BF%BF", "%EF%BF%BF"},
		"half a character":                 {"id", "%E2%98x", "%E2%98x"},
		"ISO-8859-1, encoded":              {"id", "K%E4se%20", "K%E4se "},
		"replacement character":            {"id", "%EF%BF%BD", "\uFFFD"},
		"quoted":                           {"id", `"a \"b\\"`, `a "b\`},
		"quotes that are not a pair":       {"id", `"a"b"`, `"a"b"`},
		"quote that is escaped at the end": {"id", `"a\"`, `"a\"`},
		"encoded quotes":                   {"id", "%22a%22", `"a"`},

		"URI":                             {"source", "/scanner/7", "/scanner/7"},
		"URI, raw":                        {"source", "/my%20scanner", "/my%20scanner"},
		"URI, encoded":                    {"source", "/my%2520scanner", "/my%20scanner"},
		"URI with a percent sign, raw":    {"source", "/100%25", "/100%25"},
		"URI with a percent sign, twice":  {"source", "/100%2525", "/100%25"},
		"dataref, raw":                    {"dataref", "s3://b/mein%20K%C3%A4se.png", "s3://b/mein%20K%C3%A4se.png"},
		"dataref, encoded":                {"dataref", "s3://b/mein%2520K%25C3%25A4se.png", "s3://b/mein%20K%C3%A4se.png"},
		"dataref with a question, raw":    {"dataref", "s3://b/what%3F.png", "s3://b/what%3F.png"},
		"dataref with a percent sign":     {"dataref", "s3://b/100%25.png", "s3://b/100%25.png"},
		"dataref with a percent, encoded": {"dataref", "s3://b/100%2525.png", "s3://b/100%25.png"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := events.DecodeAttribute(test.attribute, test.value); got != test.want {
				t.Errorf("DecodeAttribute(%q, %q) = %q, want %q", test.attribute, test.value, got, test.want)
			}
		})
	}
}

// All encodings of a value have one canonical form.
func TestCanonical(t *testing.T) {
	for _, values := range [][]string{
		{"scan 7 ü", "scan%207%20%C3%BC", "scan%207%20%c3%bc", "scan%25207%2520%25C3%25BC"},
		{"/my scanner", "/my%20scanner", "/my%2520scanner"},
		{"100%.png", "100%25.png", "100%2525.png"},
		{"%0A", "%250A"},
		{`"a"`, "a", "%22a%22"},
		{""},
	} {
		t.Run(values[0], func(t *testing.T) {
			want := events.Canonical(values[0])
			for _, value := range values[1:] {
				if got := events.Canonical(value); got != want {
					t.Errorf("Canonical(%q) = %q, want %q", value, got, want)
				}
			}
		})
	}
	t.Run("bounded", func(t *testing.T) {
		many := "%" + strings.Repeat("25", 20)
		if got, want := events.Canonical(many), "%"+strings.Repeat("25", 12); got != want {
			t.Errorf("Canonical(%q) = %q, want eight rounds: %q", many, got, want)
		}
	})
}

// An event that EncodeHTTP has encoded arrives as printable ASCII, and DecodeHTTP restores it.
func TestEncodeHTTP(t *testing.T) {
	sent := event.New()
	sent.SetID("scan 7\nü%20\"")
	sent.SetSource("/my%20scanner")
	sent.SetType("image.received")
	sent.SetSubject("фото.jpg")
	sent.SetDataSchema("https://example.com/%C3%A4")
	sent.SetExtension("dataref", "s3://images/mein%20K%C3%A4se.png")
	sent.SetExtension("number", 7)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://broker", nil)
	if err != nil {
		t.Fatal(err)
	}
	encoded := events.EncodeHTTP(sent)
	if err := cehttp.WriteRequest(t.Context(), binding.ToMessage(&encoded), request); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Ce-Id":         "scan%207%0A%C3%BC%2520%22",
		"Ce-Source":     "/my%2520scanner",
		"Ce-Subject":    "%D1%84%D0%BE%D1%82%D0%BE.jpg",
		"Ce-Dataschema": "https://example.com/%25C3%25A4",
		"Ce-Dataref":    "s3://images/mein%2520K%25C3%25A4se.png",
		"Ce-Number":     "7",
	} {
		if got := request.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	received, err := binding.ToEvent(t.Context(), cehttp.NewMessage(request.Header, nil))
	if err != nil {
		t.Fatal(err)
	}
	got, want := events.DecodeHTTP(*received), sent.Clone()
	want.SetExtension("number", "7") // a header has no type
	want.SetID("scan 7%0Aü%20\"")    // an attribute must not have a control character
	if got.String() != want.String() {
		t.Errorf("received\n%v, want\n%v", got, want)
	}
	if sent.Subject() != "фото.jpg" {
		t.Error("EncodeHTTP changed the caller's event")
	}
}

// FuzzDecodeAttribute checks that decoding does not grow a value, and that a canonical form is its own.
func FuzzDecodeAttribute(f *testing.F) {
	for _, value := range []string{"", "a b", "100%", "%E2%98%83", "\xff", `"a"`, "%25%30%41", "%250A"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range []string{"id", "source"} {
			if got := events.DecodeAttribute(name, value); len(got) > 2*len(value) {
				t.Errorf("DecodeAttribute(%q, %q) has %d bytes", name, value, len(got))
			}
		}
		once := events.Canonical(value)
		if strings.Count(value, "%") < 8 && events.Canonical(once) != once {
			t.Errorf("Canonical(%q) = %q, and of that %q", value, once, events.Canonical(once))
		}
	})
}
