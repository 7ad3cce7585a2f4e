package av1

import (
	_ "embed"
	"encoding/binary"
	"reflect"
	"sync"
)

// tables.bin has the numbers of the standard that cannot be computed, from the text of the AV1 Bitstream & Decoding
// Process Specification (https://github.com/AOMediaCodec/av1-spec, Alliance for Open Media). In this order:
//
//   - the default cumulative distribution functions (section 9.3), as 16-bit numbers, big-endian: those of the fields
//     of contexts, those of interContexts, then those of coefficientContexts for each of the four ranges of base_q_idx.
//     Of each function, 32768 and the counter at its end are left out.
//   - Dc_Qlookup, then Ac_Qlookup (section 7.12.2): for 8, 10 and 12 bits, 256 16-bit numbers, big-endian.
//   - Quantizer_Matrix (section 9.5.3): for 15 levels, for luma and chroma, a byte each: the lower triangle of the
//     32x32 matrix, which is symmetric, and the matrix 32 across and 16 down. The others follow (section 9.5.2).
//
//go:embed tables.bin
var tablesData []byte

const (
	contextNumbers     = 1824
	interNumbers       = 748
	coefficientNumbers = 2289
	quantizerRanges    = 4 // COEFF_CDF_Q_CTXS
	lookupNumbers      = 2 * 3 * 256
	matrixLevels       = 15
	triangle           = 32 * 33 / 2
	matrixBytes        = triangle + 16*32
)

// tables are the contents of tables.bin, and what is computed once for all pictures. Processes that decode none do
// without.
type tables struct {
	contexts     contexts
	inter        interContexts
	coefficients [quantizerRanges]coefficientContexts
	dcLookup     [3][256]uint16
	acLookup     [3][256]uint16
	matrices     []byte
	scans        [3][txSizes][]scanned
}

var loadTables = sync.OnceValue(func() *tables {
	t, r := new(tables), &tableReader{tablesData}
	eachFunction(reflect.ValueOf(&t.contexts).Elem(), r.readFunction)
	eachFunction(reflect.ValueOf(&t.inter).Elem(), r.readFunction)
	for i := range t.coefficients {
		eachFunction(reflect.ValueOf(&t.coefficients[i]).Elem(), r.readFunction)
	}
	for _, lookup := range []*[3][256]uint16{&t.dcLookup, &t.acLookup} {
		for i := range lookup {
			for j := range lookup[i] {
				lookup[i][j] = r.next()
			}
		}
	}
	t.matrices = r.b
	t.scans = newScans()
	return t
})

type tableReader struct{ b []byte }

func (r *tableReader) next() uint16 {
	v := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return v
}

// readFunction reads the distribution function of a symbol with len(cdf) values.
func (r *tableReader) readFunction(cdf []uint16) {
	for i := range cdf[:len(cdf)-1] {
		cdf[i] = 32768 - r.next()
	}
}

// eachFunction calls f with each distribution function of contexts or coefficientContexts.
func eachFunction(v reflect.Value, f func(cdf []uint16)) {
	switch {
	case v.Type() == reflect.TypeFor[paletteContexts]():
		c := (*paletteContexts)(v.Addr().UnsafePointer())
		for i := range c {
			for j := range c[i] {
				for k := range c[i][j] {
					f(c[i][j][k][:j+2])
				}
			}
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			eachFunction(v.Field(i), f)
		}
	case v.Type().Elem().Kind() == reflect.Array:
		for i := range v.Len() {
			eachFunction(v.Index(i), f)
		}
	default:
		accessible := reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem() // though the field is not exported
		f(accessible.Slice(0, v.Len()).Interface().([]uint16))
	}
}

// matrix returns a quantizer matrix, with a row for each of the coefficients that are coded (section 9.5.2).
func (t *tables) matrix(level int, isChroma bool, size txSize) []uint8 {
	at := 2 * level * matrixBytes
	if isChroma {
		at += matrixBytes
	}
	square, wide := t.matrices[at:at+triangle], t.matrices[at+triangle:at+matrixBytes]
	w, h := 1<<min(txWidthLog2[size], 5), 1<<min(txHeightLog2[size], 5)
	columns, rows := 32, 32 // of the matrix that the others are sampled from
	if w > h {
		rows = 16
	} else if w < h {
		columns = 16
	}
	stepX, stepY := columns/w, rows/h
	firstX, firstY := (stepX+1)/2-1, (stepY+1)/2-1
	m := make([]uint8, 0, w*h)
	for i := range h {
		for j := range w {
			y, x := i*stepY+firstY, j*stepX+firstX
			switch {
			case columns == 16:
				m = append(m, wide[x*32+y])
			case rows == 16:
				m = append(m, wide[y*32+x])
			default:
				y, x = max(x, y), min(x, y)
				m = append(m, square[y*(y+1)/2+x])
			}
		}
	}
	return m
}
