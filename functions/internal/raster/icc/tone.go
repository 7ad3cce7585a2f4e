package icc

import "math"

// Luminances of ITU-R BT.2408, in cd/m².
const (
	referenceWhite = 203.0  // HDR reference white, section 2.1: what is white in sRGB
	masterPeak     = 1000.0 // the nominal peak of HLG, and of most PQ masters; brighter colours are white
	pqPeak         = 10000.0
)

// A toneMapper converts the levels of PQ or HLG (ITU-R BT.2100) to sRGB: see the package comment.
type toneMapper struct {
	linear [256]float64 // light of a level: of the display for PQ, of the scene for HLG, with masterPeak as 1
	hlg    bool
	luma   [3]float64 // shares of the channels in the luminance
	mix    [9]float64 // from the linear primaries to those of sRGB
	gains  [gainCells + 1]float64
}

// gainCells is the number of parts into which the square root of light is divided.
const gainCells = 1 << 10

func newToneMapper(linear *[256]float64, hlg bool, colorants [9]float64) *toneMapper {
	t := &toneMapper{linear: *linear, hlg: hlg, luma: [3]float64(colorants[3:6]), mix: multiply(xyzToSRGB, colorants)}
	for i := range t.gains {
		root := (float64(i) + 1e-3) / gainCells // the limit at black
		light := root * root
		t.gains[i] = rollOff(light) / light
	}
	return t
}

// gain is what linear colours are multiplied by whose largest channel is light: 1 is what it becomes for sRGB's white.
func (t *toneMapper) gain(light float64) float64 {
	x := math.Sqrt(min(light, 1)) * gainCells
	i := min(int(x), gainCells-1)
	return t.gains[i] + (x-float64(i))*(t.gains[i+1]-t.gains[i])
}

func (t *toneMapper) convert(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		r, g, b := t.linear[row[0]], t.linear[row[1]], t.linear[row[2]]
		if t.hlg {
			system := t.systemGamma(t.luma[0]*r + t.luma[1]*g + t.luma[2]*b)
			r, g, b = r*system, g*system, b*system
		}
		largest := max(r, g, b)
		gain := t.gain(largest)
		if largest > 1 {
			gain /= largest
		}
		for i := range 3 {
			to := t.mix[3*i:]
			row[i] = linearToSRGB(float32(gain * (to[0]*r + to[1]*g + to[2]*b)))
		}
	}
}

// systemGamma is what the OOTF of HLG multiplies the light of the scene by, on a display with a peak of masterPeak
// (BT.2100, table 5).
func (t *toneMapper) systemGamma(luminance float64) float64 {
	const gamma = 1.2
	if luminance <= 0 {
		return 0
	}
	return math.Pow(luminance, gamma-1)
}

// luminance is the tone curve of pixels whose channels are equal.
func (t *toneMapper) luminance() *toneCurve {
	c := new(toneCurve)
	for v, light := range t.linear {
		if t.hlg {
			light *= t.systemGamma(light)
		}
		c[v] = clampUnit(light * t.gain(light))
	}
	return c
}

// rollOff maps light of a master, whose peak is 1, to that of a display with a peak of referenceWhite, which becomes 1:
// the EETF of BT.2408, annex 5. It leaves what is darker than its knee as it is, and compresses highlights.
func rollOff(light float64) float64 {
	peak := pqFromLight(masterPeak / pqPeak)
	e, largest := pqFromLight(light*masterPeak/pqPeak)/peak, pqFromLight(referenceWhite/pqPeak)/peak
	if knee := 1.5*largest - 0.5; e > knee {
		t := (min(e, 1) - knee) / (1 - knee)
		t2, t3 := t*t, t*t*t
		e = (2*t3-3*t2+1)*knee + (t3-2*t2+t)*(1-knee) + (3*t2-2*t3)*largest
	}
	return lightFromPQ(e*peak) * pqPeak / referenceWhite
}

// Constants of PQ (BT.2100, table 4).
const (
	pqM1 = 2610.0 / 16384
	pqM2 = 2523.0 / 4096 * 128
	pqC1 = 3424.0 / 4096
	pqC2 = 2413.0 / 4096 * 32
	pqC3 = 2392.0 / 4096 * 32
)

// lightFromPQ is the EOTF of PQ; 1 is pqPeak.
func lightFromPQ(v float64) float64 {
	root := math.Pow(v, 1/pqM2)
	return math.Pow(max(root-pqC1, 0)/(pqC2-pqC3*root), 1/pqM1)
}

// pqFromLight is the inverse of lightFromPQ.
func pqFromLight(light float64) float64 {
	root := math.Pow(light, pqM1)
	return math.Pow((pqC1+pqC2*root)/(1+pqC3*root), pqM2)
}

// lightFromHLG is the inverse OETF of HLG (BT.2100, table 5): the light of the scene, 0 to 1.
func lightFromHLG(v float64) float64 {
	const a, b, c = 0.17883277, 0.28466892, 0.55991073
	if v <= 0.5 {
		return v * v / 3
	}
	return (math.Exp((v-c)/a) + b) / 12
}
