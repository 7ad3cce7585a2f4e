package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/exif"
	"gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// maxScans is the number of scans that a file may have. Each scan is work for every pixel, and may take only a hundred
// bytes: a file of 27 KB can have 200 scans of 81 megapixels. Encoders write about 10, and no real use of more than 100
// is known: see LJT-01-003 in "Two Issues with the JPEG Standard" of libjpeg-turbo, and Red Hat's bug 1344214.
const maxScans = 100

// A decoder reads what follows a frame header.
type decoder struct {
	*File
	frame
	tables    tables
	scanCount int

	in   *input
	bits *bitReader

	block block // the block that is being decoded
}

// Decode implements codec.File. It ends with the last pixel of a sequential file, whatever follows it, because some
// cameras leave the EOI marker out, and with the EOI marker of a progressive one.
func (f *File) Decode(o codec.Options) (codec.Result, error) {
	if o.Check != nil {
		f.check = o.Check
	}
	f.tolerant = o.Tolerant
	m, err := f.decodeImage(o.Width, o.Height)
	if err == nil {
		err = codec.ShowStill(o, m)
	}
	return codec.Result{Orientation: f.Orientation}, err
}

// decodeImage returns an image that is reduced for copies of width x height pixels.
func (f *File) decodeImage(width, height int) (*plane.Image, error) {
	b := decodeBuffers.Get().(*decodeBuffer)
	defer decodeBuffers.Put(b)
	b.input = input{r: f.rest}
	b.bits.in = &b.input
	d := &decoder{File: f, frame: f.frame, tables: f.tables, in: &b.input, bits: &b.bits}
	d.setScales(width, height, d.colorModel() == plane.YCbCr)
	d.allocate()
	if err := d.decode(); err != nil {
		return nil, err
	}
	return d.image(), nil
}

// A decodeBuffer is the part of a decoder that can be reused for any file.
type decodeBuffer struct {
	input input
	bits  bitReader
}

var decodeBuffers = sync.Pool{New: func() any { return new(decodeBuffer) }}

func (d *decoder) decode() error {
	marker, err := d.in.nextMarker()
	for {
		switch {
		case errors.Is(err, io.EOF) && d.isComplete():
			return nil
		case err != nil:
			return err
		case marker == eoi:
			return d.finish()
		case isSOF(marker):
			return imgerr.Damaged(Name, "it has a second frame header")
		case marker == sos:
			if marker, err = d.decodeScan(); err == nil && d.isComplete() {
				return nil
			}
			continue
		case !isStandalone(marker):
			err = d.readSegment(marker)
		}
		if err == nil {
			marker, err = d.in.nextMarker()
		}
	}
}

// readSegment reads or skips a segment other than a scan.
func (d *decoder) readSegment(marker byte) error {
	payload, err := d.in.readSegment()
	switch {
	case err != nil:
		return err
	case isTableSegment(marker):
		return d.tables.read(marker, payload)
	case marker == app1 && bytes.HasPrefix(payload, []byte(exifSignature)):
		if d.scanCount == 0 && !d.hasExif {
			d.hasExif, d.Orientation = true, exif.Orientation(payload)
		}
	case marker == app2 && bytes.HasPrefix(payload, []byte(profileSignature)) && d.metadata.Left() > 0:
		d.metadata.Take(int64(len(payload)))
		d.profile.add(payload[len(profileSignature):])
	}
	return nil
}

func (d *decoder) decodeScan() (marker byte, err error) {
	if d.scanCount++; d.scanCount > maxScans {
		return 0, &imgerr.Error{
			Reason:  imgerr.ReasonUnsupported,
			Message: fmt.Sprintf("The JPEG has more than %d scans, the limit", maxScans),
			Limit:   maxScans,
		}
	}
	if err := d.check(); err != nil {
		return 0, err
	}
	s, err := d.readScan()
	if err != nil {
		return 0, err
	}
	return s.decode()
}

func (d *decoder) finish() error {
	err := d.checkComponents()
	if err == nil && d.progressive {
		err = d.reconstruct()
	}
	return err
}

// isComplete reports whether nothing that follows belongs to the image: all components of a sequential file have been
// decoded. Cameras append other images, videos and data of their own, with or without an EOI marker before them.
func (d *decoder) isComplete() bool { return !d.progressive && d.checkComponents() == nil }

// checkComponents returns an error if a component was in no scan.
func (d *decoder) checkComponents() error {
	for _, c := range d.components {
		if c.quant == nil {
			return imgerr.Damaged(Name, "the scan of a component is missing")
		}
	}
	return nil
}

func (d *decoder) image() *plane.Image {
	m := &plane.Image{Width: d.width, Height: d.height, Model: d.colorModel(), Profile: d.profile.assemble()}
	for _, c := range d.components {
		m.Planes = append(m.Planes, c.plane)
	}
	return m
}

// colorModel is what the markers say about the components, by the rules of libjpeg and of browsers.
func (d *decoder) colorModel() plane.Model {
	switch t, n := d.tables, len(d.components); {
	case n == 1:
		return plane.Gray
	case n == 4 && t.adobe && t.adobeTransform != 0:
		return plane.YCCK
	case n == 4:
		return plane.CMYK
	case t.adobe && !t.jfif && t.adobeTransform == 0, !t.adobe && !t.jfif && d.hasRGBComponentIDs():
		return plane.RGB
	default:
		return plane.YCbCr
	}
}

func (d *decoder) hasRGBComponentIDs() bool {
	return d.components[0].id == 'R' && d.components[1].id == 'G' && d.components[2].id == 'B'
}
