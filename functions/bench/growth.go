package main

import (
	"fmt"
	"math"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/plot"
)

// A growth is how rates and latencies grow with the clients, for each size of images.
type growth struct {
	sizes []size
	of    map[size]*grown
}

// grown is the growth for one size.
type grown struct{ service, alone, median, worst []plot.Point }

func newGrowth() *growth { return &growth{of: map[size]*grown{}} }

// add adds a result, and that of the servers alone with as many clients.
func (g *growth) add(s size, r, alone *result) {
	all := g.of[s]
	if all == nil {
		all = &grown{}
		g.of[s] = all
		g.sizes = append(g.sizes, s)
	}
	at := func(y float64) plot.Point { return plot.Point{X: float64(r.clients), Y: y} }
	latency := func(percent int) plot.Point {
		return at(milliseconds(max(percentile(r.complete, percent), time.Microsecond)))
	}
	all.service = append(all.service, at(r.perSecond()))
	all.alone = append(all.alone, at(alone.perSecond()))
	all.median = append(all.median, latency(50))
	all.worst = append(all.worst, latency(99))
}

// fewest is how many rates the law is fitted to: it has three parameters, and fits any three rates.
const fewest = 4

// report reports the law of each size, and draws its curves.
func (g *growth) report(r *report) {
	t := &table{
		title: "How the rate grows with the clients",
		note: "The universal scalability law, fitted to the rates above: n clients reach λn / (1 + σ(n-1) + κn(n-1)) " +
			"images a second. σ is the part that is done one at a time, κ what each client costs every other; beyond the " +
			"best number of clients the rate falls.",
		header: []string{"image", "λ", "σ", "κ", "best clients", "largest error"},
	}
	for _, s := range g.sizes {
		all := g.of[s]
		rates := []plot.Series{{Name: "image-service", Points: all.service}, {Name: "the servers alone", Points: all.alone}}
		if len(all.service) >= fewest {
			law := fitScaling(toRates(all.service))
			rates = append(rates, plot.Series{Name: "the law, fitted", Points: law.curve(all.service), Model: true})
			best := "-"
			if n := law.best(); !math.IsInf(n, 0) {
				best = number(n)
			}
			t.add(s.name, number(law.lambda), fmt.Sprintf("%.4f", law.sigma), fmt.Sprintf("%.6f", law.kappa), best,
				fmt.Sprintf("%.0f %%", 100*law.worst(toRates(all.service))))
		}
		r.draw("rate-"+s.name, plot.Chart{
			Title: "Images a second, " + s.name, X: "clients", Y: "images/s", LogX: true, Series: rates,
		})
		r.draw("latency-"+s.name, plot.Chart{
			Title: "From the upload to the thumbnail, " + s.name, X: "clients", Y: "ms", LogX: true, LogY: true,
			Series: []plot.Series{{Name: "median", Points: all.median}, {Name: "99 %", Points: all.worst}},
		})
	}
	if len(t.rows) > 0 {
		r.add(t)
	}
}

func toRates(points []plot.Point) (rates []measuredRate) {
	for _, p := range points {
		rates = append(rates, measuredRate{p.X, p.Y})
	}
	return rates
}

// curve returns points of the law over the clients that were measured.
func (s scaling) curve(measured []plot.Point) (curve []plot.Point) {
	first, last := measured[0].X, measured[len(measured)-1].X
	for n := first; n < last; n *= math.Pow(2, 0.25) {
		curve = append(curve, plot.Point{X: n, Y: s.at(n)})
	}
	return append(curve, plot.Point{X: last, Y: s.at(last)})
}
