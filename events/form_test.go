package events

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// The forms are those of regular expressions, for texts that are nearly of the form.
func TestForms(t *testing.T) {
	long := strings.Repeat("a", 600)
	const id, hex32 = "0d9f4f3a-8a43-4a3c-9f1e-2f6f0f6f5a11", "4bf92f3577b34da6a3ce929d0e0e4736"
	for name, test := range map[string]struct {
		has  func(string) bool
		want string
		like []string
	}{
		"image ID": {
			IsImageID, `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
			[]string{id, strings.ToUpper(id), id + "0", hex32},
		},
		"bucket": {
			isBucketName, `^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`,
			[]string{"images", "a.b-c", "ab", long[:63], long[:64], "-ab", "a--"},
		},
		"media type": {
			isMediaType, `^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$`,
			[]string{"image/svg+xml", "a/b/c", "image/", "/png", "image", "1!#$&^_.+-/2"},
		},
		"reason": {isReason, `^[a-z][a-z0-9_]{0,63}$`, []string{"too_large", "1a", "_a", long[:64], long[:65], "a1"}},
		"rendition": {
			isRenditionName, `^[a-z][a-z0-9-]{0,31}$`, []string{"card-2", "2card", long[:32], long[:33], "-"},
		},
		"traceparent": {
			isTraceParent, `^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`,
			[]string{"00-" + hex32 + "-00f067aa0ba902b7-01", "00" + hex32},
		},
		"tracestate": {
			isTraceState, `^[!-~]([ -~]{0,510}[!-~])?$`,
			[]string{"a=b, c=d", " a", "a ", "a", long[:512], long[:513], "a\tb"},
		},
		"attribute": {
			func(text string) bool { return consistsOf(text, isVisible) }, `^[!-~]*$`, []string{"/camera/1", "a b", "ä"},
		},
		"ThumbHash": {
			isThumbHash, `^[A-Za-z0-9+/]{8,60}={0,2}$`,
			[]string{
				"1QcSHQRnh493V4dIh4eXh1h4kJUI", "abcdefg=", "abcdefgh==", "abcdefgh===", long[:60], long[:61], "ab=cdefghi",
			},
		},
		"color": {isColor, `^#[0-9a-f]{6}$`, []string{"#00ff7f", "#00FF7F", "00ff7f", "#00ff7", "##00ff7"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := regexp.MustCompile(test.want)
			check := func(text string) {
				if got := test.has(text); got != want.MatchString(text) {
					t.Errorf("%q has the form: %t, want %t", text, got, !got)
				}
			}
			random := rand.New(rand.NewPCG(1, 2))
			for _, text := range append(test.like, "", "\n") {
				check(text)
				for range 1000 {
					check(mutated(random, text))
				}
			}
		})
	}
}

// mutated returns text with a byte inserted, replaced or removed.
func mutated(random *rand.Rand, text string) string {
	i := random.IntN(len(text) + 1)
	b := string([]byte{byte(random.IntN(256))})
	switch random.IntN(3) {
	case 0:
		return text[:i] + b + text[i:]
	case 1:
		return text[:i] + b + text[min(i+1, len(text)):]
	}
	return text[:i] + text[min(i+1, len(text)):]
}
