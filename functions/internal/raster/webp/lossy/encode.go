package lossy

import (
	"fmt"

	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// maxSide is the largest width and height of a frame.
const maxSide = 1<<14 - 1

// An encoder is the state of encoding a frame. It has a decoder, because blocks are predicted from what is decoded.
type encoder struct {
	decoder
	planes      *[3]plane.Plane
	source      predictionBuffer // a macroblock of planes
	macroblocks []codedMacroblock
	rates       rateTable
	counts      [2 * tokenProbs]uint32 // how often each token was used
	scratch     []token
	// modeRate is the rate of the modes of subblocks so far, and maxModeRate what the first partition has space for.
	modeRate, maxModeRate int

	quantizer        int // its index
	luma, y2, chroma quantizer
	lambda           int64 // what the rate of modes is worth, in costs
	modeLambda       int32 // the same, in scores of predictions
}

// A codedMacroblock is a macroblock that was encoded.
type codedMacroblock struct {
	macroblock
	levels [25]levels // of luma, Cb, Cr, and Y2
	ends   [25]uint8  // the index after the last level of each that is not 0
}

const y2Block = 24

// Encode returns a frame: of luma, and Cb and Cr of half the size, rounded up, in the levels of VP8. Quality is 1 to
// 100, and means nearly the same as in libwebp.
func Encode(planes *[3]plane.Plane, quality int) ([]byte, error) {
	if width, height := planes[0].Width, planes[0].Height; max(width, height) > maxSide {
		return nil, fmt.Errorf("encode %dx%d pixels: VP8 has %d at most on each side", width, height, maxSide)
	}
	e := newEncoder(planes, quality)
	for y := range e.down {
		e.encodeRow(y)
	}
	return e.frame()
}

func newEncoder(planes *[3]plane.Plane, quality int) *encoder {
	e := &encoder{planes: planes}
	e.width, e.height = planes[0].Width, planes[0].Height
	e.across, e.down = (e.width+15)/16, (e.height+15)/16
	e.allocate()
	e.macroblocks = make([]codedMacroblock, e.across*e.down)
	e.maxModeRate = maxModeRate(len(e.macroblocks))
	e.rates.set(&defaultProbs)
	e.setQuality(quality)
	return e
}

// setQuality chooses the quantizer, and what rate is worth: what gave the least bytes at an equal PSNR of photographs
// of 200 to 800 pixels, at qualities of 60 to 90. Chroma gets more, so that both luma and RGB gain.
func (e *encoder) setQuality(quality int) {
	const rateWeight, chromaWeight, modeWeight, filterStrength = 0.028, 0.6, 0.25, 0.4
	e.quantizer = quantizerIndex(quality)
	s := &e.segments[0]
	s.setFactors(e.quantizer, [5]int{})
	step := float64(s.luma[1])
	lambda := rateWeight * step * step * 16 * lambdaScale
	e.lambda, e.modeLambda = int64(lambda), int32(modeWeight*step*modeScale)
	e.luma = newQuantizer(s.luma, 4, e.lambda)
	e.y2 = newQuantizer(s.y2, 1, e.lambda)
	e.chroma = newQuantizer(s.chroma, 4, int64(lambda*chromaWeight))
	e.level = min(int(filterStrength*step), 63)
}

// encodeRow encodes a row of macroblocks.
func (e *encoder) encodeRow(y int) {
	e.leftModes, e.leftContext = [4]uint8{}, context{}
	e.startRow(y)
	for x := range e.across {
		e.loadSource(x, y)
		e.load(x)
		e.encodeMacroblock(x, y)
		e.store(x)
	}
	e.rates.set(e.bestProbs())
}

// loadSource copies a macroblock of the planes. Pixels beyond the image are those at its edge.
func (e *encoder) loadSource(x, y int) {
	for i, at := range [3]int{lumaAt, blueAt, redAt} {
		p, size := &e.planes[i], macroblockSize(i)
		for n := range size {
			row := p.Row(min(y*size+n, p.Height-1))
			to := e.source[at+n*stride:][:size]
			for count := copy(to, row[min(x*size, len(row)-1):]); count < size; count++ {
				to[count] = row[len(row)-1]
			}
		}
	}
}

func (e *encoder) encodeMacroblock(x, y int) {
	m := &e.macroblocks[y*e.across+x]
	above, left := &e.aboveContexts[x], &e.leftContext
	e.encodeLuma(m, x, y)
	e.encodeChroma(m, x, y)
	m.empty = m.ends == [25]uint8{}
	if m.empty {
		above.clearSkipped(&m.macroblock)
		left.clearSkipped(&m.macroblock)
		return
	}
	e.scratch = m.appendTokens(e.scratch[:0], above, left)
	for _, t := range e.scratch {
		e.counts[t]++
	}
}
