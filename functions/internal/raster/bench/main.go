// Command bench measures the engine. bench FILE N [OUT] reads a file, makes its thumbnail N times on one thread, writes
// the last one to OUT, and prints the CPU time of one in milliseconds, the peak of memory in MB, and the size of the
// thumbnail in bytes.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

var thumbnail = raster.Target{Box: raster.Box{Width: 200, Height: 200}}

func main() {
	if err := bench(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return fmt.Errorf("usage: bench FILE N [OUT]")
	}
	file, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 {
		return fmt.Errorf("the number of times is %q, expected 1 or more", args[1])
	}
	var renditions []raster.Rendition
	times := make([]time.Duration, n)
	for i := range times {
		began := usage().cpu
		picture, err := raster.Open(bytes.NewReader(file), raster.Limits{Pixels: 1 << 30})
		if err != nil {
			return err
		}
		if renditions, err = picture.Render(context.Background(), thumbnail); err != nil {
			return err
		}
		times[i] = usage().cpu - began
	}
	slices.Sort(times)
	fmt.Printf("min %.3f med %.3f rss %d out %d\n",
		milliseconds(times[0]), milliseconds(times[n/2]), usage().peak>>20, len(renditions[0].Bytes))
	if len(args) == 3 {
		return os.WriteFile(args[2], renditions[0].Bytes, 0o644)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// used is what the process has used so far.
type used struct {
	cpu  time.Duration
	peak int64 // bytes
}

func usage() used {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return used{time.Duration(r.Utime.Nano() + r.Stime.Nano()), r.Maxrss << 10}
}
