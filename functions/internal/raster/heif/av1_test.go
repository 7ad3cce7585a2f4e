package heif

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/codec"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane/planetest"
)

// av1Sample returns a file of testdata/avif.
func av1Sample(tb testing.TB, name string) []byte {
	tb.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", "avif", name+".avif"))
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// shownAVIF is what a viewer shows of a file, some times smaller.
func shownAVIF(t *testing.T, file []byte, times int) *image.NRGBA {
	t.Helper()
	f, err := OpenAVIF(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	o := codec.Options{
		Width: (f.Width + times - 1) / times, Height: (f.Height + times - 1) / times,
	}
	m, err := decodeWith(f, o)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	view := plane.View{Width: o.Width, Height: o.Height, Across: float64(f.Width), Down: float64(f.Height),
		Orientation: f.Orientation}
	if f.Orientation >= 5 {
		view.Width, view.Height, view.Across, view.Down = view.Height, view.Width, view.Down, view.Across
	}
	return m.Resample(view).NRGBA()
}

// TestAVIFReferences compares the files of testdata/avif with what avifdec shows of them: at their full size pixel by
// pixel, and reduced by averages.
func TestAVIFReferences(t *testing.T) {
	names, err := filepath.Glob("testdata/avif/*.avif")
	if err != nil || len(names) < 25 {
		t.Fatalf("found %d files, %v; expected 25 or more", len(names), err)
	}
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".avif")
		t.Run(name, func(t *testing.T) {
			file, want := av1Sample(t, name), readPNG(t, strings.TrimSuffix(path, ".avif")+".png")
			got := shownAVIF(t, file, 1)
			compare(t, got, want, 8)
			least := 46.0
			if f, err := OpenAVIF(bytes.NewReader(file)); err == nil && f.primary.stepX > 1 && !strings.Contains(name, "alpha") {
				least = 40 // subsampled chroma is interpolated, but not alike; beside alpha it is not
			}
			if db := psnr(t, got, want); db < least {
				t.Errorf("PSNR is %.1f dB, want %.0f or more", db, least)
			}
			small := shownAVIF(t, file, 6)
			compare(t, small, reduced(want, small.Bounds().Size()), 8)
		})
	}
}

// psnr compares premultiplied pixels: the colours of transparent ones do not count.
func psnr(t *testing.T, a, b image.Image) float64 {
	t.Helper()
	if a.Bounds() != b.Bounds() {
		t.Fatalf("the picture is %v, want %v", a.Bounds().Size(), b.Bounds().Size())
	}
	size, sum := a.Bounds().Size(), 0.0
	for y := range size.Y {
		for x := range size.X {
			r, g, b, alpha := difference(a, b, x, y)
			sum += r*r + g*g + b*b + alpha*alpha
		}
	}
	return 10 * math.Log10(255*255/max(sum/float64(4*size.X*size.Y), 1e-9))
}

func difference(a, b image.Image, x, y int) (red, green, blue, alpha float64) {
	r, g, bl, al := a.At(x, y).RGBA()
	r2, g2, bl2, al2 := b.At(x, y).RGBA()
	off := func(v, w uint32) float64 { return (float64(v) - float64(w)) / 257 }
	return off(r, r2), off(g, g2), off(bl, bl2), off(al, al2)
}

func reduced(m image.Image, size image.Point) image.Image {
	view := plane.View{Width: size.X, Height: size.Y, Across: float64(m.Bounds().Dx()), Down: float64(m.Bounds().Dy()),
		Orientation: 1}
	return planetest.Of(m, size.X, size.Y).Resample(view).NRGBA()
}

// TestMutatedAVIF decodes files with changed bytes. They are refused or decoded.
func TestMutatedAVIF(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"420_8", "444_12", "gray_8", "alpha", "grid", "tiles", "screen", "layers"} {
		t.Run(name, func(t *testing.T) {
			file := av1Sample(t, name)
			for range 40 {
				mutated := bytes.Clone(file)
				for range 1 + random.IntN(3) {
					mutated[random.IntN(len(mutated))] ^= byte(1 << random.IntN(8))
				}
				checkMutated(t, mutated[:len(mutated)-random.IntN(2)*random.IntN(len(mutated))])
			}
		})
	}
}

