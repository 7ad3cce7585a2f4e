package inflate

const (
	lengthIndexBits   = 11 // bits
	distanceIndexBits = 9
	codeLengthIndex   = 7
)

// The largest numbers of symbols of a block's codes.
const (
	maxLengths     = 286
	maxDistances   = 30
	maxCodeLengths = 19
)

// tables are the codes of a block.
type tables struct {
	lengths        [1 << lengthIndexBits]entry // literals and lengths
	distances      [1 << distanceIndexBits]entry
	codeLengths    [1 << codeLengthIndex]entry // of the code lengths of the other two codes
	lengthCode     huffmanCode
	distanceCode   huffmanCode
	codeLengthCode huffmanCode
}

func (t *tables) build(lengths, distances []uint8) error {
	if err := t.lengthCode.build(lengths); err != nil {
		return err
	}
	if err := t.distanceCode.build(distances); err != nil {
		return err
	}
	t.lengthCode.fillTable(t.lengths[:], lengthIndexBits, &lengthEntries, true)
	t.distanceCode.fillTable(t.distances[:], distanceIndexBits, &distanceEntries, false)
	return nil
}

// fixedTables are those of blocks with fixed Huffman codes (RFC 1951, section 3.2.6).
var fixedTables = func() *tables {
	var lengths, distances [maxSymbols]uint8
	for symbol := range lengths {
		switch {
		case symbol < 144:
			lengths[symbol] = 8
		case symbol < 256:
			lengths[symbol] = 9
		case symbol < 280:
			lengths[symbol] = 7
		default:
			lengths[symbol] = 8
		}
	}
	for symbol := range 32 {
		distances[symbol] = 5
	}
	t := new(tables)
	if err := t.build(lengths[:], distances[:32]); err != nil {
		panic(err)
	}
	return t
}()

// codeLengthOrder is the order of the code length code's own lengths (RFC 1951, section 3.2.7).
var codeLengthOrder = [maxCodeLengths]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// read reads the codes at the start of a block with dynamic Huffman codes.
func (t *tables) read(in *input) error {
	nLengths, nDistances, nCodeLengths := int(in.readBits(5)+257), int(in.readBits(5)+1), in.readBits(4)+4
	if nLengths > maxLengths || nDistances > maxDistances {
		return errCode
	}
	var codeLengths [maxCodeLengths]uint8
	for _, symbol := range codeLengthOrder[:nCodeLengths] {
		codeLengths[symbol] = uint8(in.readBits(3))
	}
	if err := t.codeLengthCode.build(codeLengths[:]); err != nil {
		return err
	}
	// Its symbols, up to 18, are found in lengthEntries as literals.
	t.codeLengthCode.fillTable(t.codeLengths[:], codeLengthIndex, &lengthEntries, false)
	var lengths [maxLengths + maxDistances]uint8
	if err := t.readLengths(in, lengths[:nLengths+nDistances]); err != nil {
		return err
	}
	return t.build(lengths[:nLengths], lengths[nLengths:nLengths+nDistances])
}

func (t *tables) readLengths(in *input, lengths []uint8) error {
	for i := 0; i < len(lengths); {
		in.refill()
		e := t.codeLengths[in.acc&(1<<codeLengthIndex-1)]
		if e&exceptional != 0 {
			return errSymbol
		}
		in.acc >>= e & bitsMask
		in.n -= uint64(e & bitsMask)
		length, count := uint8(0), 1
		switch symbol := uint8(e >> 8); {
		case symbol < 16:
			length = symbol
		case symbol == 16 && i == 0:
			return errCode
		case symbol == 16:
			length, count = lengths[i-1], int(3+in.readBits(2))
		case symbol == 17:
			count = int(3 + in.readBits(3))
		default:
			count = int(11 + in.readBits(7))
		}
		if count > len(lengths)-i {
			return errCode
		}
		for range count {
			lengths[i] = length
			i++
		}
	}
	return nil
}
