package png

// passes are those of Adam7 (section 8.2 of the standard): the first pixel of each, and the steps to the next ones.
var passes = [...]struct{ x, y, stepX, stepY int }{
	{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
}

// interlacedRows reads all passes. The last one has every second row as a whole, so only the other rows are held.
func (d *decoder) interlacedRows() error {
	length := d.Width * d.channels
	even := make([]uint8, (d.Height+1)/2*length)
	last := len(passes) - 1
	for _, p := range passes[:last] {
		width, height := (d.Width-p.x+p.stepX-1)/p.stepX, (d.Height-p.y+p.stepY-1)/p.stepY
		if width == 0 {
			continue
		}
		err := d.decodePass(width, height, func(y int, pixels []uint8) {
			scatterPixels(even[(p.y+y*p.stepY)/2*length:][p.x*d.channels:length], pixels, p.stepX, d.channels)
		})
		if err != nil {
			return err
		}
	}
	err := d.decodePass(d.Width, d.Height/2, func(y int, pixels []uint8) {
		d.sampler.Add(even[y*length:][:length])
		d.sampler.Add(pixels)
	})
	if d.Height%2 == 1 {
		d.sampler.Add(even[d.Height/2*length:])
	}
	return err
}

// scatterPixels writes pixels step pixels apart.
func scatterPixels(to, pixels []uint8, step, channels int) {
	for i := 0; i < len(pixels); i += channels {
		copy(to[i*step:], pixels[i:i+channels])
	}
}
