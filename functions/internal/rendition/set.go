// Package rendition is the configuration of the copies that are made of each image: their sizes, formats and names. It
// reads a YAML document, and reports everything that is wrong with it at once, by line and path.
//
// The fields of the document are declared once, in a table; parser, JSON Schema and reference page follow from it. A
// rendition has a hash of its specification, which is part of its key: a specification that changes makes other
// objects, and replaces none. The package renders and stores nothing.
package rendition

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/color"
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// Thumbnail is the name of the rendition that every image has.
const Thumbnail = "thumbnail"

// Original is the format of a rendition that has that of its original.
const Original = "original"

// A Set is what is made of each image.
type Set struct {
	// Renditions has the thumbnail first, and then the others in the order of the document.
	Renditions []Spec
	// Placeholder and Color report whether a ThumbHash and the dominant colour of each image are in its status.
	Placeholder, Color bool
}

// Default reports whether results are as the original system writes them.
func (s *Set) Default() bool {
	return len(s.Renditions) == 1 && s.Renditions[0].Default() && !s.Placeholder && !s.Color
}

// A Spec describes a rendition.
type Spec struct {
	Name string
	// Formats are Original or names of raster's formats; the first one is preferred. The thumbnail has one.
	Formats []string
	// Hash is the beginning of the SHA-256 of all fields that have not their default values, in hexadecimal.
	Hash string
	// Watermark has an empty Object if there is none. Targets leaves it out, because its image has to be read.
	Watermark Watermark

	width, height int // 0 if there is no limit
	fit           raster.Fit
	gravity       raster.Gravity
	filter        raster.Filter
	enlarge       bool
	background    color.NRGBA
	quality       int
	animated      bool
	maxFrames     int
	rotate        int
	flip          string
	adjustments   raster.Adjustments
}

// A Watermark is an image that is drawn on a rendition; see raster.Watermark.
type Watermark struct {
	Object         string // s3://bucket/key
	Gravity        raster.Gravity
	Opacity, Width float64
}

// Default is what the original system makes: a thumbnail that fits 200x200.
func Default() *Set { return &Set{Renditions: []Spec{thumbnail()}} }

// thumbnail is the original system's.
func thumbnail() Spec {
	return newSpec(Thumbnail, map[string]any{"width": thumbnailSide, "height": thumbnailSide})
}

const thumbnailSide = 200

// newSpec returns the rendition of a name with the values of fields, as they were parsed; the others have their
// defaults.
func newSpec(name string, values map[string]any) Spec {
	s := Spec{Name: name}
	canonical := map[string]any{}
	for _, f := range fields {
		value, set := values[f.name]
		if !set {
			value = f.standard
		}
		f.set(&s, value)
		if set && !equal(value, f.standard) {
			canonical[f.name] = value
		}
	}
	text, err := json.Marshal(canonical) // with its keys in order
	if err != nil {
		panic(err) // the values are numbers, strings and lists of them
	}
	sum := sha256.Sum256(text)
	s.Hash = hex.EncodeToString(sum[:4])
	return s
}

// Find returns the rendition of a name, or nil.
func (s *Set) Find(name string) *Spec {
	i := slices.IndexFunc(s.Renditions, func(spec Spec) bool { return spec.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Renditions[i]
}

// Hash changes with what is made of images: a name, a specification, the placeholder or the colour.
func (s *Set) Hash() string {
	var text strings.Builder
	for _, spec := range s.Renditions {
		fmt.Fprintf(&text, "%s %s\n", spec.Name, spec.Hash)
	}
	fmt.Fprintf(&text, "placeholder %t\ncolor %t\n", s.Placeholder, s.Color)
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:4])
}

// Names returns the names of all renditions.
func (s *Set) Names() []string {
	var names []string
	for _, spec := range s.Renditions {
		names = append(names, spec.Name)
	}
	return names
}

// Default reports whether a rendition is the original system's thumbnail.
func (s Spec) Default() bool { return s.Name == Thumbnail && s.Hash == thumbnail().Hash }

// Targets describes the files of the rendition, one for each format.
func (s Spec) Targets() []raster.Target {
	var all []raster.Target
	for _, format := range s.Formats {
		t := raster.Target{
			Box: raster.Box{Width: s.width, Height: s.height}, Fit: s.fit, Gravity: s.gravity, Filter: s.filter,
			Enlarge: s.enlarge, Background: s.background, Quality: s.quality, Adjustments: s.adjustments,
		}
		if s.rotate != 0 || s.flip != "" {
			t.Turn = raster.Turn(s.rotate, s.flip == "horizontal" || s.flip == "both", s.flip == "vertical" || s.flip == "both")
		}
		if t.Adjustments.Gamma == 1 {
			t.Adjustments.Gamma = 0
		}
		if format != Original {
			t.Format = raster.Format(format)
		}
		if t.Box.Width == 0 {
			t.Box.Width = maxLength
		}
		if t.Box.Height == 0 {
			t.Box.Height = maxLength
		}
		if s.animated {
			t.Frames = s.maxFrames
		}
		all = append(all, t)
	}
	return all
}

// maxLength is the longest side of a WebP. It limits a side that the document does not.
const maxLength = 16383
