package jpeg

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// A drawing is a JPEG before it is encoded: quantized coefficients, in zigzag order, of components with any sampling
// factors. It can be encoded in several ways, all of which have to decode to the same image.
type drawing struct {
	rand          *rand.Rand
	width, height int
	components    []*drawn
	restart       int
}

type drawn struct {
	h, v             int
	blocksX, blocksY int // of a scan of its own
	paddedX, paddedY int
	blocks           [][64]int
}

// draw returns a random drawing.
func draw(r *rand.Rand, components int) *drawing {
	d := &drawing{rand: r, width: 1 + r.IntN(90), height: 1 + r.IntN(90)}
	hMax, vMax := 1, 1
	for range components {
		c := &drawn{h: 1 + r.IntN(2), v: 1 + r.IntN(2)}
		if r.IntN(8) == 0 {
			c.h = 1 + r.IntN(4)
		}
		hMax, vMax = max(hMax, c.h), max(vMax, c.v)
		d.components = append(d.components, c)
	}
	units := 0
	for _, c := range d.components {
		units += c.h * c.v
	}
	if units > maxMCUBlocks {
		return draw(r, components)
	}
	unitsX, unitsY := ceilDiv(d.width, 8*hMax), ceilDiv(d.height, 8*vMax)
	for _, c := range d.components {
		c.blocksX, c.blocksY = ceilDiv(ceilDiv(d.width*c.h, hMax), 8), ceilDiv(ceilDiv(d.height*c.v, vMax), 8)
		c.paddedX, c.paddedY = max(c.blocksX, unitsX*c.h), max(c.blocksY, unitsY*c.v)
		c.blocks = make([][64]int, c.paddedX*c.paddedY)
		for i := range c.blocks {
			c.blocks[i] = d.block()
		}
	}
	if r.IntN(2) == 0 {
		d.restart = 1 + r.IntN(20)
	}
	return d
}

func (d *drawing) block() (b [64]int) {
	b[0] = d.rand.IntN(1200) - 600
	for range d.rand.IntN(1 << d.rand.IntN(7)) {
		k := 1 + d.rand.IntN(63)
		b[k] = (d.rand.IntN(1<<(1+d.rand.IntN(8))) + 1) * (1 - 2*d.rand.IntN(2)) / (1 + k/8)
	}
	return b
}

// A writer writes a file.
type writer struct {
	*drawing
	file   []byte
	acc    uint64
	n      int
	dc, ac *huffmanCodes
}

func (d *drawing) begin(marker byte) *writer {
	w := &writer{drawing: d, file: []byte{0xff, soi}}
	var quant [65]byte
	for k := range quant[1:] {
		quant[1+k] = byte(1 + d.rand.IntN(8))
	}
	w.segment(dqt, quant[:])
	frame := binary.BigEndian.AppendUint16([]byte{8}, uint16(d.height))
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(d.width)), byte(len(d.components)))
	for i, c := range d.components {
		frame = append(frame, byte(i+1), byte(c.h<<4|c.v), 0)
	}
	w.segment(marker, frame)
	if d.restart > 0 {
		w.segment(dri, binary.BigEndian.AppendUint16(nil, uint16(d.restart)))
	}
	return w
}

func (w *writer) segment(marker byte, payload []byte) {
	w.file = append(binary.BigEndian.AppendUint16(append(w.file, 0xff, marker), uint16(len(payload)+2)), payload...)
}

func (w *writer) put(v, n int) {
	w.acc, w.n = w.acc<<n|uint64(v)&(1<<n-1), w.n+n
	for ; w.n >= 8; w.n -= 8 {
		b := byte(w.acc >> (w.n - 8))
		if w.file = append(w.file, b); b == 0xff {
			w.file = append(w.file, 0)
		}
	}
}

func (w *writer) symbol(c *huffmanCodes, symbol int) {
	w.put(int(c.codes[symbol]), int(c.lengths[symbol]))
}

