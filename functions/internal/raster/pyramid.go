package raster

import "gitlab.com/yourorg/image-service/functions/internal/raster/plane"

// A pyramid is an image and copies of it, each half as wide and as high as the one before it. Small renditions beside a
// large one are made of the copies, so that each costs little more than its encoding.
type pyramid []*plane.Image

// smallest returns the smallest copy that a view does not tell from the image, by plane.ReductionFactor. part is what
// the view divides the size of the chroma planes by.
func (p *pyramid) smallest(v plane.View, part float64) *plane.Image {
	level := 0
	for factor := reduction((*p)[0], v, part); factor >= 2; factor /= 2 {
		level++
		if len(*p) == level {
			*p = append(*p, halved((*p)[level-1]))
		}
	}
	return (*p)[level]
}

// reduction is the factor by which all planes of an image may be reduced for a view.
func reduction(m *plane.Image, v plane.View, part float64) int {
	ratio := min(v.Across/float64(v.Width), v.Down/float64(v.Height)) // pixels of the image to one of the view
	factor := plane.ReductionFactor(ratio)
	for i, p := range m.Planes {
		step := max(p.StepX, p.StepY)
		if i > 0 && m.Model == plane.YCbCr {
			step /= part
		}
		factor = min(factor, plane.ReductionFactor(ratio/step))
	}
	return factor
}

func halved(m *plane.Image) *plane.Image {
	half := *m
	half.Source, half.Planes = nil, nil
	for _, p := range m.Planes {
		half.Planes = append(half.Planes, p.Reduce(2, 2))
	}
	return &half
}
