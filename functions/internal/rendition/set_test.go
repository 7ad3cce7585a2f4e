package rendition

import (
	"cmp"
	"image/color"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// By default the set is the original system's contract.
func TestDefault(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "an empty document": "---\n", "no renditions": "renditions:\n",
		"spelled out": "renditions: {thumbnail: {width: 200, height: 200, fit: inside, format: original, enlarge: false}}",
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Parse([]byte(text))
			if err != nil || !reflect.DeepEqual(set, Default()) || !set.Renditions[0].Default() {
				t.Fatalf("Parse() = %+v, %v; want the default", set, err)
			}
			want := raster.Target{
				Box: raster.Box{Width: 200, Height: 200}, Fit: raster.FitInside, Gravity: raster.GravityCenter,
				Filter: raster.FilterLanczos,
			}
			if got := set.Renditions[0].Targets(); !reflect.DeepEqual(got, []raster.Target{want}) {
				t.Errorf("Targets() = %+v, want %+v", got, want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	set, err := Parse([]byte(`
renditions:
  card: {width: 640, height: 480, fit: cover, gravity: smart, format: webp, quality: 80}
  hero: {width: 1600, format: [webp, jpeg]}
  gray: {width: 90, grayscale: true, sharpen: 0.5, gamma: 1, rotate: 90, flip: horizontal,
    watermark: s3://assets/logo.png}
  teaser: {width: 320, height: 320, fit: contain, background: "#fa0", gravity: north, animated: true, format: gif,
    filter: nearest}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := set.Names(), []string{"thumbnail", "card", "hero", "gray", "teaser"}; !slices.Equal(got, want) {
		t.Errorf("Names() = %q, want %q", got, want)
	}
	for name, want := range map[string][]raster.Target{
		"card": {{
			Box: raster.Box{Width: 640, Height: 480}, Fit: raster.FitCover, Gravity: raster.GravitySmart,
			Format: raster.WebP, Quality: 80,
		}},
		"hero": {
			{Box: raster.Box{Width: 1600, Height: 16383}, Fit: "inside", Gravity: "center", Format: raster.WebP},
			{Box: raster.Box{Width: 1600, Height: 16383}, Fit: "inside", Gravity: "center", Format: raster.JPEG},
		},
		"gray": {{
			Box: raster.Box{Width: 90, Height: 16383}, Fit: "inside", Gravity: "center", Turn: 5,
			Adjustments: raster.Adjustments{Grayscale: true, Sharpen: 0.5},
		}},
		"teaser": {{
			Box: raster.Box{Width: 320, Height: 320}, Fit: "contain", Gravity: "north", Format: raster.GIF, Frames: 60,
			Background: color.NRGBA{0xff, 0xaa, 0, 0xff}, Filter: raster.FilterNearest,
		}},
	} {
		for i := range want {
			want[i].Filter = cmp.Or(want[i].Filter, raster.FilterLanczos)
		}
		t.Run(name, func(t *testing.T) {
			if got := set.Find(name).Targets(); !reflect.DeepEqual(got, want) {
				t.Errorf("Targets() = %+v, want %+v", got, want)
			}
		})
	}
}

// The hash depends on what a specification means, and not on how it is written. It is part of keys: a change here has
// every rendition made again.
func TestHash(t *testing.T) {
	hash := func(fields string) string {
		set, err := Parse([]byte("renditions: {x: {" + fields + "}}"))
		if err != nil {
			t.Fatal(err)
		}
		return set.Find("x").Hash
	}
	if got, want := Default().Renditions[0].Hash, "1e483f77"; got != want {
		t.Errorf("the thumbnail's hash is %s, want %s", got, want)
	}
	for _, same := range [][2]string{
		{"width: 200, height: 100", "height: 100, width: 200, fit: inside, enlarge: false"},
		{"width: 2, format: webp", "width: 2, format: [webp]"},
		{"width: 2", "width: 2, gamma: 1, brightness: 0, blur: 0.0, rotate: 0, grayscale: false"},
		{
			`width: 2, height: 2, fit: contain, background: "#FA0"`,
			`width: 2, height: 2, fit: contain, background: "#ffaa00ff"`,
		},
	} {
		if hash(same[0]) != hash(same[1]) {
			t.Errorf("the hashes of {%s} and {%s} differ", same[0], same[1])
		}
	}
	seen := map[string]string{}
	for _, other := range []string{
		"width: 200", "height: 200", "width: 201", "width: 200, format: webp", "width: 200, format: [webp, jpeg]",
		"width: 200, format: [jpeg, webp]", "width: 200, quality: 80", "width: 200, animated: true",
		"width: 200, height: 200, enlarge: true", "width: 200, height: 200, fit: cover",
		"width: 200, height: 200, fit: cover, gravity: smart", "width: 200, rotate: 90", "width: 200, flip: both",
		"width: 200, brightness: 1", "width: 200, contrast: 1", "width: 200, gamma: 1.1", "width: 200, sharpen: 1",
		"width: 200, watermark: s3://abc/d", "width: 200, watermark: s3://abc/d, watermark_width: 0.5",
	} {
		if of := seen[hash(other)]; of != "" {
			t.Errorf("the hashes of {%s} and {%s} are one", other, of)
		}
		seen[hash(other)] = other
	}
}

// Every fault is reported at once, with its line and path, what was found and what was expected.
func TestFaults(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"many": {`renditions:
  thumbnail: {width: 0, height: "200", fit: outside}
  card:
    width: 640
    widht: 640
    quality: 101
    enlarge: yes please
    format: [webp, webp]
    background: fff
  Card: {width: 1}
  card: {width: 2}
  bare: {}
  list: [1]
more: 1
`, `line 2: renditions.thumbnail.width is "0"; expected a whole number from 1 to 4096
line 2: renditions.thumbnail.height is "200"; expected a whole number from 1 to 4096
line 2: renditions.thumbnail.fit is "outside"; expected inside, cover, contain or fill
line 5: renditions.card.widht is not known; expected `},
		"the rest of them": {`renditions:
  card:
    width: 640
    quality: 101
    enlarge: yes please
    format: [webp, webp]
    background: fff
  Card: {width: 1}
  card: {width: 2}
  bare: {}
  list: [1]
more: 1
`, `line 4: renditions.card.quality is "101"; expected a whole number from 1 to 100
line 5: renditions.card.enlarge is "yes please"; expected true or false
line 6: renditions.card.format is a list; expected original, jpeg, png, gif or webp, or a list of different ones
line 7: renditions.card.background is "fff"; expected a colour such as "#fff", "#ff8800" or "#ff880080", in quotes
line 8: renditions has the name "Card"; expected 1 to 32 of a-z, 0-9 and hyphen, beginning with a letter
line 9: renditions has "card" twice; expected it once
line 10: renditions.bare has no size; expected width, height or both
line 11: renditions.list is a list; expected a mapping
line 12: "more" is not known; expected renditions, placeholder or color`},
		"fields that need others": {`renditions:
  thumbnail: {width: 9, format: [webp, jpeg]}
  a: {width: 9, fit: cover}
  b: {width: 9, enlarge: true}
  c: {width: 9, gravity: north, background: "#fff", max_frames: 5}
  d: {width: 9, height: 9, fit: contain, gravity: smart, quality: 5, format: png, animated: true}
`, `line 2: renditions.thumbnail.format is a list; expected one format, because the thumbnail has one key
line 3: renditions.a.fit is "cover" with one side only; expected width and height
line 4: renditions.b.enlarge is true with one side only; expected width and height
line 5: renditions.c.gravity has no effect; expected fit: cover or fit: contain beside it
line 5: renditions.c.background has no effect; expected fit: contain beside it
line 5: renditions.c.max_frames has no effect; expected animated: true beside it
line 6: renditions.d.gravity has no effect; expected another gravity than smart with fit: contain
line 6: renditions.d.quality has no effect; expected a format of original, jpeg or webp beside it
line 6: renditions.d.animated has no effect; expected a format of original, gif or webp beside it`},
		"adjustments": {`placeholder: blurhash
color: 1
renditions:
  a: {width: 9, rotate: 45, flip: up, brightness: 101, gamma: 0, watermark: http://x/y, blur: "3"}
  b: {width: 9, watermark_opacity: 0.5}
`, `line 1: placeholder is "blurhash"; expected thumbhash or none
line 2: color is "1"; expected true or false
line 4: renditions.a.rotate is "45"; expected 0, 90, 180 or 270
line 4: renditions.a.flip is "up"; expected horizontal, vertical or both
line 4: renditions.a.brightness is "101"; expected a number from -100 to 100
line 4: renditions.a.gamma is "0"; expected a number from 0.1 to 10
line 4: renditions.a.watermark is "http://x/y"; expected the address of an object, s3://bucket/key
line 4: renditions.a.blur is "3"; expected a number from 0 to 50
line 5: renditions.b.watermark_opacity has no effect; expected watermark beside it`},
		"not YAML":      {"renditions: {\n", "it is not YAML: line 1: "},
		"not a mapping": {"- renditions\n", "line 1: the document is a list; expected a mapping"},
		"a bomb":        {"renditions: &a {x: *a}", "line 1: renditions.x.x is not known; expected "},
		"too many of them": {"renditions:\n" + manyRenditions(16),
			"line 2: renditions has 17 with the thumbnail; expected at most 16"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("Parse() = %v\nwant %s", err, test.want)
			}
		})
	}
}

func manyRenditions(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString("  r" + string(rune('a'+i)) + ": {width: 1}\n")
	}
	return text.String()
}

// blurred has renditions of much time and little memory.
func blurred() (all []string) {
	for i := range 12 {
		all = append(all, string(rune('a'+i))+": {width: 1200, format: jpeg, blur: 50}")
	}
	return all
}

func TestRead(t *testing.T) {
	path := t.TempDir() + "/renditions.yaml"
	writeFile(t, path, "renditions: {card: {width: 640}}\n")
	for name, test := range map[string]struct {
		environment map[string]string
		names, err  string
	}{
		"neither": {nil, "thumbnail", ""},
		"inline":  {map[string]string{"RENDITIONS": "renditions: {a: {width: 1}}"}, "thumbnail a", ""},
		"a file":  {map[string]string{"RENDITIONS_FILE": path}, "thumbnail card", ""},
		"both": {map[string]string{"RENDITIONS_FILE": path, "RENDITIONS": "{}"}, "thumbnail",
			"RENDITIONS and RENDITIONS_FILE are both set; expected one of them"},
		"no file": {map[string]string{"RENDITIONS_FILE": path + "x"}, "thumbnail",
			"RENDITIONS_FILE cannot be read: no such file or directory; expected the path of a YAML document of renditions"},
		"faults": {map[string]string{"RENDITIONS": "a: 1\nb: 2"}, "thumbnail",
			"RENDITIONS is not valid:\nline 1: \"a\" is not known; expected renditions, placeholder or color\n" +
				"line 2: \"b\" is not known; expected renditions, placeholder or color"},
		"too much memory": {map[string]string{"RENDITIONS": "renditions: {a: {width: 90}, b: {width: 4096, format: png}}"},
			"thumbnail", "RENDITIONS is not valid:\nrenditions.b may take 402 MB of memory for an image, and all renditions " +
				"402 MB; expected at most 132 MB for all, seven eighths of DECODE_MEMORY_BYTES"},
		"too much time": {map[string]string{"RENDITIONS": "renditions: {" + strings.Join(blurred(), ", ") + "}"},
			"thumbnail", "RENDITIONS is not valid:\nrenditions.a may take 1.7 s of CPU time for an image, and all renditions " +
				"20.2 s; expected at most 20 s for all"},
	} {
		t.Run(name, func(t *testing.T) {
			r := config.NewReader(func(name string) string { return test.environment[name] })
			set, got := Read(r, raster.Limits{Settings: raster.LimitNames{Memory: "DECODE_MEMORY_BYTES"}}), ""
			if err := r.Err(); err != nil {
				got = strings.TrimPrefix(err.Error(), "bad settings:\n")
			}
			if names := strings.Join(set.Names(), " "); names != test.names || got != test.err {
				t.Errorf("got %s, %s; want %s, %s", names, got, test.names, test.err)
			}
		})
	}
}