// number writes the extra bits of a coefficient.
func (w *writer) number(v, size int) {
	if v < 0 {
		v--
	}
	w.put(v, size)
}

func size(v int) int { return bits.Len(uint(max(v, -v))) }

// tables writes two Huffman tables that have nothing in common with any other, but codes for all symbols.
func (w *writer) tables() {
	w.dc, w.ac = w.table(0x00, 16), w.table(0x10, 256)
}

func (w *writer) table(selector uint8, symbols int) *huffmanCodes {
	counts, order := randomCodes(w.rand, symbols)
	w.segment(dht, append(append([]byte{selector}, counts[:]...), order...))
	return newHuffmanCodes(selector, counts, order)
}

// randomCodes returns the number of codes of each length, and their symbols.
func randomCodes(r *rand.Rand, symbols int) (counts [16]uint8, order []uint8) {
	lengths := []int{0}
	for len(lengths) < symbols+1 { // split a leaf; one more is for the code of all ones, which is reserved
		if i := r.IntN(len(lengths)); lengths[i] < 16 {
			lengths[i]++
			lengths = append(lengths, lengths[i])
		}
	}
	slices.Sort(lengths)
	for _, length := range lengths[:symbols] {
		counts[length-1]++
	}
	for _, symbol := range r.Perm(symbols) {
		order = append(order, uint8(symbol))
	}
	return counts, order
}

// scan writes the blocks of components: all together or those of one; between restart markers, reset is called.
func (w *writer) scan(components []int, first, last, high, low int, block func(c, i int), reset func()) {
	header := []byte{byte(len(components))}
	for _, c := range components {
		header = append(header, byte(c+1), 0)
	}
	w.segment(sos, append(header, byte(first), byte(last), byte(high<<4|low)))
	units := 0
	unit := func(blocks func()) {
		if w.restart > 0 && units > 0 && units%w.restart == 0 {
			w.end(reset)
			w.file = append(w.file, 0xff, rst0+byte(units/w.restart-1)%8)
		}
		blocks()
		units++
	}
	if len(components) == 1 {
		c := w.components[components[0]]
		for y := range c.blocksY {
			for x := range c.blocksX {
				unit(func() { block(components[0], y*c.paddedX+x) })
			}
		}
	} else {
		c := w.components[components[0]]
		for y := range c.paddedY / c.v {
			for x := range c.paddedX / c.h {
				unit(func() {
					for _, i := range components {
						c := w.components[i]
						for j := range c.h * c.v {
							block(i, (y*c.v+j/c.h)*c.paddedX+x*c.h+j%c.h)
						}
					}
				})
			}
		}
	}
	w.end(reset)
}

// end pads the last byte with ones.
func (w *writer) end(reset func()) {
	reset()
	w.put(0x7f, 7)
	w.acc, w.n = 0, 0
}

func (w *writer) all() (components []int) {
	for i := range w.components {
		components = append(components, i)
	}
	return components
}

// sequential writes a baseline file, in one scan or in one for each component.
func (d *drawing) sequential() []byte {
	w := d.begin(sof0)
	scans := [][]int{w.all()}
	if d.rand.IntN(3) == 0 {
		scans = nil
		for i := range d.components {
			scans = append(scans, []int{i})
		}
	}
	for _, components := range scans {
		w.tables()
		last := map[int]int{}
		w.scan(components, 0, 63, 0, 0, func(c, i int) {
			b := &w.components[c].blocks[i]
			diff := b[0] - last[c]
			last[c] = b[0]
			w.symbol(w.dc, size(diff))
			w.number(diff, size(diff))
			run := 0
			for k := 1; k < 64; k++ {
				if b[k] == 0 {
					run++
					continue
				}
				for ; run > 15; run -= 16 {
					w.symbol(w.ac, 0xf0)
				}
				w.symbol(w.ac, run<<4|size(b[k]))
				w.number(b[k], size(b[k]))
				run = 0
			}
			if run > 0 {
				w.symbol(w.ac, 0)
			}
		}, func() { clear(last) })
	}
	return append(w.file, 0xff, eoi)
}

