// Command verify checks the bucket of the service: every original has its result, a thumbnail or a note of why there is
// none, and every result its original. It reads the same settings as the upload function.
//
//	go run ./functions/upload/verify [--repair]
//
// It writes a line for each inconsistent object, and a sum; its progress goes to standard error. With
// --repair, the events of originals without a result are published again. Nothing is ever deleted. Its exit status is 1
// if something is left to be done, and 2 if it could not see all of the bucket.
package main

import (
	"errors"
	"fmt"
	"os"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/upload/service"
	"knative.dev/pkg/signals"
)

var program = cli.Program{
	Command: "go run ./functions/upload/verify",
	Summary: "Checks the bucket of the service: every original has its result, a thumbnail or a note of why there is " +
		"none, and every result its original. It reads the settings of the upload function from its environment. " +
		"Nothing is ever deleted.\n\n" +
		"It writes a line for each inconsistent object, and a sum; its progress goes to standard error. " +
		"The exit status is 0 if all is well, 1 if something is left to be done, and 2 if it could not see all of the " +
		"bucket.",
	Examples: []string{
		"go run ./functions/upload/verify",
		"go run ./functions/upload/verify --repair",
	},
}

func main() {
	var flags struct {
		Repair bool `help:"Publish the events of originals without a result again."`
	}
	if err := program.Parse(&flags, os.Args[1:], os.Stdout); err != nil {
		exit(err)
	}
	good, err := service.Verify(signals.NewContext(), os.Getenv, flags.Repair, os.Stdout, os.Stderr)
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