func checkMutated(t *testing.T, file []byte) {
	t.Helper()
	f, err := OpenAVIF(bytes.NewReader(file))
	if err == nil && f.DecodedPixels < maxTested {
		_, err = decodeWith(f, codec.Options{Width: 20, Height: 20})
	}
	checkFuzzed(t, err)
}

// A file can have a property of 4 MiB, and thousands of items with it that differ in their sizes.
func TestLargeAV1Configuration(t *testing.T) {
	_, err := configureAV1(make([]byte, maxAV1Headers+1), 1, 1, selection{})
	if err == nil || !strings.Contains(err.Error(), "has 4097 bytes, expected at most 4096") {
		t.Errorf("got %v, want that the property is too large", err)
	}
}

// The properties a1op and lsel select layers of a picture.
func TestSelectedLayers(t *testing.T) {
	data := streamOf(t, "l_four")
	const isDeep = 1 << 6 // 10 bits, 4:4:4
	fileOf := func(properties ...[]byte) []byte {
		b := &builder{primary: 1}
		i := b.add(&built{kind: "av01", data: data, properties: []int{
			b.property(box("av1C", []byte{0x81, 0, isDeep, 0})), b.property(fullBox("ispe", 0, 0, be32(64), be32(48))),
		}})
		for _, p := range properties {
			i.properties = append(i.properties, -b.property(p))
		}
		return b.bytes()
	}
	a1op := func(point int) []byte { return box("a1op", []byte{byte(point)}) }
	lsel := func(layer int) []byte { return box("lsel", be16(layer)) }
	all, base := shownAVIF(t, fileOf(), 1), shownAVIF(t, fileOf(lsel(0)), 1)
	if bytes.Equal(all.Pix, base.Pix) {
		t.Fatal("the first layer is like the last")
	}
	tests := []struct {
		name       string
		properties [][]byte
		want       *image.NRGBA
	}{
		{"first operating point", [][]byte{a1op(0)}, all},
		{"last operating point", [][]byte{a1op(3)}, base},
		{"all layers", [][]byte{lsel(0xffff)}, all},
		{"last layer", [][]byte{lsel(3)}, all},
		{"first layer of an operating point", [][]byte{a1op(1), lsel(0)}, base},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := shownAVIF(t, fileOf(test.properties...), 1); !bytes.Equal(got.Pix, test.want.Pix) {
				t.Error("got another picture")
			}
		})
	}
	for name, file := range map[string][]byte{
		"operating points":  fileOf(a1op(4)),
		"a1op box ends":     fileOf(box("a1op")),
		"lsel box ends":     fileOf(box("lsel", []byte{0})),
		"64x48 pixels, exp": bytes.Replace(fileOf(), join(be32(64), be32(48)), join(be32(65), be32(48)), 1),
	} {
		f, err := OpenAVIF(bytes.NewReader(file))
		if err == nil {
			_, err = decode(f, 20, 20)
		}
		checkRefusal(t, err, isDamaged, name)
	}
}

// layeredAVIF returns a file of a stream of package av1's tests. Its layers are predicted from one another.
func layeredAVIF(t *testing.T, name string, flags byte, width, height int, properties ...[]byte) []byte {
	t.Helper()
	return configuredAVIF(streamOf(t, name), []byte{0x81, 0, flags, 0}, width, height, properties...)
}

