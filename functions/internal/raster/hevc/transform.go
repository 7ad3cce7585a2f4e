package hevc

// The transforms process two columns or rows at once: a 64-bit integer holds two 32-bit lanes as low + high<<32.
// Sums, and products with a constant, are then right in both lanes, as long as each result fits into 32 bits: 32
// coefficients of 16 bits times 90 do.

// lanes packs two values into lanes.
func lanes(low, high int32) int64 { return int64(low) + int64(high)<<32 }

// split unpacks the lanes.
func split(v int64) (low, high int32) {
	low = int32(v)
	return low, int32((v - int64(low)) >> 32)
}

// both returns a value in both lanes.
func both(v int64) int64 { return v + v<<32 }

// cosines are the elements of transMatrix (section 8.6.4.2): scaled cosines of multiples of pi/64.
var cosines = [33]int64{
	0, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67, 64,
	61, 57, 54, 50, 46, 43, 38, 36, 31, 25, 22, 18, 13, 9, 4, 0,
}

// cosine returns the element of transMatrix for an angle of a*pi/64.
func cosine(a int) int64 {
	a &= 127
	if a > 64 {
		a = 128 - a
	}
	if a > 32 {
		return -cosines[64-a]
	}
	return cosines[a]
}

// odd16 and odd32 are the odd rows of the matrices of 16 and 32 points, by sample.
var odd16, odd32 = func() (half [8][8]int64, full [16][16]int64) {
	for n := range half {
		for k := range half[n] {
			half[n][k] = cosine((2*n + 1) * (2*k + 1) * 2)
		}
	}
	for n := range full {
		for k := range full[n] {
			full[n][k] = cosine((2*n + 1) * (2*k + 1))
		}
	}
	return half, full
}()

// A line is the input or output of a one-dimensional transform.
type line = [32]int64

// idct4 is the transform of 4 points. Its input coefficients are step apart.
func idct4(in *line, step int, round int64) (a, b, c, d int64) {
	i0, i1, i2, i3 := in[0]<<6+round, in[step&31], in[2*step&31]<<6, in[3*step&31]
	even0, even1 := i0+i2, i0-i2
	odd0, odd1 := 83*i1+36*i3, 36*i1-83*i3
	return even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0
}

// idct8 is the transform of 8 points.
func idct8(in *line, step int, round int64, out *line) {
	a, b, c, d := idct4(in, 2*step, round)
	i1, i3, i5, i7 := in[step&31], in[3*step&31], in[5*step&31], in[7*step&31]
	o0 := 89*i1 + 75*i3 + 50*i5 + 18*i7
	o1 := 75*i1 - 18*i3 - 89*i5 - 50*i7
	o2 := 50*i1 - 89*i3 + 18*i5 + 75*i7
	o3 := 18*i1 - 50*i3 + 75*i5 - 89*i7
	out[0], out[1], out[2], out[3] = a+o0, b+o1, c+o2, d+o3
	out[4], out[5], out[6], out[7] = d-o3, c-o2, b-o1, a-o0
}

// idct16 is the transform of 16 points. Only the first count coefficients can be nonzero.
func idct16(in *line, step, count int, round int64, out *line) {
	idct8(in, 2*step, round, out)
	var odd [8]int64
	used := 0
	for i := step; i < count && used < 8; i += 2 * step {
		odd[used&7] = in[i&31]
		used++
	}
	for n := range 8 {
		row := &odd16[n]
		sum := int64(0)
		if used > 4 {
			sum = row[4]*odd[4] + row[5]*odd[5] + row[6]*odd[6] + row[7]*odd[7]
		}
		if used > 2 {
			sum += row[2]*odd[2] + row[3]*odd[3]
		}
		sum += row[0]*odd[0] + row[1]*odd[1]
		even := out[n]
		out[n], out[15-n] = even+sum, even-sum
	}
}

