package gif

import (
	"image/gif"
	"io"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster/palette"
	"gitlab.com/yourorg/image-service/functions/internal/raster/plane"
)

// Encode writes m, all of whose planes are of its size, as a GIF of one frame. Pixels less than half opaque become
// transparent.
func Encode(w io.Writer, m *plane.Image) error { return gif.Encode(w, palette.Reduce(m.NRGBA()), nil) }

// Animate writes frames, each as it is shown, as a GIF that is to be shown so often, or without end if loops is 0.
func Animate(w io.Writer, frames []plane.Frame, loops int) error {
	g := &gif.GIF{LoopCount: loops - 1}
	if loops == 0 {
		g.LoopCount = 0
	}
	for _, frame := range frames {
		g.Image = append(g.Image, palette.Reduce(frame.NRGBA()))
		g.Delay = append(g.Delay, int(frame.Delay/(10*time.Millisecond)))
		g.Disposal = append(g.Disposal, gif.DisposalBackground)
	}
	return gif.EncodeAll(w, g)
}
