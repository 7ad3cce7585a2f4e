package raster

import (
	"bytes"
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/icc"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// A renderer receives the frames of an image as they are decoded, and makes renditions of them.
type renderer struct {
	header         Header
	checkCancelled func() error
	outputs        []output
	first          *plane.Image
	pyramid        pyramid // of first
	frameCount     int
	encodeErr      error
	result         codec.Result
}

// An output is a rendition that is being made.
type output struct {
	Target
	entry     *formatEntry // nil as long as the format depends on the pixels
	animation animation    // nil for a still rendition
	position  position     // of an animation
}

// newOutput resolves what the target leaves open by the header of the image.
func newOutput(t Target, h Header, original *formatEntry, table formatTable) output {
	if t.Format == "" && original.encode != nil {
		t.Format = original.Format
	}
	o := output{Target: t, entry: table.find(t.Format)}
	o.Frames = max(1, o.Frames)
	if o.entry == nil || o.entry.newAnimation == nil || h.Frames == 1 {
		o.Frames = 1
	}
	if o.Frames > 1 {
		o.animation = o.entry.newAnimation(o.Quality)
	}
	return o
}

// resolve chooses the format of a rendition whose original is of a format that is only read.
func (o *output) resolve(m *plane.Image) {
	if o.entry != nil {
		return
	}
	o.Format = opaqueFallback
	if m.HasAlpha() {
		o.Format = alphaFallback
	}
	o.entry = formats.find(o.Format)
}

// addFrame takes the next frame. The first one is kept until its orientation is known. The others are resampled at
// once, so that memory does not grow with the number of frames times their pixels.
func (r *renderer) addFrame(frame plane.Frame) error {
	if frame.Width != r.header.Width || frame.Height != r.header.Height {
		return imgerr.Damaged("image", "its pixels are %dx%d, expected %dx%d as in its header",
			frame.Width, frame.Height, r.header.Width, r.header.Height)
	}
	if r.first == nil {
		r.first, r.pyramid = frame.Image, pyramid{frame.Image}
	}
	for i := range r.outputs {
		o := &r.outputs[i]
		if o.animation == nil || r.frameCount >= o.Frames {
			continue
		}
		if err := r.checkCancelled(); err != nil {
			return err
		}
		if r.frameCount == 0 { // all frames show the same part
			o.position = o.locate(frame.Image, exif.Upright)
		}
		small, err := o.draw(frame.Image, o.view(frame.Width, frame.Height, exif.Upright, o.position), r.checkCancelled)
		if err != nil {
			return err
		}
		if err := o.animation.Add(plane.Frame{Image: small, Delay: frame.Delay}); err != nil {
			r.encodeErr = fmt.Errorf("encode %s: %w", o.Format, err)
			return r.encodeErr
		}
	}
	r.frameCount++
	return r.checkCancelled()
}

// renditions encodes all outputs, in the order of their targets.
func (r *renderer) renditions() ([]Rendition, error) {
	var all []Rendition
	for _, o := range r.outputs {
		if err := r.checkCancelled(); err != nil {
			return nil, fmt.Errorf("resample image: %w", err)
		}
		o.resolve(r.first)
		rendition, err := r.rendition(o)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", o.Format, err)
		}
		all = append(all, rendition)
	}
	return all, nil
}

func (r *renderer) rendition(o output) (rendition Rendition, err error) {
	width, height, orientation := r.header.Width, r.header.Height, r.result.Orientation
	rendition = Rendition{Format: o.Format, Frames: 1}
	rendition.OriginalWidth, rendition.OriginalHeight = orientedSize(width, height, orientation)
	var file bytes.Buffer
	if o.animation != nil && o.animation.Frames() > 1 && orientation == exif.Upright {
		rendition.Width, rendition.Height = o.size(o.view(width, height, orientation, o.position))
		rendition.Frames = o.animation.Frames()
		err = o.animation.Encode(&file, r.result.Loops)
	} else {
		place := r.first
		if o.Gravity == GravitySmart {
			place = r.smallest(attentionView(r.first, orientation), 1)
		}
		view := o.view(width, height, orientation, o.locate(place, orientation))
		part := 1.0
		if o.entry.subsampling && o.isPlain(view) {
			part = 2
		}
		var small *plane.Image
		if small, err = o.draw(r.smallest(view, part), view, r.checkCancelled); err != nil {
			return rendition, err
		}
		rendition.Width, rendition.Height = small.Width, small.Height
		err = o.entry.encode(&file, small, o.Quality)
	}
	rendition.Bytes = file.Bytes()
	return rendition, err
}

// smallest returns the first frame, reduced as far as a view of it allows if there are several outputs. A single one
// has what the decoder has reduced for it.
func (r *renderer) smallest(v plane.View, part float64) *plane.Image {
	if len(r.outputs) == 1 || v.Nearest {
		return r.first
	}
	return r.pyramid.smallest(v, part)
}

// resample makes a copy in sRGB: colours are converted here, where pixels are few.
func resample(m *plane.Image, v plane.View, subsampling bool) *plane.Image {
	switch convert := icc.Conversion(m); {
	case subsampling && convert == nil:
		return m.Resample420(v)
	case subsampling:
		return m.Resample(v).ConvertColors(convert).To420()
	case convert == nil:
		return m.Resample(v)
	default:
		return m.Resample(v).ConvertColors(convert)
	}
}
