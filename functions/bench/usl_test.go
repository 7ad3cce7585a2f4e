package main

import (
	"math"
	"testing"
)

func TestFitScaling(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]scaling{
		"linear":            {20, 0, 0},
		"with serial parts": {20, 0.3, 0},
		"retrograde":        {35, 0.05, 0.001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var measured []measuredRate
			for n := 1.0; n <= 128; n *= 2 {
				measured = append(measured, measuredRate{n, want.at(n)})
			}
			got := fitScaling(measured)
			if worst := got.worst(measured); worst > 1e-6 {
				t.Errorf("got %+v, which is off by %g; want %+v", got, worst, want)
			}
		})
	}
}

// The best law without negative parameters is found where the best of all has one.
func TestFitScalingOfMoreThanLinear(t *testing.T) {
	t.Parallel()
	got := fitScaling([]measuredRate{{1, 10}, {2, 25}, {4, 60}})
	if got.lambda < 10 || got.sigma != 0 || got.kappa != 0 {
		t.Errorf("got %+v, want a linear law", got)
	}
}

func TestBestClients(t *testing.T) {
	t.Parallel()
	if got := (scaling{10, 0.19, 0.01}).best(); math.Abs(got-9) > 1e-9 {
		t.Errorf("got %g, want 9", got)
	}
	if got := (scaling{10, 0.5, 0}).best(); !math.IsInf(got, 1) {
		t.Errorf("got %g, want infinity", got)
	}
}
