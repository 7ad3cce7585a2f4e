package icc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// profiles are the files of testdata, by name.
func profiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.icc")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no profiles: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".icc")] = content
	}
	return all
}

// modelOf is the model of pixels that a profile is for.
func modelOf(profile []byte) plane.Model {
	switch string(profile[atColorSpace:][:4]) {
	case spaceGray:
		return plane.Gray
	case spaceCMYK:
		return plane.CMYK
	default:
		return plane.RGB
	}
}

// littlecms rounds intermediate results, so that a level may differ by one.
func TestConvertLikeLittleCMS(t *testing.T) {
	file, err := os.Open("testdata/lcms.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := profiles(t)
	seen, levels, others := map[string]bool{}, 0, 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var name string
		var from, want [3]uint8
		if _, err := fmt.Sscan(lines.Text(), &name, &from[0], &from[1], &from[2], &want[0], &want[1], &want[2]); err != nil {
			t.Fatal(err)
		}
		seen[name] = true
		convert := Conversion(&plane.Image{Model: modelOf(all[name]), Profile: all[name]})
		if convert == nil {
			t.Fatalf("%s is not converted", name)
		}
		got := []uint8{from[0], from[1], from[2], 77}
		convert(got)
		for i, v := range want {
			levels++
			switch d := int(got[i]) - int(v); {
			case d < -1 || d > 1:
				t.Errorf("%s: %v becomes %v, want %v", name, from, got, want)
			case d != 0:
				others++
			}
		}
		if got[3] != 77 {
			t.Errorf("%s: alpha becomes %d", name, got[3])
		}
	}
	if len(seen) != len(all) {
		t.Errorf("colours of %d profiles, want %d", len(seen), len(all))
	}
	if others > levels/50 {
		t.Errorf("%d of %d levels differ", others, levels)
	}
}

// srgb is an sRGB profile whose curve is sampled, as cameras and Photoshop write it.
func srgb() []byte {
	samples := []byte("curv\x00\x00\x00\x00\x00\x00\x04\x00")
	for i := range 1024 {
		samples = binary.BigEndian.AppendUint16(samples, uint16(srgbToLinear(float64(i)/1023)*65535+0.5))
	}
	var tags []tag
	for i, name := range channelTags {
		m := srgbColorants
		colorant := appendS15Fixed16([]byte("XYZ \x00\x00\x00\x00"), m[i], m[3+i], m[6+i])
		tags = append(tags, tag{name.curve, samples}, tag{name.colorant, colorant})
	}
	return buildProfile(spaceRGB, spaceXYZ, tags)
}

func TestConversion(t *testing.T) {
	all, tables := profiles(t), tableProfiles(t)
	empty := func(space string) []byte { return buildProfile(space, spaceLab, []tag{{"A2B0", make([]byte, 100)}}) }
	curvesToLab := bytes.Replace(all["p3"], []byte(spaceXYZ), []byte(spaceLab), 1)
	broken := bytes.Clone(all["adobe"])
	copy(broken[bytes.Index(broken, []byte("curv")):], "what")
	link := bytes.Clone(tables["rgb8"])
	copy(link[atClass:], "link")
	tests := []struct {
		name      string
		profile   []byte
		model     plane.Model
		converted bool
	}{
		{"none", nil, plane.RGB, false},
		{"sRGB", srgb(), plane.RGB, false},
		{"sRGB", srgb(), plane.YCbCr, false},
		{"sRGB", srgb(), plane.Gray, false},
		{"Display P3", all["p3"], plane.RGB, true},
		{"Display P3", all["p3"], plane.YCbCr, true},
		{"Display P3, whose grays are those of sRGB", all["p3"], plane.Gray, false},
		{"Adobe RGB", all["adobe"], plane.Gray, true},
		{"RGB", all["adobe"], plane.CMYK, false},
		{"RGB", all["adobe"], plane.YCCK, false},
		{"gray", all["gray"], plane.Gray, true},
		{"gray", all["gray"], plane.YCbCr, false},
		{"gray", all["gray"], plane.RGB, false},
		{"CMYK", tables["cmyk8"], plane.CMYK, true},
		{"CMYK", tables["cmyk8"], plane.YCCK, true},
		{"CMYK", tables["cmyk8"], plane.YCbCr, false},
		{"CMYK", tables["cmyk8"], plane.Gray, false},
		{"broken CMYK", empty("CMYK"), plane.CMYK, false},
		{"tables", tables["rgb8"], plane.RGB, true},
		{"tables", tables["rgb8"], plane.YCbCr, true},
		{"tables", tables["rgb8"], plane.Gray, true},
		{"tables", tables["rgb8"], plane.CMYK, false},
		{"tables of gray", tables["gray8"], plane.Gray, true},
		{"tables of gray", tables["gray8"], plane.RGB, false},
		{"broken tables", empty(spaceRGB), plane.RGB, false},
		{"broken tables of gray", empty(spaceGray), plane.Gray, false},
		{"tables from one device to another", link, plane.RGB, false},
		{"broken tables, and curves", withTag(t, all["adobe"], "A2B0", make([]byte, 100)), plane.RGB, true},
		{"curves that lead to L*a*b*", curvesToLab, plane.RGB, false},
		{"a curve of no known type", broken, plane.RGB, false},
		{"too short", all["p3"][:len(all["p3"])-1], plane.RGB, false},
		{"too long", append(bytes.Clone(tables["rgb8"]), make([]byte, MaxSize)...), plane.RGB, false},
		{"not a profile", make([]byte, 1000), plane.RGB, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s with model %d", test.name, test.model), func(t *testing.T) {
			convert := Conversion(&plane.Image{Model: test.model, Profile: test.profile})
			if got := convert != nil; got != test.converted {
				t.Errorf("converted: %v, want %v", got, test.converted)
			}
		})
	}
}

