package icc

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// converted is what a colour becomes.
func converted(tb testing.TB, profile []byte, model plane.Model, red, green, blue uint8) [3]uint8 {
	tb.Helper()
	row := []uint8{red, green, blue, 255}
	if convert := Conversion(&plane.Image{Model: model, Profile: profile}); convert != nil {
		convert(row)
	}
	return [3]uint8(row)
}

func checkColor(tb testing.TB, got, want [3]uint8, tolerance int) {
	tb.Helper()
	for i := range got {
		if d := int(got[i]) - int(want[i]); d < -tolerance || d > tolerance {
			tb.Errorf("got %v, want %v within %d", got, want, tolerance)
			return
		}
	}
}

// codes is the profile of the code points of a PNG.
func codes(tb testing.TB, primaries, transfer byte) []byte {
	tb.Helper()
	profile, ok := FromCICPChunk([4]byte{primaries, transfer, 0, 1})
	if !ok {
		tb.Fatalf("code points %d and %d are not known", primaries, transfer)
	}
	return profile
}

func TestFromCICPChunk(t *testing.T) {
	if profile := codes(t, primariesBT709, transferSRGB); profile != nil {
		t.Errorf("sRGB is a profile of %d bytes, want none", len(profile))
	}
	for _, code := range [][2]byte{{2, 2}, {77, transferSRGB}, {primariesBT709, 2}, {primariesP3, 0}, {0, transferPQ}} {
		if _, ok := FromCICPChunk([4]byte{code[0], code[1], 0, 1}); ok {
			t.Errorf("%v is known", code)
		}
	}
	if _, ok := FromCICPChunk([4]byte{primariesP3, transferSRGB, 1, 1}); ok {
		t.Error("a matrix is known")
	}
	byProfile := converted(t, profiles(t)["p3"], plane.RGB, 10, 200, 100)
	tests := []struct {
		name                string
		primaries, transfer byte
		from, want          [3]uint8
	}{
		{"Display P3", primariesP3, transferSRGB, [3]uint8{10, 200, 100}, byProfile},
		{"linear", primariesBT709, 8, [3]uint8{148, 5, 5}, [3]uint8{200, 39, 39}},
		{"BT.709, as Chromium shows it", primariesBT709, 1, [3]uint8{200, 40, 40}, [3]uint8{197, 28, 28}},
		{"BT.2020, as Chromium shows it", primariesBT2020, 14, [3]uint8{163, 69, 48}, [3]uint8{194, 19, 25}},
		{"BT.2020 beyond sRGB", primariesBT2020, 1, [3]uint8{200, 40, 40}, [3]uint8{246, 0, 6}},
		{"NTSC of 1953", 4, 4, [3]uint8{255, 255, 255}, [3]uint8{255, 255, 255}},
		{"DCI P3", 11, transferSRGB, [3]uint8{90, 90, 90}, [3]uint8{90, 90, 90}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			profile := codes(t, test.primaries, test.transfer)
			checkColor(t, converted(t, profile, plane.RGB, test.from[0], test.from[1], test.from[2]), test.want, 1)
		})
	}
}

// Cameras write the curves of video into HEIF with images that are sRGB.
func TestFromCICP(t *testing.T) {
	for _, transfer := range []byte{1, 6, 11, 14, 15, transferSRGB} {
		if profile, ok := FromCICP(primariesBT709, transfer); !ok || profile != nil {
			t.Errorf("transfer %d is a profile of %d bytes, known: %v; want sRGB", transfer, len(profile), ok)
		}
		got, _ := FromCICP(primariesBT2020, transfer)
		if want := codes(t, primariesBT2020, transferSRGB); !bytes.Equal(got, want) {
			t.Errorf("transfer %d with BT.2020 is not that of sRGB", transfer)
		}
	}
	if _, ok := FromCICP(2, transferSRGB); ok {
		t.Error("unspecified primaries are known")
	}
	pq, ok := FromCICP(primariesBT2020, transferPQ)
	if want := codes(t, primariesBT2020, transferPQ); !ok || !bytes.Equal(pq, want) {
		t.Error("PQ differs from that of a PNG")
	}
}

func TestFromCICPChunkOfNarrowRange(t *testing.T) {
	profile, ok := FromCICPChunk([4]byte{primariesBT709, transferSRGB, 0, 0})
	if !ok {
		t.Fatal("narrow sRGB is not known")
	}
	for v, want := range map[uint8]uint8{0: 0, 16: 0, 126: 128, 235: 255, 255: 255} {
		checkColor(t, converted(t, profile, plane.RGB, v, v, v), [3]uint8{want, want, want}, 1)
	}
}

