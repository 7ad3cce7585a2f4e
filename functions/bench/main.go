// Command bench measures the whole way of an image: it starts MinIO, Kafka and Redis, the Broker of knative/local, and
// upload and thumbnail as processes of their own, has clients upload images, and prints the tables of
// docs/performance.md as Markdown. In the same run it measures what there is to compare with: bare PUTs of the same
// bytes, processes that do the least that the functions can do, the servers without the functions, and the engine
// alone.
//
//	go run ./functions/bench [--out=DIR] [--quick] [--duration=TIME] [--only=PART,...]
//
// Clients, functions and servers share the machine, so that rates are those of the machine, and ratios those of the
// service. It needs Linux and what .ci/servers needs, and leaves nothing behind but the files in DIR.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/cli"
	"knative.dev/pkg/signals"
)

var program = cli.Program{
	Command: "go run ./functions/bench",
	Summary: "Measures the whole way of an image, from the upload to its status, with real servers that it starts on " +
		"this machine, and what there is to compare with: bare PUTs of the same bytes, the least that the functions can " +
		"do, the servers without them, and the engine alone. It prints tables as Markdown, and its progress to standard " +
		"error. Nothing else should run on the machine meanwhile.\n\n" +
		"The parts: " + partsHelp(),
	Examples: []string{
		"go run ./functions/bench --out=results",
		"go run ./functions/bench --only=closed,open --duration=20s",
		"go run ./functions/bench --quick    # only whether everything still runs",
	},
}

type flags struct {
	Out      string        `placeholder:"DIR" help:"Also write report.md and curves as SVG to this directory."`
	Quick    bool          `help:"Measure little and briefly, in half a minute: the figures mean nothing."`
	Duration time.Duration `default:"8s" placeholder:"TIME" help:"How long each load is measured, after a quarter more."`
	Only     []string      `placeholder:"PART" help:"Only these parts, separated by commas."`
	Floor    bool          `hidden:"" help:"Be a process of the floor, see serveFloor."`
}

func main() {
	cli.Exit("bench", realMain(signals.NewContext(), os.Args[1:], os.Stdout, os.Stderr))
}

func realMain(ctx context.Context, arguments []string, out, progress io.Writer) (err error) {
	var f flags
	if err := program.Parse(&f, arguments, out); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if f.Floor {
		return serveFloor(ctx, os.Getenv)
	}
	if f.Out != "" {
		if err := os.MkdirAll(f.Out, 0o750); err != nil {
			return err
		}
	}
	b := &bench{flags: f, images: newImages(), progress: progress, report: report{machine: describeMachine(arguments)}}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := b.run(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	if f.Out != "" {
		if err := b.report.write(f.Out); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, b.report.markdown())
	return err
}

func (f flags) check() error {
	for _, name := range f.Only {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("--only is %q; expected some of %s", name, strings.Join(partNames(), ", "))
		}
	}
	if f.Duration < time.Second {
		return fmt.Errorf("--duration is %v; expected 1s or more", f.Duration)
	}
	return nil
}

// A bench is one run.
type bench struct {
	flags
	*system
	images   *images
	progress io.Writer
	report   report
}

// A part is something that is measured.
type part struct {
	name, about string
	measure     func(*bench, context.Context) error
}

var parts = []part{
	{"engine", "CPU time of a thumbnail, without a service.", (*bench).measureEngine},
	{"upload", "uploads, as a body and in a form, beside bare PUTs; no thumbnails are made.", (*bench).measureUploads},
	{"floor", "CPU time of an image beside that of processes that do the least that upload and thumbnail can do.",
		(*bench).measureFloor},
	{"closed", "1, 16 and 128 clients, each of which waits for its thumbnail; beside the servers without the functions.",
		(*bench).measureClosed},
	{"open", "uploads at a fixed rate; latency counts from when one was due.", (*bench).measureOpen},
	{"counts", "requests, commands and bytes that an image costs MinIO, Redis and Kafka.", (*bench).measureCounts},
	{"cold", "from the start of a process to its first answer and its first image.", (*bench).measureCold},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func partsHelp() string {
	var all []string
	for _, p := range parts {
		all = append(all, p.name+": "+p.about)
	}
	return strings.Join(all, " ")
}

// run starts the system and measures.
func (b *bench) run(ctx context.Context) (err error) {
	if b.system, err = newSystem(b.progress); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	for _, p := range parts {
		if len(b.Only) > 0 && !slices.Contains(b.Only, p.name) {
			continue
		}
		if err := p.measure(b, ctx); err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
	}
	b.report.machine.ended()
	return nil
}

// stop stops what run has started.
func (b *bench) stop() error {
	if b.system == nil {
		return nil
	}
	return b.system.stop()
}

// say writes a line about the progress.
func (b *bench) say(format string, arguments ...any) {
	fmt.Fprintf(b.progress, time.Now().Format(time.TimeOnly)+" "+format+"\n", arguments...)
}

// pick returns all values, or the first one with --quick.
func pick[T any](quick bool, all ...T) []T {
	if quick {
		return all[:1]
	}
	return all
}
