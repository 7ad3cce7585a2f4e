package rendition

import (
	"fmt"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

const (
	// All renditions of an image may take seven eighths of its memory: the rest is for decoding it.
	decodeShare = 8
	// They may take a third of what an image has until it is given up, on a core of its own.
	maxTime = 20 * time.Second
)

// checkCost returns an error if the renditions of an image that is as large as their boxes would cost more than limits
// allow: no such image would ever be completed. It names the rendition that costs most.
func (s *Set) checkCost(limits raster.Limits) error {
	var targets []raster.Target
	var largest, slowest struct {
		name string
		cost raster.Cost
	}
	for _, spec := range s.Renditions {
		cost := raster.CostOf(limits, maxLength, spec.Costs()...)
		if cost.Memory > largest.cost.Memory {
			largest.name, largest.cost = spec.Name, cost
		}
		if cost.CPU > slowest.cost.CPU {
			slowest.name, slowest.cost = spec.Name, cost
		}
		targets = append(targets, spec.Costs()...)
	}
	all, memory := raster.CostOf(limits, maxLength, targets...), limits.MaxMemory()
	if most := memory - memory/decodeShare; all.Memory > most {
		return fmt.Errorf("renditions.%s may take %d MB of memory for an image, and all renditions %d MB; expected at most "+
			"%d MB for all, seven eighths of %s", largest.name, largest.cost.Memory/1e6, all.Memory/1e6, most/1e6,
			limits.Settings.Memory)
	}
	if all.CPU > maxTime {
		return fmt.Errorf("renditions.%s may take %.1f s of CPU time for an image, and all renditions %.1f s; expected "+
			"at most %.0f s for all", slowest.name, slowest.cost.CPU.Seconds(), all.CPU.Seconds(), maxTime.Seconds())
	}
	return nil
}

// Costs is Targets for an estimate: with a watermark, whose image is not read yet.
func (s Spec) Costs() []raster.Target {
	targets := s.Targets()
	for i := range targets {
		if s.Watermark.Object != "" {
			targets[i].Watermark = &raster.Watermark{}
		}
	}
	return targets
}
