package icc

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// A pipeline converts the pixels of an image to the connection space.
type pipeline struct {
	inputs int
	levels [maxInputs][256]float64 // the value of each level of the pixel
	stages []stage
	toXYZ  func(v *channels) // decodes the connection space to XYZ, where Y of white is 1
	size   int               // of its tables in memory, in bytes
}

// xyz returns the colour of a pixel.
func (l *pipeline) xyz(pixel [maxInputs]uint8) (v channels) {
	for i := range v {
		v[i] = l.levels[i][pixel[i]]
	}
	for _, s := range l.stages {
		s.apply(&v)
	}
	l.toXYZ(&v)
	return v
}

// foldCurves applies curves that come first to the levels, because there are few of them.
func (l *pipeline) foldCurves() {
	first, isCurves := l.stages[0].(curves)
	for i := range l.inputs {
		for level := range l.levels[i] {
			if l.levels[i][level] = float64(level) / 255; isCurves {
				l.levels[i][level] = first[i](l.levels[i][level])
			}
		}
	}
	if isCurves {
		l.stages = l.stages[1:]
	}
}

// tableTags are the tags of lookup tables to the connection space, the preferred one first. As in littlecms for
// relative colorimetric conversions, the perceptual table stands in for one that is missing.
var tableTags = [...]string{"A2B1", "A2B0"}

// newPipeline reads the lookup tables of a profile. It returns false if it has none, or if they are broken.
func newPipeline(p *profile) (*pipeline, bool) {
	inputs := map[string]int{spaceGray: 1, spaceRGB: 3, spaceCMYK: 4}[p.colorSpace]
	if inputs == 0 || !p.isOfDevice() {
		return nil, false
	}
	for _, name := range tableTags {
		if !p.has(name) {
			continue
		}
		tag := p.tags[name]
		if len(tag) < 12 || int(tag[8]) != inputs || tag[9] != outputs {
			return nil, false
		}
		l := &pipeline{inputs: inputs}
		switch string(tag[:4]) {
		case "mft1":
			l.readTable8(tag)
		case "mft2":
			l.readTable16(tag)
		case "mAB ":
			l.readAToB(tag)
		}
		isLegacy := string(tag[:4]) == "mft2"
		if len(l.stages) == 0 || !l.setConnectionSpace(p.pcs, isLegacy) {
			return nil, false
		}
		l.foldCurves()
		return l, true
	}
	return nil, false
}

// isOfDevice excludes profiles whose tables do not lead from a device to the connection space (ICC.1:2022, section 8).
func (p *profile) isOfDevice() bool {
	class := string(p.bytes[atClass:][:4])
	return class != "link" && class != "abst" && class != "nmcl"
}

// readTable8 reads a lut8Type (ICC.1:2022, section 10.11).
func (l *pipeline) readTable8(tag []byte) {
	const header, entries = 48, 256
	if len(tag) >= header {
		l.readTables(tag, tag[header:], 1, entries, entries)
	}
}

// readTable16 reads a lut16Type (section 10.10).
func (l *pipeline) readTable16(tag []byte) {
	const header = 52
	if len(tag) >= header {
		l.readTables(tag, tag[header:], 2, int(binary.BigEndian.Uint16(tag[48:])), int(binary.BigEndian.Uint16(tag[50:])))
	}
}

// readTables reads what both types have in common: a matrix, curves of the inputs, a table, and curves of the outputs.
// It adds no stages if they are broken.
func (l *pipeline) readTables(tag, data []byte, sampleBytes, inEntries, outEntries int) {
	inLength, outLength := l.inputs*inEntries*sampleBytes, outputs*outEntries*sampleBytes
	if inEntries < 2 || outEntries < 2 || len(data) < inLength+outLength {
		return
	}
	grid := bytes.Repeat(tag[10:11], l.inputs)
	table, ok := newCLUT(toInts(grid), sampleBytes, data[inLength:])
	if !ok {
		return
	}
	length := len(table.values) * sampleBytes
	if len(data) < inLength+length+outLength {
		return
	}
	if m := (&affine{matrix: readMatrix(tag[12:])}); l.inputs == 3 && m.matrix != identityMatrix {
		l.stages = append(l.stages, m) // only for XYZ, by the standard; for three channels, in littlecms
	}
	l.stages = append(l.stages, tableCurves(data[:inLength], l.inputs, sampleBytes), table)
	if after := data[inLength+length:][:outLength]; !areIdentities(after, sampleBytes, outEntries) {
		l.stages = append(l.stages, tableCurves(after, outputs, sampleBytes))
	}
	l.size = 2 * len(table.values)
}

// tableCurves are count curves of equally many samples.
func tableCurves(samples []byte, count, sampleBytes int) curves {
	var c curves
	for part := range slices.Chunk(samples, len(samples)/count) {
		wide := part
		if sampleBytes == 1 {
			wide = make([]byte, 0, 2*len(part))
			for _, v := range part {
				wide = append(wide, v, v)
			}
		}
		c = append(c, clampInput(sampledCurve(uint32(len(wide)/2), wide)))
	}
	return c
}

