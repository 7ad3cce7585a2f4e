package icc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
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
	if string(profile[atColorSpace:][:4]) == spaceGray {
		return plane.Gray
	}
	return plane.RGB
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
		convert, carried := Conversion(&plane.Image{Model: modelOf(all[name]), Profile: all[name]})
		if convert == nil || carried != nil {
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
	all := profiles(t)
	tables := buildProfile(spaceRGB, spaceLab, []tag{{"A2B0", make([]byte, 100)}})
	both := buildProfile(spaceRGB, spaceXYZ, []tag{
		{"A2B0", nil}, {"rTRC", nil}, {"gTRC", nil}, {"bTRC", nil}, {"rXYZ", nil}, {"gXYZ", nil}, {"bXYZ", nil},
	})
	broken := bytes.Clone(all["adobe"])
	copy(broken[bytes.Index(broken, []byte("curv")):], "what")
	const nothing, convert, carry = "nothing", "convert", "carry"
	tests := []struct {
		name    string
		profile []byte
		model   plane.Model
		want    string
	}{
		{"none", nil, plane.RGB, nothing},
		{"sRGB", srgb(), plane.RGB, nothing},
		{"sRGB", srgb(), plane.YCbCr, nothing},
		{"sRGB", srgb(), plane.Gray, nothing},
		{"Display P3", all["p3"], plane.RGB, convert},
		{"Display P3", all["p3"], plane.YCbCr, convert},
		{"Display P3, whose grays are those of sRGB", all["p3"], plane.Gray, nothing},
		{"Adobe RGB", all["adobe"], plane.Gray, convert},
		{"RGB", all["adobe"], plane.CMYK, nothing},
		{"RGB", all["adobe"], plane.YCCK, nothing},
		{"gray", all["gray"], plane.Gray, convert},
		{"gray", all["gray"], plane.YCbCr, nothing},
		{"gray", all["gray"], plane.RGB, nothing},
		{"CMYK", buildProfile("CMYK", spaceLab, []tag{{"A2B0", make([]byte, 100)}}), plane.CMYK, nothing},
		{"CMYK", buildProfile("CMYK", spaceLab, []tag{{"A2B0", make([]byte, 100)}}), plane.YCbCr, nothing},
		{"tables", tables, plane.RGB, carry},
		{"tables", tables, plane.YCbCr, carry},
		{"tables", tables, plane.Gray, carry},
		{"tables and curves", both, plane.RGB, carry},
		{"tables of gray", buildProfile(spaceGray, spaceLab, []tag{{"A2B0", make([]byte, 100)}}), plane.Gray, nothing},
		{"curves that lead to L*a*b*", bytes.Replace(all["p3"], []byte(spaceXYZ), []byte(spaceLab), 1), plane.RGB, carry},
		{"a curve of no known type", broken, plane.RGB, nothing},
		{"too short", all["p3"][:len(all["p3"])-1], plane.RGB, nothing},
		{"too long", append(bytes.Clone(tables), make([]byte, MaxSize)...), plane.RGB, nothing},
		{"not a profile", make([]byte, 1000), plane.RGB, nothing},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s with model %d", test.name, test.model), func(t *testing.T) {
			got := nothing
			converter, carried := Conversion(&plane.Image{Model: test.model, Profile: test.profile})
			switch {
			case converter != nil:
				got = convert
			case carried != nil:
				got = carry
			}
			if got != test.want || converter != nil && carried != nil {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if carried != nil && !bytes.Equal(carried, test.profile) {
				t.Error("the profile that is carried differs from the original")
			}
		})
	}
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

func TestFromCICP(t *testing.T) {
	profile, ok := FromCICP(primariesP3, transferSRGB)
	if !ok {
		t.Fatal("Display P3 is not known")
	}
	byCode, _ := Conversion(&plane.Image{Model: plane.RGB, Profile: profile})
	byProfile, _ := Conversion(&plane.Image{Model: plane.RGB, Profile: profiles(t)["p3"]})
	got, want := []uint8{10, 200, 100, 255}, []uint8{10, 200, 100, 255}
	byCode(got)
	byProfile(want)
	if !bytes.Equal(got, want) {
		t.Errorf("Display P3 by its code becomes %v, by its profile %v", got, want)
	}
	if profile, ok := FromCICP(primariesBT709, transferSRGB); !ok || profile != nil {
		t.Errorf("sRGB is a profile of %d bytes, known: %v", len(profile), ok)
	}
	for _, code := range [][2]byte{{9, 16}, {9, 18}, {12, 16}, {2, 2}, {77, transferSRGB}} {
		if _, ok := FromCICP(code[0], code[1]); ok {
			t.Errorf("%v is known", code)
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

func TestConversionOfMutatedProfiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := profiles(t)
	for name, profile := range all {
		for range 100 {
			mutant := bytes.Clone(profile)
			for range 1 + random.IntN(4) {
				mutant[random.IntN(len(mutant))] = byte(random.Uint32())
			}
			try(mutant[:random.IntN(len(mutant)+1)])
			try(mutant)
		}
		if converter, carried := Conversion(&plane.Image{Model: modelOf(profile), Profile: profile}); converter == nil ||
			carried != nil {
			t.Errorf("%s: got no conversion, want the one of before", name)
		}
	}
}

// try uses a profile in every way.
func try(profile []byte) {
	for _, model := range []plane.Model{plane.Gray, plane.RGB, plane.YCbCr, plane.CMYK, plane.YCCK} {
		if convert, _ := Conversion(&plane.Image{Model: model, Profile: profile}); convert != nil {
			convert([]uint8{0, 100, 255, 255, 1, 2, 3, 4})
		}
	}
}

// No bytes make Conversion fail.
func FuzzConversion(f *testing.F) {
	for _, profile := range profiles(f) {
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
		convert, _ := Conversion(m)
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
