//go:build !amd64

package plane

import "encoding/binary"

// columnSums are the sums of the columns of several rows.
type columnSums struct {
	sums   []uint16
	packed [][2]uint64 // the same, before unpack
}

// add adds count equal rows to the packed sums: four sums of columns to a word, of the even bytes of 8, and of the odd
// ones.
func (r *columnSums) add(row []uint8, count int) {
	if r.packed == nil {
		r.packed = make([][2]uint64, len(r.sums)/8)
	}
	const even = 0x00ff00ff00ff00ff
	whole := len(row) &^ 7
	for i, p := 0, 0; i < whole && p < len(r.packed); i, p = i+8, p+1 {
		word := binary.LittleEndian.Uint64(row[i : i+8])
		sums := &r.packed[p]
		sums[0] += word & even * uint64(count)
		sums[1] += word >> 8 & even * uint64(count)
	}
	if whole < len(row) {
		var last [8]byte
		copy(last[:], row[whole:])
		word := binary.LittleEndian.Uint64(last[:])
		sums := &r.packed[whole/8]
		sums[0] += word & even * uint64(count)
		sums[1] += word >> 8 & even * uint64(count)
	}
}

func (r *columnSums) unpack() {
	for i, packed := range r.packed {
		even, odd := packed[0], packed[1]
		sums := r.sums[8*i : 8*i+8]
		sums[0], sums[1], sums[2], sums[3] = uint16(even), uint16(odd), uint16(even>>16), uint16(odd>>16)
		sums[4], sums[5], sums[6], sums[7] = uint16(even>>32), uint16(odd>>32), uint16(even>>48), uint16(odd>>48)
	}
	clear(r.packed)
}
