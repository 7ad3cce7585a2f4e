package simulation

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The day of docs/capacity.md.
const (
	imagesADay = 10_000_000
	average    = imagesADay / 86400.0
)

// kinds are the images of a day: which part they are, and how long they compute.
var kinds = []struct {
	part float64
	cpu  time.Duration
}{
	{0.70, 13400 * time.Microsecond}, // 74.8 a second of 1 megapixel
	{0.25, 48800 * time.Microsecond}, // 20.5 a second of 12 megapixels
	{0.05, 199 * time.Millisecond},   // 48 megapixels, by the ratio of the engine alone
}

// wait is how long an image waits for MinIO and Redis: at 1 megapixel, one at a time has 28.6 a second.
const wait = 21600 * time.Microsecond

// The peak comes at once, after a while at the mean, and ends as suddenly.
const (
	before = 30 * time.Second
	during = 2 * time.Minute
	after  = 30 * time.Second
)

// burst are images that come independently of each other, in the peak so many times as often as on average. It is the
// same each time.
func burst(times float64) iter.Seq[Image] {
	return func(yield func(Image) bool) {
		random := rand.New(rand.NewPCG(1, 2))
		at := time.Duration(0)
		for at < before+during+after {
			rate := average
			if before <= at && at < before+during {
				rate = times * average
			}
			at += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
			kind, left := 0, random.Float64()
			for ; kind < len(kinds)-1 && left > kinds[kind].part; kind++ {
				left -= kinds[kind].part
			}
			if !yield(Image{At: at, CPU: kinds[kind].cpu, Wait: wait}) {
				return
			}
		}
	}
}

// row simulates the burst, and returns the row of docs/capacity.md for it.
func row(times float64, consumers int, pods Pods) string {
	pods.Concurrency, pods.Cores, pods.Start = 8, 2, 2*time.Second
	b := broker(linear)
	b.Consumers, b.Overhead = consumers, 0
	r := Run(Scenario{Images: burst(times), Broker: b, Pods: pods})
	i, last := 0, 0
	for image := range burst(times) {
		if image.At < before+during {
			last++
		}
		if image.At < before+30*time.Second {
			i++
		}
	}
	late := slices.Clone(r.Took[i:last]) // of the peak, without its first half minute
	slices.Sort(late)
	at := func(percent int) float64 { return late[(len(late)-1)*percent/100].Seconds() }
	scale := fmt.Sprintf("%d to %d", pods.Min, pods.Max)
	if pods.Min == pods.Max {
		scale = fmt.Sprint(pods.Max)
	}
	return fmt.Sprintf("| %.0f | %d | %s | %d | %.2f | %.2f | %.1f | %d | %.1f |",
		times*average, consumers, scale, r.MostPods, at(50), at(99), slices.Max(r.Took).Seconds(), r.Backlog,
		r.PodTime.Hours())
}

// docs/capacity.md has what the simulation answers.
func TestDay(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/capacity.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		times     float64
		consumers int
		pods      Pods
	}{
		{5, 1, Pods{Max: 10}},
		{5, 1, Pods{Min: 10, Max: 10}},
		{6, 1, Pods{Min: 10, Max: 10}},
		{6, 1, Pods{Max: 20}},
		{9, 1, Pods{Min: 20, Max: 20}},
		{10, 1, Pods{Min: 20, Max: 20}},
		{10, 2, Pods{Min: 20, Max: 20}},
	} {
		if want := row(test.times, test.consumers, test.pods); !strings.Contains(string(page), want) {
			t.Errorf("docs/capacity.md has no row %s", want)
		}
	}
}
