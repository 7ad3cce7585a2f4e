package main

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"mime/multipart"
	"sync"
)

// A file is an image to upload, with the form that has it.
type file struct {
	content, form []byte
	formType      string
}

// A size is a kind of images.
type size struct {
	name       string
	megapixels float64
}

// Sizes that are uploaded. Mixed is of all three.
var (
	small = size{"small", 0.5}
	phone = size{"phone", 12}
	large = size{"large", 48}
	mixed = size{"mixed", 0}
)

// mixture is the sizes of successive images of mixed: 14 small, 5 of a phone and 1 large in 20.
var mixture = []size{
	small, phone, small, small, small, phone, small, small, small, phone,
	small, small, small, phone, small, small, large, small, phone, small,
}

// images makes each file once.
type images struct {
	mutex sync.Mutex
	files map[float64]file
}

func newImages() *images { return &images{files: map[float64]file{}} }

// of returns the ith image of a size.
func (m *images) of(s size, i int) file {
	if s == mixed {
		s = mixture[i%len(mixture)]
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	f, made := m.files[s.megapixels]
	if !made {
		f = newFile(photograph(s.megapixels))
		m.files[s.megapixels] = f
	}
	return f
}

func newFile(content []byte) file {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, _ := w.CreateFormFile("file", "photo.jpg") // writing to a Buffer does not fail
	_, _ = part.Write(content)
	_ = w.Close()
	return file{content, form.Bytes(), w.FormDataContentType()}
}

// photograph returns a JPEG of 4:3, 4:2:0 and quality 85: waves with the noise of a sensor, so that it has about as
// many bits a pixel as a photograph of a phone has. It is the same each time.
func photograph(megapixels float64) []byte {
	height := int(math.Sqrt(megapixels*1e6*3/4)) &^ 15
	width := height * 4 / 3
	m := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	noise := uint32(1)
	row := waves(width, 97, 1.7)
	for y, column := range waves(height, 61, 2.3) {
		line := m.Y[y*m.YStride:][:width]
		for x := range line {
			noise = noise*1664525 + 1013904223 // of Numerical Recipes; the upper bits are the better ones
			line[x] = uint8(128 + row[x] + column + float64(noise>>16%noiseLevels) - noiseLevels/2)
		}
	}
	blue, red := waves(m.CStride, 211, 0.4), waves(m.CStride, 157, 2)
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(128+blue[i%m.CStride]/2), uint8(128+red[i%m.CStride]/2)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 85}); err != nil {
		panic(err) // writing to a Buffer does not fail
	}
	return file.Bytes()
}

// noiseLevels is how far the noise of a photograph reaches, in levels of its luma.
const noiseLevels = 32

// waves returns n values from -50 to 50.
func waves(n int, length, phase float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = 30*math.Sin(float64(i)/length) + 20*math.Sin(float64(i)/(length*7)+phase)
	}
	return values
}