// withTag adds a tag to a profile.
func withTag(tb testing.TB, b []byte, name string, content []byte) []byte {
	tb.Helper()
	p, ok := parseProfile(b)
	if !ok {
		tb.Fatal("the profile is broken")
	}
	tags := []tag{{name, content}}
	for name, content := range p.tags {
		tags = append(tags, tag{name, content})
	}
	return buildProfile(p.colorSpace, p.pcs, tags)
}

// A linear value halfway between two levels is where one becomes the other, for every level.
func TestLinearToSRGBRounding(t *testing.T) {
	for i := range 1 << 16 {
		light := float64(i) / (1 << 16)
		got := linearToSRGB(float32(light))
		if lower, upper := srgbToLinear((float64(got)-0.5)/255), srgbToLinear((float64(got)+0.5)/255); light < lower-1e-7 ||
			light > upper+1e-7 {
			t.Fatalf("light of %v becomes %d, which is from %v to %v", light, got, lower, upper)
		}
	}
	for v := range 256 {
		if got := linearToSRGB(float32(srgbToLinear(float64(v) / 255))); int(got) != v {
			t.Errorf("level %d becomes %d", v, got)
		}
	}
}

func TestConverterCacheIsBounded(t *testing.T) {
	for i := range 3 * maxConverters {
		profile := append(srgb(), byte(i))
		Conversion(&plane.Image{Model: plane.RGB, Profile: profile})
	}
	converters.Lock()
	defer converters.Unlock()
	if n := len(converters.of); n == 0 || n > maxConverters {
		t.Errorf("%d converters are kept, want %d at most", n, maxConverters)
	}
}

func TestConverterCacheIsBoundedInBytes(t *testing.T) {
	large := buildProfile("CMYK", spaceLab, []tag{{"A2B0", tables8(MaxSize-2000, 4, 22)}})
	for i := range 20 {
		if Conversion(&plane.Image{Model: plane.CMYK, Profile: append(large, byte(i))}) == nil {
			t.Fatal("it is not converted")
		}
	}
	converters.Lock()
	defer converters.Unlock()
	if n := converters.size; n == 0 || n > maxConverterBytes {
		t.Errorf("%d bytes are kept, want %d at most", n, maxConverterBytes)
	}
}

// tables8 is a lut8Type of a length in bytes.
func tables8(length, inputs, points int) []byte {
	b := make([]byte, length)
	copy(b, "mft1")
	b[8], b[9], b[10] = byte(inputs), outputs, byte(points)
	return b
}

func TestConversionOfMutatedProfiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := profiles(t)
	maps.Copy(all, tableProfiles(t))
	for name, profile := range all {
		for range 100 {
			mutant := bytes.Clone(profile)
			for range 1 + random.IntN(4) {
				mutant[random.IntN(len(mutant))] = byte(random.Uint32())
			}
			try(mutant[:random.IntN(len(mutant)+1)])
			try(mutant)
		}
		if Conversion(&plane.Image{Model: modelOf(profile), Profile: profile}) == nil {
			t.Errorf("%s: got no conversion, want the one of before", name)
		}
	}
}

// try uses a profile in every way.
func try(profile []byte) {
	for _, model := range []plane.Model{plane.Gray, plane.RGB, plane.YCbCr, plane.CMYK, plane.YCCK} {
		if convert := Conversion(&plane.Image{Model: model, Profile: profile}); convert != nil {
			convert([]uint8{0, 100, 255, 255, 1, 2, 3, 4})
		}
	}
}

// No bytes make Conversion fail.
func FuzzConversion(f *testing.F) {
	for _, profile := range profiles(f) {
		f.Add(profile)
	}
	for _, profile := range tableProfiles(f) {
		f.Add(profile)
	}
	for _, transfer := range []byte{transferSRGB, transferPQ, transferHLG} {
		profile, _ := FromCICPChunk([4]byte{primariesBT2020, transfer, 0, 0})
		f.Add(profile)
	}
	f.Fuzz(func(t *testing.T, profile []byte) { try(profile) })
}

func BenchmarkConvert(b *testing.B) {
	m := &plane.Image{Model: plane.RGB, Profile: profiles(b)["p3"]}
	pixels := make([]uint8, 4*200*150)
	for i := range pixels {
		pixels[i] = uint8(i * i >> 8)
	}
	row := make([]uint8, len(pixels))
	b.ReportAllocs()
	for b.Loop() {
		copy(row, pixels)
		convert := Conversion(m)
		convert(row)
	}
}

func BenchmarkNewConverter(b *testing.B) {
	p, ok := parseProfile(profiles(b)["p3"])
	if !ok {
		b.Fatal("the profile is broken")
	}
	b.ReportAllocs()
	for b.Loop() {
		newConverter(p, false)
	}
}