func streamOf(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "av1", "testdata", "streams", name+".obu"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// configuredAVIF returns a file with an item, and its av1C property.
func configuredAVIF(data, av1C []byte, width, height int, properties ...[]byte) []byte {
	b := &builder{primary: 1}
	i := b.add(&built{kind: "av01", data: data, properties: []int{
		b.property(box("av1C", av1C)), b.property(fullBox("ispe", 0, 0, be32(width), be32(height))),
	}})
	for _, p := range properties {
		i.properties = append(i.properties, b.property(p))
	}
	return b.bytes()
}

func TestPredictedLayers(t *testing.T) {
	const half = 3 << 2 // 4:2:0
	whole := shownAVIF(t, layeredAVIF(t, "l_predicted", half, 128, 88), 1)
	first := shownAVIF(t, layeredAVIF(t, "l_predicted", half, 128, 88, box("lsel", be16(0))), 1)
	if bytes.Equal(whole.Pix, first.Pix) {
		t.Error("the last layer is like the first")
	}
	if got, want := whole.Bounds(), image.Rect(0, 0, 128, 88); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// References take memory that a file has to state if it is much.
func TestMemoryOfLayers(t *testing.T) {
	const isDeep = 1 << 6
	a1lx := func(sizes ...int) []byte {
		return box("a1lx", []byte{0}, be16(sizes[0]), be16(sizes[1]), be16(sizes[2]))
	}
	memory := func(file []byte) int64 {
		f, err := OpenAVIF(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return f.Cost(codec.Job{Width: 20, Height: 20}).Memory
	}
	unstated := layeredAVIF(t, "i_flat", isDeep, 1024, 512)
	stated := layeredAVIF(t, "i_flat", isDeep, 1024, 512, a1lx(9, 9, 9))
	const samples, pixels = 3 * 1024 * 512, 1024 * 512
	if one, four := memory(unstated), memory(stated); four-one != 3*(2*samples+pixels) {
		t.Errorf("four layers cost %d bytes, one %d, want the samples and blocks of three more", four, one)
	}
	f, err := OpenAVIF(bytes.NewReader(unstated))
	if err == nil {
		_, err = decode(f, 20, 20)
	}
	checkRefusal(t, err, isUnsupported, "layers that take")
	if f, err = OpenAVIF(bytes.NewReader(stated)); err == nil {
		_, err = decode(f, 20, 20)
	}
	if err != nil {
		t.Errorf("got %v for a file that states its layers", err)
	}
}

// The time of a picture is that of the layers that its properties state.
func TestTimeOfLayers(t *testing.T) {
	data, a1op := streamOf(t, "l_four"), func(point byte) []byte { return box("a1op", []byte{point}) }
	lsel := func(layer int) []byte { return box("lsel", be16(layer)) }
	three := box("a1lx", []byte{0}, be16(9), be16(9), be16(0))
	short := []byte{0x81, 0, 1 << 6, 0}
	const delimiter = 2                                // bytes
	whole := join(short, data[delimiter:][:2+data[3]]) // with the sequence header
	for name, test := range map[string]struct {
		av1C       []byte
		properties [][]byte
		want       int
	}{
		"nothing":                           {short, nil, 1},
		"sequence header":                   {whole, nil, 4},
		"a1lx":                              {short, [][]byte{three}, 3},
		"a1lx and sequence header":          {whole, [][]byte{three}, 4},
		"a1op":                              {short, [][]byte{a1op(2)}, 4},
		"a1op and sequence header":          {whole, [][]byte{a1op(2)}, 2},
		"a1op and a1lx":                     {short, [][]byte{a1op(2), three}, 3},
		"a1op beyond those":                 {whole, [][]byte{a1op(4)}, 4},
		"lsel of the first":                 {short, [][]byte{lsel(0)}, 1},
		"lsel of the second":                {short, [][]byte{lsel(1)}, 2},
		"lsel of all":                       {short, [][]byte{lsel(0xffff)}, 4},
		"lsel, a1lx":                        {short, [][]byte{lsel(1), three}, 2},
		"lsel, a1op, a1lx, sequence header": {whole, [][]byte{lsel(1), a1op(1), three}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := OpenAVIF(bytes.NewReader(configuredAVIF(data, test.av1C, 64, 48, test.properties...)))
			if err != nil {
				t.Fatal(err)
			}
			const nanos = 110
			if got, want := f.Cost(codec.Job{}).CPU, codec.Each(int64(64*48*test.want), nanos); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestCountLayers(t *testing.T) {
	tests := map[string]struct {
		body []byte
		want int
	}{
		"empty": {nil, 1},
		"two":   {[]byte{0, 0, 9, 0, 0, 0, 0}, 2},
		"four":  {[]byte{0, 0, 9, 0, 9, 0, 9}, 4},
		"large": {[]byte{1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 3},
		"short": {[]byte{0, 0, 9, 0}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := countLayers(test.body); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
