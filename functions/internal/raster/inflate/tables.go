package inflate

const (
	lengthIndex   = 11 // bits
	distanceIndex = 9
	metaIndex     = 7
)

// The most symbols that a block may announce, and that have a meaning.
const (
	maxLengths   = 286
	maxDistances = 30
	maxMeta      = 19
)

// A tables is the codes of a block.
type tables struct {
	lengths      [1 << lengthIndex]entry // and literals
	distances    [1 << distanceIndex]entry
	meta         [1 << metaIndex]entry // of the lengths of the other two codes
	lengthCode   code
	distanceCode code
	metaCode     code
}

func (t *tables) build(lengths, distances []uint8) error {
	if err := t.lengthCode.build(lengths); err != nil {
		return err
	}
	if err := t.distanceCode.build(distances); err != nil {
		return err
	}
	t.lengthCode.fill(t.lengths[:], lengthIndex, &lengthEntries, true)
	t.distanceCode.fill(t.distances[:], distanceIndex, &distanceEntries, false)
	return nil
}

// fixed is what blocks use that bring no codes (RFC 1951, section 3.2.6).
var fixed = func() *tables {
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

// metaOrder is the order in which the lengths of the meta code come (RFC 1951, section 3.2.7).
var metaOrder = [maxMeta]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// read reads the codes at the start of a block.
func (t *tables) read(in *input) error {
	nLengths, nDistances, nMeta := int(in.bits(5)+257), int(in.bits(5)+1), in.bits(4)+4
	if nLengths > maxLengths || nDistances > maxDistances {
		return errCode
	}
	var meta [maxMeta]uint8
	for _, symbol := range metaOrder[:nMeta] {
		meta[symbol] = uint8(in.bits(3))
	}
	if err := t.metaCode.build(meta[:]); err != nil {
		return err
	}
	t.metaCode.fill(t.meta[:], metaIndex, &lengthEntries, false) // of which the symbols up to 18 are themselves
	var lengths [maxLengths + maxDistances]uint8
	if err := t.readLengths(in, lengths[:nLengths+nDistances]); err != nil {
		return err
	}
	return t.build(lengths[:nLengths], lengths[nLengths:nLengths+nDistances])
}

func (t *tables) readLengths(in *input, lengths []uint8) error {
	for i := 0; i < len(lengths); {
		in.fill()
		e := t.meta[in.acc&(1<<metaIndex-1)]
		if e&special != 0 {
			return errSymbol
		}
		in.acc >>= e & used
		in.n -= uint64(e & used)
		length, count := uint8(0), 1
		switch symbol := uint8(e >> 8); {
		case symbol < 16:
			length = symbol
		case symbol == 16 && i == 0:
			return errCode
		case symbol == 16:
			length, count = lengths[i-1], int(3+in.bits(2))
		case symbol == 17:
			count = int(3 + in.bits(3))
		default:
			count = int(11 + in.bits(7))
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
