package icc

import (
	"encoding/binary"
	"math"
)

// A toneCurve is a tone reproduction curve: the linear value, 0 to 1, of each level of a channel.
type toneCurve [256]float64

// readTRC reads the tag of a tone curve.
func readTRC(tag []byte) (*toneCurve, bool) {
	curve, _ := readCurve(tag)
	if curve == nil {
		return nil, false
	}
	return newToneCurve(curve), true
}

// newToneCurve clamps the values of a function to 0 to 1.
func newToneCurve(curve func(x float64) float64) *toneCurve {
	c := new(toneCurve)
	for i := range c {
		c[i] = clampUnit(curve(float64(i) / 255))
	}
	return c
}

// readCurve reads a curveType or parametricCurveType (ICC.1:2022, sections 10.6 and 10.18), which other data may
// follow, and its length in bytes. It returns nil if it is broken. Samples are for 0 to 1, to which the argument is
// clamped; a function is defined everywhere.
func readCurve(b []byte) (curve func(x float64) float64, length int) {
	const header = 12
	if len(b) < header {
		return nil, 0
	}
	switch string(b[:4]) {
	case "curv":
		count := binary.BigEndian.Uint32(b[8:])
		if curve = sampledCurve(count, b[header:]); count > 1 && curve != nil {
			curve = clampInput(curve)
		}
		return curve, header + 2*int(count)
	case "para":
		kind := binary.BigEndian.Uint16(b[8:])
		curve = parametricCurve(kind, b[header:])
		if curve == nil {
			return nil, 0
		}
		return curve, header + 4*parameterCounts[kind]
	}
	return nil, 0
}

func clampInput(curve func(x float64) float64) func(x float64) float64 {
	return func(x float64) float64 { return curve(clampUnit(x)) }
}

// clampUnit clamps v to 0 to 1; NaN becomes 0.
func clampUnit(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}

// sampledCurve interpolates count samples of 16 bits; a single sample is an exponent, and no sample means the identity.
func sampledCurve(count uint32, samples []byte) func(x float64) float64 {
	switch {
	case uint64(len(samples)) < 2*uint64(count):
		return nil
	case count == 0:
		return func(x float64) float64 { return x }
	case count == 1:
		gamma := float64(binary.BigEndian.Uint16(samples)) / (1 << 8)
		return func(x float64) float64 { return math.Pow(x, gamma) }
	}
	sample := func(i int) float64 { return float64(binary.BigEndian.Uint16(samples[2*i:])) / math.MaxUint16 }
	return func(x float64) float64 {
		x *= float64(count - 1)
		i := min(int(x), int(count)-2)
		rest := x - float64(i)
		return sample(i)*(1-rest) + sample(i+1)*rest
	}
}

// parameterCounts are the numbers of parameters of the kinds of a parametricCurveType.
var parameterCounts = [...]int{1, 3, 4, 5, 7}

// parametricCurve is a power function, with a straight line below d; in the simpler kinds the line is constant.
func parametricCurve(kind uint16, parameters []byte) func(x float64) float64 {
	if int(kind) >= len(parameterCounts) || len(parameters) < 4*parameterCounts[kind] {
		return nil
	}
	var p [7]float64
	for i := range parameterCounts[kind] {
		p[i] = s15Fixed16(parameters[4*i:])
	}
	gamma, a, b, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	switch kind {
	case 0:
		a, c = 1, 0
	case 1:
		c, d = 0, -b/a
	case 2:
		c, d, e, f = 0, -b/a, c, c
	}
	return func(x float64) float64 {
		if x < d {
			return c*x + f
		}
		return math.Pow(a*x+b, gamma) + e
	}
}
