package lossless

import "gitlab.com/yourorg/image-service/functions/internal/raster/imgerr"

const lengthSymbols = 19

// lengthOrder is the order in which the lengths of the code length code are stored (section 3.7.2.1).
var lengthOrder = [lengthSymbols]uint8{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// readLengths reads a prefix code as the code lengths of all symbols (section 3.7.2.1).
func (d *decoder) readLengths(to []uint8) error {
	clear(to)
	if d.in.readBit() {
		d.readSimple(to)
	} else if err := d.readNormal(to); err != nil {
		return err
	}
	if err := d.in.checkOverrun(); err != nil {
		return err
	}
	if !d.canon.assign(to) {
		return damaged("a prefix code is incomplete or oversubscribed")
	}
	return nil
}

// readSimple reads a code of one or two symbols. Symbols outside the alphabet are ignored, as in libwebp.
func (d *decoder) readSimple(to []uint8) {
	two, wide := d.in.readBit(), d.in.readBit()
	first := d.in.readBits(1)
	if wide {
		first |= d.in.readBits(7) << 1
	}
	set := func(symbol uint32) {
		if symbol < uint32(len(to)) {
			to[symbol] = 1
		}
	}
	set(first)
	if two {
		set(d.in.readBits(8))
	}
}

func (d *decoder) readNormal(to []uint8) error {
	var order [lengthSymbols]uint8
	for _, symbol := range lengthOrder[:4+d.in.readBits(4)] {
		order[symbol] = uint8(d.in.readBits(3))
	}
	if !d.canon.assign(order[:]) {
		return d.damaged("a code length code is incomplete or oversubscribed")
	}
	d.table = d.canon.appendTable(d.table[:0])
	code := d.canon.withTable(d.table)
	tokens := len(to)
	if d.in.readBit() {
		if tokens = 2 + int(d.in.readBits(2+2*uint64(d.in.readBits(3)))); tokens > len(to) {
			return d.damaged("a prefix code has more symbols than its alphabet")
		}
	}
	previous := uint8(8)
	for i := 0; i < len(to) && tokens > 0; tokens-- {
		d.in.refill()
		e := code.lookUp(d.in.acc)
		d.in.consume(uint64(e & entryBits))
		length, count := uint8(0), 1
		switch symbol := uint8(e >> symbolShift); symbol {
		case 16:
			length, count = previous, 3+int(d.in.readBits(2))
		case 17:
			count = 3 + int(d.in.readBits(3))
		case 18:
			count = 11 + int(d.in.readBits(7))
		default:
			length = symbol
			if length != 0 {
				previous = length
			}
		}
		if count > len(to)-i {
			return d.damaged("a prefix code has more symbols than its alphabet")
		}
		for range count {
			to[i] = length
			i++
		}
	}
	return nil
}

// damaged returns the error for what was read, unless it was read from the zeros that follow the input.
func (d *decoder) damaged(detail string, args ...any) error {
	if err := d.in.checkOverrun(); err != nil {
		return err
	}
	return damaged(detail, args...)
}

func damaged(detail string, args ...any) error { return imgerr.Damaged("WebP", detail, args...) }
