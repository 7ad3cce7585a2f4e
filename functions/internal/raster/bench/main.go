// Command bench measures the engine, to compare it with others: it makes the thumbnail of a file several times on one
// thread, and prints the CPU time of one in milliseconds (the least and the median), the peak of memory in MiB, and the
// size of the thumbnail in bytes.
//
//	go run ./functions/internal/raster/bench [--filter=nearest] FILE N [OUT]
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

var program = cli.Program{
	Command: "go run ./functions/internal/raster/bench",
	Summary: "Makes the thumbnail of a file several times on one thread. It prints the CPU time of one in milliseconds, " +
		"the least and the median, the peak of memory in MiB, and the size of the thumbnail in bytes.",
	Examples: []string{
		"go run ./functions/internal/raster/bench photo.jpg 20",
		"GOMAXPROCS=1 go run ./functions/internal/raster/bench photo.jpg 20 thumbnail.jpg",
	},
}

func main() { cli.Exit("bench", realMain(os.Args[1:], os.Stdout)) }

func realMain(arguments []string, out io.Writer) error {
	var flags struct {
		Filter string `enum:"lanczos,nearest" default:"lanczos" help:"Filter of the thumbnail, lanczos or nearest."`
		File   string `arg:"" help:"The image."`
		Times  int    `arg:"" name:"n" help:"How often to make its thumbnail; 1 or more."`
		Out    string `arg:"" optional:"" help:"Where to write the last thumbnail."`
	}
	if err := program.Parse(&flags, arguments, out); err != nil {
		return err
	}
	if flags.Times < 1 {
		return fmt.Errorf("%w: <n> is %d; expected 1 or more", cli.ErrUsage, flags.Times)
	}
	file, err := os.ReadFile(flags.File)
	if err != nil {
		return err
	}
	thumbnail := raster.Target{Box: raster.Box{Width: 200, Height: 200}, Filter: raster.Filter(flags.Filter)}
	limits := raster.Limits{Pixels: 1 << 30, BufferedPixels: 1 << 30, Memory: 1 << 40}
	var renditions []raster.Rendition
	times := make([]time.Duration, flags.Times)
	for i := range times {
		began := usage().cpu
		picture, err := raster.Open(bytes.NewReader(file), limits)
		if err != nil {
			return err
		}
		if renditions, err = picture.Render(context.Background(), thumbnail); err != nil {
			return err
		}
		times[i] = usage().cpu - began
	}
	slices.Sort(times)
	fmt.Fprintf(out, "min %.3f med %.3f rss %d out %d\n", milliseconds(times[0]), milliseconds(times[len(times)/2]),
		usage().peak>>20, len(renditions[0].Bytes))
	if flags.Out != "" {
		return os.WriteFile(flags.Out, renditions[0].Bytes, 0o644)
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