// progressive writes a file by spectral selection and successive approximation.
func (d *drawing) progressive() []byte {
	w := d.begin(sof2)
	low := d.rand.IntN(3)
	w.firstDC(low)
	for ; low > 0; low-- {
		w.refineDC(low)
	}
	for c := range d.components {
		for first := 1; first < 64; {
			last := first + d.rand.IntN(64-first)
			low := d.rand.IntN(3)
			w.firstAC(c, first, last, low)
			for ; low > 0; low-- {
				w.refineAC(c, first, last, low)
			}
			first = last + 1
		}
	}
	return append(w.file, 0xff, eoi)
}

func (w *writer) firstDC(low int) {
	w.tables()
	last := map[int]int{}
	w.scan(w.all(), 0, 0, 0, low, func(c, i int) {
		v := w.components[c].blocks[i][0] >> low
		diff := v - last[c]
		last[c] = v
		w.symbol(w.dc, size(diff))
		w.number(diff, size(diff))
	}, func() { clear(last) })
}

func (w *writer) refineDC(high int) {
	w.scan(w.all(), 0, 0, high, high-1, func(c, i int) {
		w.put(w.components[c].blocks[i][0]>>(high-1)&1, 1)
	}, func() {})
}

// shifted is a coefficient without its lowest bits, rounded towards zero.
func shifted(v, low int) int {
	if v < 0 {
		return -(-v >> low)
	}
	return v >> low
}

func (w *writer) firstAC(component, first, last, low int) {
	w.tables()
	blocks := 0
	flush := func() {
		if blocks > 0 {
			n := bits.Len(uint(blocks)) - 1
			w.symbol(w.ac, n<<4)
			w.put(blocks, n)
			blocks = 0
		}
	}
	w.scan([]int{component}, first, last, 0, low, func(c, i int) {
		run := 0
		for k := first; k <= last; k++ {
			v := shifted(w.components[c].blocks[i][k], low)
			if v == 0 {
				run++
				continue
			}
			flush()
			for ; run > 15; run -= 16 {
				w.symbol(w.ac, 0xf0)
			}
			w.symbol(w.ac, run<<4|size(v))
			w.number(v, size(v))
			run = 0
		}
		if run > 0 {
			if blocks++; blocks == 1<<15-1 {
				flush()
			}
		}
	}, flush)
}

func (w *writer) refineAC(component, first, last, high int) {
	w.tables()
	low, blocks := high-1, 0
	var pending []int // bits of coefficients that are known, after the run of blocks
	bitsOf := func(list []int) {
		for _, bit := range list {
			w.put(bit, 1)
		}
	}
	flush := func() {
		if blocks > 0 {
			n := bits.Len(uint(blocks)) - 1
			w.symbol(w.ac, n<<4)
			w.put(blocks, n)
			blocks = 0
		}
		bitsOf(pending)
		pending = nil
	}
	w.scan([]int{component}, first, last, high, low, func(c, i int) {
		b := &w.components[c].blocks[i]
		end := first - 1 // the last coefficient that becomes nonzero now
		for k := first; k <= last; k++ {
			if size(shifted(b[k], low)) == 1 {
				end = k
			}
		}
		run := 0
		var known []int
		for k := first; k <= last; k++ {
			v := shifted(b[k], low)
			switch {
			case v == 0:
				if run++; run == 16 && k < end {
					flush()
					w.symbol(w.ac, 0xf0)
					bitsOf(known)
					run, known = 0, nil
				}
			case size(v) > 1:
				known = append(known, max(v, -v)&1)
			default:
				flush()
				w.symbol(w.ac, run<<4|1)
				w.put((v+1)/2, 1)
				bitsOf(known)
				run, known = 0, nil
			}
		}
		if run > 0 || len(known) > 0 {
			blocks++
			pending = append(pending, known...)
			if blocks == 1<<15-1 {
				flush()
			}
		}
	}, flush)
}