// idct32 is the transform of 32 points. Only the first count coefficients can be nonzero.
func idct32(in *line, count int, round int64, out *line) {
	idct16(in, 2, count, round, out)
	var odd [16]int64
	used := 0
	for i := 1; i < count; i += 2 {
		odd[used&15] = in[i&31]
		used++
	}
	for n := range 16 {
		row := &odd32[n]
		sum := row[0]*odd[0] + row[1]*odd[1]
		if used > 2 {
			sum += row[2]*odd[2] + row[3]*odd[3]
		}
		for k := 4; k < used; k += 4 {
			sum += row[k&15]*odd[k&15] + row[(k+1)&15]*odd[(k+1)&15] + row[(k+2)&15]*odd[(k+2)&15] + row[(k+3)&15]*odd[(k+3)&15]
		}
		even := out[n]
		out[n], out[31-n] = even+sum, even-sum
	}
}

// idst4 is the DST-VII of 4x4 luma blocks.
func idst4(in *line, round int64, out *line) {
	i0, i1, i2, i3 := in[0], in[1], in[2], in[3]
	out[0] = 29*i0 + 74*i1 + 84*i2 + 55*i3 + round
	out[1] = 55*i0 + 74*i1 - 29*i2 - 84*i3 + round
	out[2] = 74*(i0-i2+i3) + round
	out[3] = 84*i0 - 74*i1 + 55*i2 - 29*i3 + round
}

// transformLine is the one-dimensional transform of a block of size 1<<log.
func transformLine(in *line, log uint, isSine bool, count int, round int64, out *line) {
	switch {
	case isSine:
		idst4(in, round, out)
	case log == 2:
		out[0], out[1], out[2], out[3] = idct4(in, 1, round)
	case log == 3:
		idct8(in, 1, round, out)
	case log == 4:
		idct16(in, 1, count, round, out)
	default:
		idct32(in, count, round, out)
	}
}

// transform computes the residual samples of a block (section 8.6.4.2). Only its first columns and rows, multiples of
// 4, can have nonzero coefficients.
func (r *residualState) transform(log uint, isSine bool, columns, rows, depth int) {
	n := 1 << log
	var in, out line
	for x := 0; x < columns; x += 2 {
		for y := range rows {
			at := y<<log + x
			in[y&31] = lanes(r.coefficients[at&1023], r.coefficients[(at+1)&1023])
		}
		transformLine(&in, log, isSine, rows, both(64), &out)
		first, second := x<<log>>1, (x+1)<<log>>1
		for y := 0; y < n; y += 2 {
			a, b := split(out[y&31])
			c, d := split(out[(y+1)&31])
			r.intermediate[(first+y>>1)&1023] = lanes(clip16(a>>7), clip16(c>>7))
			r.intermediate[(second+y>>1)&1023] = lanes(clip16(b>>7), clip16(d>>7))
		}
	}
	clear(in[:])
	shift := uint(20-depth) & 31
	round := both(1 << (shift - 1))
	for y := 0; y < n; y += 2 {
		for x := range columns {
			in[x&31] = r.intermediate[(x<<log>>1+y>>1)&1023]
		}
		transformLine(&in, log, isSine, columns, round, &out)
		top, bottom := r.out[y<<log:][:n], r.out[(y+1)<<log:][:n]
		for x := range top {
			a, b := split(out[x&31])
			top[x], bottom[x] = a>>shift, b>>shift
		}
	}
}

func clip16(v int32) int32 {
	if int32(int16(v)) != v {
		return max(-32768, min(v, 32767))
	}
	return v
}