// The colorants of known profiles, which their makers have rounded.
func TestColorants(t *testing.T) {
	tests := []struct {
		name      string
		primaries byte
		want      [9]float64
	}{
		{"sRGB", primariesBT709, srgbColorants},
		{"Display P3", primariesP3, [9]float64{.51512, .29198, .15710, .24120, .69225, .06657, -.00105, .04189, .78407}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := knownPrimaries[test.primaries].colorants()
			for i := range got {
				if math.Abs(got[i]-test.want[i]) > 2e-4 {
					t.Fatalf("got %.4f, want %.4f", got, test.want)
				}
			}
		})
	}
	for code, primaries := range knownPrimaries {
		if m := primaries.colorants(); math.Abs(m[3]+m[4]+m[5]-1) > 1e-9 {
			t.Errorf("the primaries %d lead to %v", code, m)
		}
	}
}

// pqLevel and hlgLevel encode the light of a display in cd/m² as gray.
func pqLevel(luminance float64) uint8 {
	return uint8(math.Round(255 * pqFromLight(luminance/pqPeak)))
}

func hlgLevel(luminance float64) uint8 {
	scene := math.Pow(luminance/masterPeak, 1/1.2)
	best := 0
	for v := range 256 {
		if math.Abs(lightFromHLG(float64(v)/255)-scene) < math.Abs(lightFromHLG(float64(best)/255)-scene) {
			best = v
		}
	}
	return uint8(best)
}

func TestToneMapping(t *testing.T) {
	tests := []struct {
		name      string
		luminance float64 // cd/m²
		want      uint8
	}{
		{"black", 0, 0},
		{"dark, as in sRGB", 203 * srgbToLinear(50.0/255), 50},
		{"middle gray, as in sRGB", 203 * srgbToLinear(128.0/255), 128},
		{"reference white", 203, 229},
		{"a highlight", 500, 253},
		{"the peak of the master", 1000, 255},
	}
	for _, test := range tests {
		levels := map[byte]uint8{transferPQ: pqLevel(test.luminance), transferHLG: hlgLevel(test.luminance)}
		for transfer, level := range levels {
			t.Run(fmt.Sprintf("%s by transfer %d", test.name, transfer), func(t *testing.T) {
				profile := codes(t, primariesBT2020, transfer)
				want := [3]uint8{test.want, test.want, test.want}
				checkColor(t, converted(t, profile, plane.RGB, level, level, level), want, 2)
				checkColor(t, converted(t, profile, plane.Gray, level, level, level), want, 2)
			})
		}
	}
	t.Run("beyond the peak of the master", func(t *testing.T) {
		got := converted(t, codes(t, primariesBT2020, transferPQ), plane.RGB, 255, 255, 255)
		checkColor(t, got, [3]uint8{255, 255, 255}, 0)
	})
}

// A brighter level is never shown darker.
func TestToneMappingIsMonotonic(t *testing.T) {
	for _, transfer := range []byte{transferPQ, transferHLG} {
		profile, last := codes(t, primariesP3, transfer), [3]uint8{}
		for v := range 256 {
			got := converted(t, profile, plane.RGB, uint8(v), uint8(v), uint8(v))
			if got[0] < last[0] {
				t.Fatalf("transfer %d: level %d becomes %v, after %v", transfer, v, got, last)
			}
			last = got
		}
	}
}

// A cicp tag counts for HDR, and the curves of the profile otherwise.
func TestTagOfCodePoints(t *testing.T) {
	tagOf := func(content ...byte) []byte { return append([]byte("cicp\x00\x00\x00\x00"), content...) }
	p3 := profiles(t)["p3"]
	byCurves := converted(t, p3, plane.RGB, 100, 80, 60)
	byPQ := converted(t, codes(t, primariesBT2020, transferPQ), plane.RGB, 100, 80, 60)
	tests := []struct {
		name string
		tag  []byte
		want [3]uint8
	}{
		{"PQ", tagOf(primariesBT2020, transferPQ, 0, 1), byPQ},
		{"linear", tagOf(primariesBT2020, 8, 0, 1), byCurves},
		{"PQ of unknown primaries", tagOf(99, transferPQ, 0, 1), byCurves},
		{"PQ of YCbCr", tagOf(primariesBT2020, transferPQ, 9, 1), byCurves},
		{"too short", tagOf(primariesBT2020, transferPQ, 0), byCurves},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkColor(t, converted(t, withTag(t, p3, tagCICP, test.tag), plane.RGB, 100, 80, 60), test.want, 0)
		})
	}
}

func BenchmarkConvertKinds(b *testing.B) {
	hlg, _ := FromCICP(primariesBT2020, transferHLG)
	pq, _ := FromCICP(primariesBT2020, transferPQ)
	tables := tableProfiles(b)
	for name, profile := range map[string][]byte{
		"HLG": hlg, "PQ": pq, "rgb16": tables["rgb16"], "rgb-ab-all": tables["rgb-ab-all"], "cmyk8": tables["cmyk8"],
	} {
		b.Run(name, func(b *testing.B) {
			convert := Conversion(&plane.Image{Model: modelOf(profile), Profile: profile})
			pixels, row := make([]uint8, 4*200*150), make([]uint8, 4*200*150)
			for i := range pixels {
				pixels[i] = uint8(i * i >> 8)
			}
			for b.Loop() {
				copy(row, pixels)
				convert(row)
			}
		})
	}
}
