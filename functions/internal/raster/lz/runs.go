package lz

// A Run is a symbol of the code that code lengths are written in, and its extra bits: the same in RFC 1951, section
// 3.2.7, and in RFC 9649, section 3.7.2.1.2.
type Run struct {
	Symbol, ExtraBits int
	Extra             uint64
}

// RunsOf returns the runs of code lengths.
func RunsOf(lengths []uint8) (runs []Run) {
	for len(lengths) > 0 {
		n := 1
		for n < len(lengths) && lengths[n] == lengths[0] {
			n++
		}
		runs = appendRun(runs, lengths[0], n)
		lengths = lengths[n:]
	}
	return runs
}

// appendRun appends n equal lengths.
func appendRun(runs []Run, length uint8, n int) []Run {
	add := func(symbol, extraBits, extra int) {
		runs = append(runs, Run{symbol, extraBits, uint64(extra)})
	}
	for ; length == 0 && n >= 11; n -= min(n, 138) {
		add(18, 7, min(n, 138)-11)
	}
	if length == 0 && n >= 3 {
		add(17, 3, n-3)
		return runs
	}
	for i := 0; n > 0; i++ {
		if i > 0 && length > 0 && n >= 3 {
			repeated := min(n, 6)
			add(16, 2, repeated-3)
			n -= repeated
			continue
		}
		add(int(length), 0, 0)
		n--
	}
	return runs
}
