// Command verify checks the bucket of the service: every original has its result, a thumbnail or a note of why there is
// none, and every result its original. It reads the same settings as the upload function.
//
//	go run ./functions/upload/verify [--repair]
//	go run ./functions/upload/verify --retry-failed [--reason=REASON]... [--before=TIME] [--dry-run]
//
// It writes a line for each inconsistent object, and a sum; its progress goes to standard error. With
// --repair, the events of originals without a result are published again. With --retry-failed it gives failed images
// another try instead: it removes the notes of why they failed. Nothing else is ever deleted. Its exit status is 1
// if something is left to be done, and 2 if it could not see all of the bucket.
package main

import (
	"errors"
	"fmt"
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
		"none, and every result its original. It reads the settings of the upload function from its environment. " +
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
	var flags struct {
		Repair      bool            `xor:"mode" help:"Publish the events of originals without a result again."`
		RetryFailed bool            `xor:"mode" help:"Give failed images another try."`
		Reason      []events.Reason `placeholder:"REASON" help:"Retry those that failed for this reason only; may be repeated."`
		Before      time.Time       `placeholder:"TIME" help:"Retry those that failed before this time only, in RFC 3339."`
		DryRun      bool            `help:"List what would be tried again, and change nothing."`
	}
	if err := program.Parse(&flags, os.Args[1:], os.Stdout); err != nil {
		exit(err)
	}
	if !flags.RetryFailed && (len(flags.Reason) > 0 || !flags.Before.IsZero() || flags.DryRun) {
		exit(errors.New("--reason, --before and --dry-run are for --retry-failed"))
	}
	ctx := signals.NewContext()
	verify := func() (bool, error) { return service.Verify(ctx, os.Getenv, flags.Repair, os.Stdout, os.Stderr) }
	if flags.RetryFailed {
		failures := relay.Failures{Reasons: flags.Reason, Before: flags.Before}
		verify = func() (bool, error) {
			return service.RetryFailed(ctx, os.Getenv, failures, flags.DryRun, os.Stdout, os.Stderr)
		}
	}
	good, err := verify()
	if err != nil {
		exit(err)
	}
	if !good {
		os.Exit(1)
	}
}

// exit ends the process with 0 after the help text, and with 2 after an error.
func exit(err error) {
	if errors.Is(err, cli.ErrHelp) {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "verify:", err)
	os.Exit(2)
}
