package rendition

import (
	"fmt"
	"image/color"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
	"go.yaml.in/yaml/v3"
)

// Limits on a document.
const (
	maxRenditions = 16
	maxSide       = 4096 // pixels
	maxFrames     = 1000
)

// A field is one that a rendition may have in the document.
type field struct {
	name string
	kind kind
	// standard is the value of a field that is not set.
	standard any
	set      func(*Spec, any)
	doc      string
}

// fields are all of them, in the order of the reference page.
var fields = []field{
	{"width", integer{1, maxSide}, 0, func(s *Spec, v any) { s.width = v.(int) },
		"Width of the box in pixels. Without it, the height alone counts."},
	{"height", integer{1, maxSide}, 0, func(s *Spec, v any) { s.height = v.(int) },
		"Height of the box in pixels. Without it, the width alone counts."},
	{"fit", choice(names(raster.Fits())), "inside", func(s *Spec, v any) { s.fit = raster.Fit(v.(string)) },
		"`inside`: the whole image in the box. `cover`: the box is filled, and the rest cropped. `contain`: the whole " +
			"image in the box, whose rest is filled with the background. `fill`: stretched to the box."},
	{"gravity", choice(names(raster.Gravities())), "center",
		func(s *Spec, v any) { s.gravity = raster.Gravity(v.(string)) },
		"The part of the image that `cover` keeps, and the side of the box at which `contain` has it. `smart`, for " +
			"`cover`, is what a viewer looks at first: edges, skin and red."},
	{"filter", choice(names(raster.Filters())), "lanczos", func(s *Spec, v any) { s.filter = raster.Filter(v.(string)) },
		"How the pixels of the rendition are made. `lanczos` weighs those around each. `nearest` takes the nearest one, so " +
			"that enlarged pixel art keeps its edges, and large PNG and GIF take less time."},
	{"enlarge", boolean{}, false, func(s *Spec, v any) { s.enlarge = v.(bool) },
		"Enlarge an image that is smaller than the box. Without it, a side of the image that is shorter than the box's " +
			"stays as it is."},
	{"background", colour{}, "", func(s *Spec, v any) { s.background = parseColour(v.(string)) },
		"What `contain` fills the rest of the box with. By default it is transparent, and white in JPEG."},
	{"format", formats{}, []string{Original}, func(s *Spec, v any) { s.Formats = v.([]string) },
		"Format of the file. Several are negotiated by the header `Accept` of a request; the first is preferred. " +
			"`original` is that of the original, and JPEG or PNG if that is only read."},
	{"quality", integer{1, 100}, 0, func(s *Spec, v any) { s.quality = v.(int) },
		"Quality of a JPEG or WebP. By default it is that of the thumbnail."},
	{"animated", boolean{}, false, func(s *Spec, v any) { s.animated = v.(bool) },
		"Keep the frames of an animation, in GIF and WebP. Without it, the first frame is the rendition."},
	{"max_frames", integer{2, maxFrames}, 60, func(s *Spec, v any) { s.maxFrames = v.(int) },
		"The most frames of an animation; the others are left out. All together they have no more pixels than " +
			"`MAX_IMAGE_PIXELS`."},
	{"rotate", angle{}, 0, func(s *Spec, v any) { s.rotate = v.(int) },
		"Rotate the image clockwise, by degrees. The box is that of the rotated image."},
	{"flip", choice{"horizontal", "vertical", "both"}, "", func(s *Spec, v any) { s.flip = v.(string) },
		"Mirror the image: left and right, top and bottom, or both; after `rotate`."},
	{"grayscale", boolean{}, false, func(s *Spec, v any) { s.adjustments.Grayscale = v.(bool) },
		"Make the rendition gray."},
	{"brightness", number{-100, 100}, 0.0, func(s *Spec, v any) { s.adjustments.Brightness = v.(float64) },
		"Lighten or darken, in percent."},
	{"contrast", number{-100, 100}, 0.0, func(s *Spec, v any) { s.adjustments.Contrast = v.(float64) },
		"Increase or decrease the contrast, in percent."},
	{"gamma", number{0.1, 10}, 1.0, func(s *Spec, v any) { s.adjustments.Gamma = v.(float64) },
		"Lighten the middle tones, above 1, or darken them."},
	{"blur", number{0, 50}, 0.0, func(s *Spec, v any) { s.adjustments.Blur = v.(float64) },
		"Blur, by the standard deviation of a Gaussian filter in pixels of the rendition."},
	{"sharpen", number{0, 10}, 0.0, func(s *Spec, v any) { s.adjustments.Sharpen = v.(float64) },
		"Sharpen, by the standard deviation of the filter in pixels of the rendition; 0.5 is little, 2 is much."},
	{"watermark", object{}, "", func(s *Spec, v any) { s.Watermark.Object = v.(string) },
		"An image that is drawn on the rendition: an object that the access key may read. It is read once by each process; " +
			"for another image, use another key."},
	{"watermark_gravity", choice(compass()), "southeast",
		func(s *Spec, v any) { s.Watermark.Gravity = raster.Gravity(v.(string)) }, "Where the watermark is."},
	{"watermark_opacity", number{0, 1}, 0.5, func(s *Spec, v any) { s.Watermark.Opacity = v.(float64) },
		"How opaque the watermark is."},
	{"watermark_width", number{0.01, 1}, 0.25, func(s *Spec, v any) { s.Watermark.Width = v.(float64) },
		"Width of the watermark, as a part of the rendition's. It is not enlarged, and has at most 1024 pixels on a side."},
}

