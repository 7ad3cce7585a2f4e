// Package plot draws curves as SVG.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// A Chart is curves over common axes, which begin at 0, or, if they are logarithmic, at a power of 10 for Y and of 2
// for X.
type Chart struct {
	Title, X, Y string // X and Y name the axes, with their units
	LogX, LogY  bool
	Series      []Series
}

// A Series is a curve, drawn as a line. Marks are drawn at its points unless it is a Model.
type Series struct {
	Name   string
	Points []Point
	Model  bool // computed, not measured: dashed
}

// A Point is a pair of values; with a logarithmic axis they are above 0.
type Point struct{ X, Y float64 }

// Size of a chart, and of the area with the curves in it.
const (
	width, height             = 720, 420
	left, right, top, bottom  = 70, 20, 44, 60
	areaWidth, areaHeight     = width - left - right, height - top - bottom
	legendLine, mark, tickGap = 16, 3, 4
)

// colors are those of Okabe and Ito, which people with any colour vision tell apart.
var colors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// SVG returns the chart as a document of its own.
func (c Chart) SVG() []byte {
	var out bytes.Buffer
	x, y := c.axes()
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" `+
		`font-family="sans-serif" font-size="12" role="img">`+"\n", width, height)
	fmt.Fprintf(&out, "<title>%s</title>\n", escape(c.Title))
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	fmt.Fprintf(&out, `<text x="%d" y="20" font-size="15">%s</text>`+"\n", left, escape(c.Title))
	for _, value := range x.ticks() {
		at := left + x.at(value)*areaWidth
		line(&out, at, top, at, top+areaHeight)
		text(&out, at, top+areaHeight+18, "middle", short(value))
	}
	for _, value := range y.ticks() {
		at := top + (1-y.at(value))*areaHeight
		line(&out, left, at, left+areaWidth, at)
		text(&out, left-tickGap*2, at+tickGap, "end", short(value))
	}
	text(&out, left+areaWidth/2, height-14, "middle", c.X)
	fmt.Fprintf(&out, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n",
		top+areaHeight/2, escape(c.Y))
	for i, s := range c.Series {
		s.draw(&out, x, y, colors[i%len(colors)], i)
	}
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// draw draws a curve and its line of the legend.
func (s Series) draw(out *bytes.Buffer, x, y axis, color string, index int) {
	dashes, marks := "", ""
	if s.Model {
		dashes = ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(out, `<polyline fill="none" stroke="%s" stroke-width="2"%s points="`, color, dashes)
	for _, p := range s.Points {
		px, py := left+x.at(p.X)*areaWidth, top+(1-y.at(p.Y))*areaHeight
		fmt.Fprintf(out, "%.1f,%.1f ", px, py)
		if !s.Model {
			marks += fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"/>`, px, py, mark, color)
		}
	}
	fmt.Fprintf(out, `"/>%s`+"\n", marks)
	at := top + 14 + index*legendLine
	fmt.Fprintf(out, `<line x1="%d" y1="%d" x2="%d" y2="%[2]d" stroke="%[4]s" stroke-width="2"%[5]s/>`+"\n",
		left+12, at-4, left+36, color, dashes)
	text(out, left+42, float64(at), "start", s.Name)
}

func line(out *bytes.Buffer, x1, y1, x2, y2 float64) {
	fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", x1, y1, x2, y2)
}

func text(out *bytes.Buffer, x, y float64, anchor, content string) {
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escape(content))
}

func escape(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text)) // writing to a Buffer does not fail
	return out.String()
}

func short(value float64) string { return strconv.FormatFloat(value, 'g', 6, 64) }

// An axis maps values to 0 to 1.
type axis struct {
	from, to float64
	base     float64 // of a logarithmic axis, otherwise 0
}

func (c Chart) axes() (x, y axis) {
	lowest, highest := Point{math.Inf(1), math.Inf(1)}, Point{}
	for _, s := range c.Series {
		for _, p := range s.Points {
			lowest = Point{min(lowest.X, p.X), min(lowest.Y, p.Y)}
			highest = Point{max(highest.X, p.X), max(highest.Y, p.Y)}
		}
	}
	return newAxis(lowest.X, highest.X, c.LogX, 2), newAxis(lowest.Y, highest.Y, c.LogY, 10)
}

// newAxis returns an axis for values from lowest to highest.
func newAxis(lowest, highest float64, logarithmic bool, base float64) axis {
	if !logarithmic || highest <= 0 {
		a := axis{to: max(highest, 1e-9)}
		step := a.step()
		a.to = math.Ceil(a.to/step-1e-9) * step
		return a
	}
	power := func(value float64, round func(float64) float64) float64 {
		return math.Pow(base, round(math.Log(value)/math.Log(base)))
	}
	a := axis{power(lowest, math.Floor), power(highest, math.Ceil), base}
	if a.from == a.to {
		a.to *= base
	}
	return a
}

func (a axis) at(value float64) float64 {
	if a.base != 0 {
		return math.Log(value/a.from) / math.Log(a.to/a.from)
	}
	return (value - a.from) / (a.to - a.from)
}

// step is 1, 2 or 5 times a power of 10, so that there are at most ten steps.
func (a axis) step() float64 {
	unit := math.Pow(10, math.Floor(math.Log10(a.to/10)))
	for _, times := range []float64{1, 2, 5} {
		if a.to/(unit*times) <= 10 {
			return unit * times
		}
	}
	return 10 * unit
}

func (a axis) ticks() (values []float64) {
	if a.base != 0 {
		for value := a.from; value <= a.to*(1+1e-9); value *= a.base {
			values = append(values, value)
		}
		return values
	}
	step := a.step()
	for i := 0.0; i*step <= a.to*(1+1e-9); i++ {
		values = append(values, i*step)
	}
	return values
}
