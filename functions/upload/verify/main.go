// Command verify checks the bucket of the service: every original has its result, a thumbnail or a note of why there is
// none, and every result its original. It reads the same settings as the upload function.
//
//	go run ./functions/upload/verify [--repair]
//	go run ./functions/upload/verify --retry-failed [--reason=REASON]... [--before=TIME] [--dry-run]
//
// It writes a line for each inconsistent object, and a sum; its progress goes to standard error. With --repair, the
// events of originals without a result are published again, and renditions that are missing are requested. With
// --retry-failed it gives failed images another try instead: it removes the notes of why they failed. Nothing else is
// ever deleted. Its exit status is 1 if something is left to be done, and 2 if it could not see all of the bucket.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/upload/relay"
	"gitlab.com/yourorg/image-service/functions/upload/service"
	"knative.dev/pkg/signals"
)

var program = cli.Program{
	Command: "go run ./functions/upload/verify",
	Summary: "Checks the bucket of the service: every original has its result, a thumbnail or a note of why there is " +
		"none, and every result its original; and an image with a thumbnail has all renditions that are configured. It " +
		"reads the settings of the upload function from its environment. " +
		"With --retry-failed it gives failed images another try instead, after an upgrade that reads more: it removes the " +
		"notes of why they failed, and publishes their events again. Nothing else is ever deleted.\n\n" +
		"It writes a line for each inconsistent object, and a sum; its progress goes to standard error. " +
		"The exit status is 0 if all is well, 1 if something is left to be done, and 2 if it could not see all of the " +
		"bucket.",
	Examples: []string{
		"go run ./functions/upload/verify",
		"go run ./functions/upload/verify --repair",
		"go run ./functions/upload/verify --retry-failed --reason=unsupported --before=2026-11-29T12:00:00Z --dry-run",
	},
}

func main() {
	good, err := realMain(signals.NewContext(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, cli.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(2)
	case !good:
		os.Exit(1)
	}
}

// realMain returns false if something is left to be done.
func realMain(
	ctx context.Context, arguments []string, getenv func(string) string, out, progress io.Writer,
) (good bool, err error) {
	var flags struct {
		Repair      bool            `xor:"mode" help:"Announce originals without a result again; request renditions."`
		RetryFailed bool            `xor:"mode" help:"Give failed images another try."`
		Reason      []events.Reason `placeholder:"REASON" help:"Retry those that failed for this reason; may be repeated."`
		Before      time.Time       `placeholder:"TIME" help:"Retry those that failed before this time, in RFC 3339."`
		DryRun      bool            `help:"List what would be tried again, and change nothing."`
	}
	if err := program.Parse(&flags, arguments, out); err != nil {
		return false, err
	}
	if flags.RetryFailed {
		failures := relay.Failures{Reasons: flags.Reason, Before: flags.Before}
		return service.RetryFailed(ctx, getenv, failures, flags.DryRun, out, progress)
	}
	if len(flags.Reason) > 0 || !flags.Before.IsZero() || flags.DryRun {
		return false, fmt.Errorf("%w: --reason, --before and --dry-run are for --retry-failed", cli.ErrUsage)
	}
	return service.Verify(ctx, getenv, flags.Repair, out, progress)
}