// compass has all gravities but the smart one.
func compass() []string {
	all := names(raster.Gravities())
	return slices.DeleteFunc(all, func(name string) bool { return name == string(raster.GravitySmart) })
}

func findField(name string) *field {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// A kind is what values a field has.
type kind interface {
	// expected completes the sentence "expected ...".
	expected() string
	// read returns the value of a node; ok is false if it is not one of the kind.
	read(node *yaml.Node) (value any, ok bool)
	// schema returns the JSON Schema of a value.
	schema() map[string]any
}

type integer struct{ min, max int }

func (k integer) expected() string { return fmt.Sprintf("a whole number from %d to %d", k.min, k.max) }

func (k integer) read(node *yaml.Node) (any, bool) {
	value, err := strconv.Atoi(node.Value)
	return value, node.Tag == "!!int" && err == nil && k.min <= value && value <= k.max
}

func (k integer) schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": k.min, "maximum": k.max}
}

type number struct{ min, max float64 }

func (k number) expected() string { return fmt.Sprintf("a number from %g to %g", k.min, k.max) }

func (k number) read(node *yaml.Node) (any, bool) {
	value, err := strconv.ParseFloat(node.Value, 64)
	isNumber := node.Tag == "!!int" || node.Tag == "!!float"
	return value, isNumber && err == nil && k.min <= value && value <= k.max
}

func (k number) schema() map[string]any {
	return map[string]any{"type": "number", "minimum": k.min, "maximum": k.max}
}

// An angle is a number of quarter turns, in degrees.
type angle struct{}

func (angle) expected() string { return "0, 90, 180 or 270" }

func (angle) read(node *yaml.Node) (any, bool) {
	value, err := strconv.Atoi(node.Value)
	return value, node.Tag == "!!int" && err == nil && slices.Contains([]int{0, 90, 180, 270}, value)
}

func (angle) schema() map[string]any { return map[string]any{"enum": []int{0, 90, 180, 270}} }

// An object is the address of one, s3://bucket/key.
type object struct{}

func (object) expected() string { return "the address of an object, s3://bucket/key" }

func (object) read(node *yaml.Node) (any, bool) {
	_, _, err := events.ParseDataRef(node.Value)
	return node.Value, node.Tag == "!!str" && err == nil
}

func (object) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/."}
}

type boolean struct{}

func (boolean) expected() string { return "true or false" }

func (boolean) read(node *yaml.Node) (any, bool) {
	return node.Value == "true", node.Tag == "!!bool" && (node.Value == "true" || node.Value == "false")
}

func (boolean) schema() map[string]any { return map[string]any{"type": "boolean"} }

type choice []string

func (k choice) expected() string { return enumerate(k) }

func (k choice) read(node *yaml.Node) (any, bool) {
	return node.Value, node.Tag == "!!str" && slices.Contains(k, node.Value)
}

func (k choice) schema() map[string]any { return map[string]any{"enum": k} }

// A colour is "#rgb", "#rrggbb" or "#rrggbbaa".
type colour struct{}

func (colour) expected() string {
	return `a colour such as "#fff", "#ff8800" or "#ff880080", in quotes`
}

func (colour) read(node *yaml.Node) (any, bool) {
	digits, marked := strings.CutPrefix(strings.ToLower(node.Value), "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	if len(digits) == 6 {
		digits += "ff"
	}
	_, err := strconv.ParseUint(digits, 16, 32)
	return "#" + digits, node.Tag == "!!str" && marked && len(digits) == 8 && err == nil
}

func (colour) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"}
}

// parseColour returns the colour that colour.read has read; "" is transparent.
func parseColour(text string) color.NRGBA {
	var c color.NRGBA
	if _, err := fmt.Sscanf(text, "#%02x%02x%02x%02x", &c.R, &c.G, &c.B, &c.A); err != nil {
		return color.NRGBA{}
	}
	return c
}

// formats are one name or a list of different ones.
type formats struct{}

func (formats) expected() string { return enumerate(formatNames()) + ", or a list of different ones" }

func (formats) read(node *yaml.Node) (any, bool) {
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	var found []string
	for _, item := range items {
		if item.Tag != "!!str" || !slices.Contains(formatNames(), item.Value) || slices.Contains(found, item.Value) {
			return nil, false
		}
		found = append(found, item.Value)
	}
	return found, len(found) > 0
}

func (formats) schema() map[string]any {
	one := choice(formatNames()).schema()
	list := map[string]any{"type": "array", "items": one, "minItems": 1, "uniqueItems": true}
	return map[string]any{"anyOf": []any{one, list}}
}

// formatNames are Original and the formats that are written.
func formatNames() []string {
	all := []string{Original}
	for _, f := range raster.Formats() {
		if f.Written {
			all = append(all, string(f.Format))
		}
	}
	return all
}

// isAnimated reports whether renditions of a format may be animations.
func isAnimated(format string) bool {
	return format == Original || slices.ContainsFunc(raster.Formats(), func(f raster.FormatInfo) bool {
		return string(f.Format) == format && f.Animated
	})
}

// hasQuality reports whether the quality of a format can be chosen.
func hasQuality(format string) bool {
	return format == Original || format == string(raster.JPEG) || format == string(raster.WebP)
}

func names[T ~string](values []T) []string {
	var all []string
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}

// enumerate joins words as in "a, b or c".
func enumerate(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
