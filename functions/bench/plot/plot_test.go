package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	t.Parallel()
	curve := []Point{{1, 12}, {16, 120}, {128, 95}}
	for name, c := range map[string]Chart{
		"linear":      {Title: "a < b & c", X: "clients", Y: "images/s", Series: []Series{{Name: "measured", Points: curve}}},
		"logarithmic": {LogX: true, LogY: true, Series: []Series{{Points: curve}, {Points: curve, Model: true}}},
		"one point":   {LogX: true, LogY: true, Series: []Series{{Points: []Point{{1, 1}}}}},
		"zeros":       {Series: []Series{{Points: []Point{{0, 0}}}}},
		"empty":       {LogX: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svg := c.SVG()
			decoder := xml.NewDecoder(bytes.NewReader(svg))
			for {
				if _, err := decoder.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v in %s", err, svg)
				}
			}
			if found := strings.Index(string(svg), "NaN") + strings.Index(string(svg), "Inf"); found != -2 {
				t.Errorf("a number is not one: %s", svg)
			}
		})
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	c := Chart{Series: []Series{{Points: []Point{{0, 0}, {50, 100}, {100, 50}}}}}
	const want = `points="70.0,360.0 385.0,44.0 700.0,202.0 "`
	if got := string(c.SVG()); !strings.Contains(got, want) {
		t.Errorf("got %s, want %s in it", got, want)
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		axis axis
		want []float64
	}{
		"linear":      {newAxis(3, 37, false, 0), []float64{0, 5, 10, 15, 20, 25, 30, 35, 40}},
		"powers of 2": {newAxis(1, 12, true, 2), []float64{1, 2, 4, 8, 16}},
		"tens":        {newAxis(30, 900, true, 10), []float64{10, 100, 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := test.axis.ticks(); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