// areIdentities reports whether curves of 8 bits, or of two samples of 16 bits, change nothing.
func areIdentities(samples []byte, sampleBytes, entries int) bool {
	for i, v := range samples {
		place := i / sampleBytes % entries
		if v != byte(place*255/(entries-1)) || sampleBytes == 2 && entries > 2 {
			return false
		}
	}
	return true
}

// readAToB reads a lutAToBType (section 10.12): curves A, a table, curves M, a matrix and curves B, of which only the
// last are always there. It adds no stages if they are broken.
func (l *pipeline) readAToB(tag []byte) {
	const header = 32
	if len(tag) < header {
		return
	}
	var parts [5][]byte // B curves, matrix, M curves, table, A curves
	for i := range parts {
		offset := binary.BigEndian.Uint32(tag[12+4*i:])
		if uint64(offset) >= uint64(len(tag)) {
			return
		}
		if offset != 0 {
			parts[i] = tag[offset:]
		}
	}
	var stages []stage
	isBroken := false
	add := func(s stage, ok bool) {
		stages, isBroken = append(stages, s), isBroken || !ok
	}
	if parts[3] != nil {
		if parts[4] != nil {
			add(elementCurves(parts[4], l.inputs))
		}
		table, ok := l.readCLUT(parts[3])
		add(table, ok)
	} else if l.inputs != outputs {
		return
	}
	if parts[2] != nil {
		add(elementCurves(parts[2], outputs))
	}
	if parts[1] != nil {
		add(readAffine(parts[1]))
	}
	if parts[0] != nil {
		add(elementCurves(parts[0], outputs))
	}
	if !isBroken {
		l.stages = stages
	}
}

// readCLUT reads the table of a lutAToBType.
func (l *pipeline) readCLUT(b []byte) (*clut, bool) {
	const header, maxDimensions = 20, 16
	if len(b) < header {
		return nil, false
	}
	sampleBytes := int(b[maxDimensions])
	if sampleBytes != 1 && sampleBytes != 2 {
		return nil, false
	}
	table, ok := newCLUT(toInts(b[:l.inputs]), sampleBytes, b[header:])
	if ok {
		l.size = 2 * len(table.values)
	}
	return table, ok
}

// elementCurves reads curves that follow each other, each padded to 4 bytes.
func elementCurves(b []byte, count int) (curves, bool) {
	var all curves
	for range count {
		curve, length := readCurve(b)
		if curve == nil {
			return nil, false
		}
		all = append(all, curve)
		b = b[min((length+3)&^3, len(b)):]
	}
	return all, true
}

func readAffine(b []byte) (*affine, bool) {
	const length = 12 * 4
	if len(b) < length {
		return nil, false
	}
	a := &affine{matrix: readMatrix(b)}
	for i := range a.offset {
		a.offset[i] = s15Fixed16(b[4*(9+i):])
	}
	return a, true
}

func readMatrix(b []byte) (m [9]float64) {
	for i := range m {
		m[i] = s15Fixed16(b[4*i:])
	}
	return m
}

// setConnectionSpace chooses how its encoding is decoded: legacyLab is that of lut16Type (section 10.10).
func (l *pipeline) setConnectionSpace(connection string, legacyLab bool) bool {
	switch {
	case connection == spaceXYZ:
		l.toXYZ = decodeXYZ
	case connection == spaceLab && legacyLab:
		l.toXYZ = func(v *channels) {
			for i := range outputs {
				v[i] *= math.MaxUint16 / float64(0xff00)
			}
			decodeLab(v)
		}
	case connection == spaceLab:
		l.toXYZ = decodeLab
	default:
		return false
	}
	return true
}

// decodeXYZ decodes numbers from 0 to 1 + 32767/32768 (section 6.3.4.2).
func decodeXYZ(v *channels) {
	for i := range outputs {
		v[i] *= math.MaxUint16 / float64(1<<15)
	}
}

// white is the illuminant of the connection space, D50.
var white = [outputs]float64{0.9642, 1, 0.8249}

// decodeLab decodes L* from 0 to 100, and a* and b* from -128 to 127 (section 6.3.4.2).
func decodeLab(v *channels) {
	y := (100*v[0] + 16) / 116
	x, z := y+(255*v[1]-128)/500, y-(255*v[2]-128)/200
	v[0], v[1], v[2] = white[0]*labToLinear(x), white[1]*labToLinear(y), white[2]*labToLinear(z)
}

// labToLinear is the inverse of the function f of CIE 15, section 8.2.1.
func labToLinear(f float64) float64 {
	const knee = 6.0 / 29
	if f < knee {
		return 3 * knee * knee * (f - 4.0/29)
	}
	return f * f * f
}

func toInts(b []byte) []int {
	n := make([]int, len(b))
	for i, v := range b {
		n[i] = int(v)
	}
	return n
}
