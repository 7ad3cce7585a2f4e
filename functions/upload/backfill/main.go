// Command backfill has the renditions made that stored images lack, after the renditions which are configured have
// changed. It reads the same settings as the upload function.
//
//	go run ./functions/upload/backfill [--prefix=ID] [--rendition=NAME]... [--rate=N] [--dry-run]
//	go run ./functions/upload/backfill --prune [--dry-run] [--yes]
//
// It walks the bucket, and announces image.render for each completed image that lacks a rendition. To announce an image
// again does no harm, so a run that ended early goes on at its cursor, or is repeated. With --prune it removes the
// renditions of specifications that are gone; nothing else is ever deleted. Its exit status is 1 if something is left
// to be done, and 2 if it did not come to the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gitlab.com/yourorg/image-service/functions/cli"
	"golang.org/x/term"
	"knative.dev/pkg/signals"
)

const command = "go run ./functions/upload/backfill"

var program = cli.Program{
	Command: command,
	Summary: "Has the renditions made that stored images lack, after the renditions which are configured have changed. " +
		"It reads the settings of the upload function from its environment, RENDITIONS or RENDITIONS_FILE among them.\n\n" +
		"It walks the bucket in the order of the images' IDs, and announces image.render on the topic " +
		"KAFKA_BACKFILL_TOPIC for each completed image that lacks a rendition. They are made beside the uploads, which " +
		"they do not delay. Images that have failed, or wait for their first rendition, are passed over. To announce an " +
		"image again does no harm: a run that ended early goes on at its cursor, or is repeated.\n\n" +
		"With --prune it removes the renditions of specifications that are gone: those whose name is not configured any " +
		"more, and those whose image has one of the same name by the current specification. Nothing else is ever " +
		"deleted.\n\n" +
		"The exit status is 0 if all is well, 1 if something is left to be done (after a dry run, too), and 2 if it did " +
		"not come to the end; then it says how to go on.",
	Examples: []string{
		"go run ./functions/upload/backfill --dry-run",
		"go run ./functions/upload/backfill --rendition=card --rate=50",
		"go run ./functions/upload/backfill --cursor-file=backfill.cursor    # goes on",
		"go run ./functions/upload/backfill --wait=1h                        # until they are made",
		"go run ./functions/upload/backfill --engine-older-than=2            # after an upgrade",
		"go run ./functions/upload/backfill --prune --dry-run",
	},
}

// flags are those of the command line.
type flags struct {
	Prefix          string        `placeholder:"ID" help:"Only images whose IDs begin with this."`
	Rendition       []string      `placeholder:"NAME" help:"Only this rendition; may be repeated."`
	EngineOlderThan int           `placeholder:"VERSION" help:"Also renditions that an engine before this version made."`
	DryRun          bool          `help:"Count and show what would be done, and change nothing."`
	Rate            float64       `placeholder:"N" help:"Announce at most so many images a second."`
	Cursor          string        `xor:"cursor" placeholder:"CURSOR" help:"Go on where a run has ended."`
	CursorFile      string        `xor:"cursor" placeholder:"FILE" help:"Keep the cursor in a file, and go on there."`
	Wait            time.Duration `placeholder:"TIME" help:"Wait for so long until they are made, such as 90m."`
	Prune           bool          `help:"Remove renditions of specifications that are gone."`
	Yes             bool          `help:"Prune without asking."`
}

func main() {
	c := console{
		in: os.Stdin, out: os.Stdout, progress: os.Stderr,
		asks: term.IsTerminal(int(os.Stdin.Fd())), draws: term.IsTerminal(int(os.Stderr.Fd())),
	}
	good, err := realMain(signals.NewContext(), os.Args[1:], os.Getenv, c)
	switch {
	case errors.Is(err, cli.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "backfill:", err)
		os.Exit(2)
	case !good:
		os.Exit(1)
	}
}

// realMain returns false if something is left to be done.
func realMain(
	ctx context.Context, arguments []string, getenv func(string) string, c console,
) (good bool, err error) {
	var f flags
	if err := program.Parse(&f, arguments, c.out); err != nil {
		return false, err
	}
	if err := f.check(); err != nil {
		return false, fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	r, err := newRun(f, getenv, c)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if f.Prune {
		return r.prune(ctx)
	}
	return r.backfill(ctx)
}
