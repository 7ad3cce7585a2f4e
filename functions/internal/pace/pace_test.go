package pace

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBudget(t *testing.T) {
	type operation struct {
		bytes  int
		waited time.Duration
	}
	repeated := func(o operation, times int) (all []operation) {
		for range times {
			all = append(all, o)
		}
		return all
	}
	for name, test := range map[string]struct {
		operations []operation
		want       time.Duration // left
	}{
		"at first":          {nil, Grace},
		"nothing comes":     {[]operation{{0, Grace}}, 0},
		"not below 0":       {[]operation{{0, 2 * Grace}}, 0},
		"a stall":           {[]operation{{0, Grace / 2}}, Grace / 2},
		"at the least rate": {repeated(operation{MinRate, time.Second}, 1000), Grace},
		"half the rate":     {repeated(operation{MinRate, 2 * time.Second}, 10), Grace - 10*time.Second},
		"fast, then stalls": {[]operation{{100 << 20, time.Second}, {0, Grace}}, 0},
		"makes up for it":   {[]operation{{0, Grace / 2}, {10 * MinRate, 0}}, Grace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget()
				for _, o := range test.operations {
					b.Account(o.bytes, o.waited)
				}
				if got := time.Until(b.Deadline()); got != test.want {
					t.Errorf("got a deadline in %v, want %v", got, test.want)
				}
			})
		})
	}
}
