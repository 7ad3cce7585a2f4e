package jpeg

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/refuse"
)

// MaxScans is the number of scans that a file may have. Each scan is work for every pixel, and may take but a hundred
// bytes: a file of 27 KB can have 200 scans over 81 megapixels. Encoders write 10 or so, and nobody knows a real use of
// more than 100: see LJT-01-003 in "Two Issues with the JPEG Standard" of libjpeg-turbo, and Red Hat's bug 1344214.
const MaxScans = 100

// A decoder reads what is behind a frame header.
type decoder struct {
	*File
	frame
	tables tables
	scans  int

	in   *input
	bits *bitReader

	block block // that is being decoded
}

// Decode reads the rest of the file, once, and reduces it: as far as a copy of width x height pixels, or larger, does
// not show. Errors are those of Open. A sequential file without an end marker is not cut short if all of its pixels are
// there: there are cameras that leave it out.
func (f *File) Decode(width, height int) (*plane.Image, error) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	b.input = input{r: f.rest}
	b.bits.in = &b.input
	d := &decoder{File: f, frame: f.frame, tables: f.tables, in: &b.input, bits: &b.bits}
	d.setScales(width, height, d.model() == plane.YCbCr)
	d.allocate()
	if err := d.decode(); err != nil {
		return nil, err
	}
	return d.image(), nil
}

// A buffer is what a decoder needs of whatever file.
type buffer struct {
	input input
	bits  bitReader
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func (d *decoder) decode() error {
	marker, err := d.in.marker()
	for {
		switch {
		case err == io.EOF && !d.progressive && d.missing() == nil:
			return nil
		case err != nil:
			return err
		case marker == eoi:
			return d.finish()
		case isFrame(marker):
			return refuse.AsDamaged(Name, "it has a second frame header")
		case marker == sos:
			marker, err = d.scan()
			continue
		case !standsAlone(marker):
			err = d.segment(marker)
		}
		if err == nil {
			marker, err = d.in.marker()
		}
	}
}

// segment reads, or passes over, what is not pixels.
func (d *decoder) segment(marker byte) error {
	payload, err := d.in.segment()
	switch {
	case err != nil:
		return err
	case isTable(marker):
		return d.tables.read(marker, payload)
	case marker == app1 && d.scans == 0 && d.Orientation == exif.Upright && bytes.HasPrefix(payload, []byte(signature)):
		d.Orientation = exif.Orientation(payload)
	case marker == app2 && bytes.HasPrefix(payload, []byte(profileSignature)):
		d.profile.add(payload[len(profileSignature):])
	}
	return nil
}

func (d *decoder) scan() (marker byte, err error) {
	if d.scans++; d.scans > MaxScans {
		return 0, &refuse.Refusal{
			Reason:  refuse.Unsupported,
			Message: fmt.Sprintf("The JPEG has more than %d scans, the limit", MaxScans),
			Limit:   MaxScans,
		}
	}
	if err := d.Check(); err != nil {
		return 0, err
	}
	s, err := d.readScan()
	if err != nil {
		return 0, err
	}
	return s.decode()
}

func (d *decoder) finish() error {
	err := d.missing()
	if err == nil && d.progressive {
		err = d.reconstruct()
	}
	return err
}

// missing is an error if some component was in no scan.
func (d *decoder) missing() error {
	for _, c := range d.components {
		if c.quant == nil {
			return refuse.AsDamaged(Name, "it has no scan of one of its components")
		}
	}
	return nil
}

func (d *decoder) image() *plane.Image {
	m := &plane.Image{Width: d.width, Height: d.height, Model: d.model(), Profile: d.profile.whole()}
	for _, c := range d.components {
		m.Planes = append(m.Planes, c.plane)
	}
	return m
}

// model is what the markers say that the components are: as libjpeg has it, and the browsers.
func (d *decoder) model() plane.Model {
	switch t, n := d.tables, len(d.components); {
	case n == 1:
		return plane.Gray
	case n == 4 && t.adobe && t.transform != 0:
		return plane.YCCK
	case n == 4:
		return plane.CMYK
	case t.adobe && !t.jfif && t.transform == 0, !t.adobe && !t.jfif && d.isNamedRGB():
		return plane.RGB
	default:
		return plane.YCbCr
	}
}

func (d *decoder) isNamedRGB() bool {
	return d.components[0].id == 'R' && d.components[1].id == 'G' && d.components[2].id == 'B'
}
