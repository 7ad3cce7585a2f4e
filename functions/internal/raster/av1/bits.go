package av1

// bits reads the fields of an OBU. After its end every field reads as zero, and isShort is set.
type bits struct {
	b       []byte
	at      int // in bits
	isShort bool
}

// read reads an unsigned integer of up to 32 bits (section 4.10.2).
func (r *bits) read(n int) int {
	v := 0
	for range n {
		v <<= 1
		if r.at >= 8*len(r.b) {
			r.isShort = true
			continue
		}
		v |= int(r.b[r.at/8]>>(7-r.at%8)) & 1
		r.at++
	}
	return v
}

func (r *bits) flag() bool { return r.read(1) != 0 }

// skipIf skips a field if a flag before it is set.
func (r *bits) skipIf(n int) {
	if r.flag() {
		r.read(n)
	}
}

// skipUVLC skips a variable-length code (section 4.10.3).
func (r *bits) skipUVLC() {
	zeros := 0
	for !r.isShort && !r.flag() {
		zeros++
	}
	if zeros < 32 {
		r.read(zeros)
	}
}

// leb128 reads a little-endian base 128 number (section 4.10.5), and returns the rest. The number is -1 if it does not
// end, or has more than 32 bits.
func leb128(b []byte) (int, []byte) {
	v := 0
	for i := range min(len(b), 8) {
		v |= int(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			if v > 1<<32-1 {
				break
			}
			return v, b[i+1:]
		}
	}
	return -1, nil
}

// signed reads su(n), which includes the sign (section 4.10.6).
func (r *bits) signed(n int) int {
	v := r.read(n)
	if v >= 1<<(n-1) {
		v -= 1 << n
	}
	return v
}

// align skips to the next byte, and returns the bytes that are left.
func (r *bits) align() []byte { return r.b[min((r.at+7)/8, len(r.b)):] }

// skip skips n bits.
func (r *bits) skip(n int) {
	for ; n > 0; n -= 32 {
		r.read(min(n, 32))
	}
}