// reconstruct computes the residual samples of a block and adds them to the prediction.
func (d *decoder) reconstruct(c, x0, y0 int, log uint, mode uint8) {
	r, b := &d.residuals, &d.coefficients
	columns, rows := 4*b.maxX+4, 4*b.maxY+4
	depth := d.sps.depth[c]
	isSine := c == 0 && log == 2
	isPlain := !d.pps.crossComponent
	switch {
	case b.withoutTransform:
		r.withoutTransform(log, depth, b.bypass, d.sps.skipRotation && log == 2)
		if b.isRDPCM {
			r.accumulateRDPCM(log, mode)
		}
	case b.total == 1 && r.coefficients[0] != 0 && !isSine:
		dc := clip16((64*r.coefficients[0] + 64) >> 7)
		shift := uint(20 - depth)
		v := (64*dc + 1<<(shift-1)) >> shift
		r.coefficients[0] = 0
		if isPlain {
			d.addConstant(c, x0, y0, log, v)
			return
		}
		for i := range r.out[:1<<(2*log)] {
			r.out[i] = v
		}
	default:
		r.transform(log, isSine, columns, rows, depth)
	}
	for y := range rows {
		clear(r.coefficients[y<<log:][:columns])
	}
	if c == 0 && !isPlain {
		copy(r.luma[:], r.out[:1<<(2*log)])
	}
	if r.scale != 0 {
		r.addCrossComponent(log, d.sps)
	}
	d.add(c, x0, y0, log)
}

// withoutTransform computes the residual samples of a block with transform skip or bypass (sections 8.6.2 and
// 8.6.4.2).
func (r *residualState) withoutTransform(log uint, depth int, bypass, rotate bool) {
	size := 1 << (2 * log)
	out := r.out[:size]
	copy(out, r.coefficients[:size])
	if rotate {
		for i := range size / 2 {
			out[i], out[size-1-i] = out[size-1-i], out[i]
		}
	}
	if bypass {
		return
	}
	up, down := 5+log, uint(20-depth)
	for i, v := range out {
		out[i] = (v<<up + 1<<(down-1)) >> down
	}
}

// accumulateRDPCM is the residual modification of implicit RDPCM (section 8.6.8): it accumulates in the direction of
// the prediction.
func (r *residualState) accumulateRDPCM(log uint, mode uint8) {
	n := 1 << log
	if mode == modeVertical {
		for i := n; i < n*n; i++ {
			r.out[i&1023] += r.out[(i-n)&1023]
		}
		return
	}
	for i := range n * n {
		if i&(n-1) != 0 {
			r.out[i&1023] += r.out[(i-1)&1023]
		}
	}
}

// addCrossComponent adds the residual of cross-component prediction (section 8.6.6).
func (r *residualState) addCrossComponent(log uint, sps *sps) {
	size := 1 << (2 * log)
	luma := r.luma[:size]
	out := r.out[:size]
	for i, v := range luma {
		out[i] += int32(r.scale) * (v << sps.depth[1] >> sps.depth[0]) >> 3
	}
}

// addCrossComponentOnly is cross-component prediction of a chroma block without coefficients.
func (d *decoder) addCrossComponentOnly(c, x0, y0 int, log uint, scale int) {
	clear(d.residuals.out[:1<<(2*log)])
	d.residuals.scale = scale
	d.residuals.addCrossComponent(log, d.sps)
	d.add(c, x0, y0, log)
}

// add adds the residual samples to the prediction.
func (d *decoder) add(c, x0, y0 int, log uint) {
	p := &d.planes[c]
	n := 1 << log
	most := int32(1)<<d.sps.depth[c] - 1
	at := p.base + y0*p.stride + x0
	from := d.residuals.out[:n*n]
	for len(from) >= n {
		row := p.pix[at : at+n]
		for i, v := range from[:len(row)] {
			v += int32(row[i])
			if uint32(v) > uint32(most) {
				v = max(0, min(v, most))
			}
			row[i] = uint16(v)
		}
		from = from[n:]
		at += p.stride
	}
}

// addConstant adds a residual that is the same for all samples, as of a block with only a DC coefficient.
func (d *decoder) addConstant(c, x0, y0 int, log uint, v int32) {
	if v == 0 {
		return
	}
	p := &d.planes[c]
	n := 1 << log
	most := int32(1)<<d.sps.depth[c] - 1
	at := p.base + y0*p.stride + x0
	for range n {
		row := p.pix[at : at+n]
		for i := range row {
			w := int32(row[i]) + v
			if uint32(w) > uint32(most) {
				w = max(0, min(w, most))
			}
			row[i] = uint16(w)
		}
		at += p.stride
	}
}
