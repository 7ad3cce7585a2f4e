// Command storecheck says whether a server keeps what the service promises: never to replace an object, whoever else
// writes its key at the same time, and to find whatever was stored. It reads MINIO_* as the upload function does.
//
//	go run ./functions/upload/storecheck [--rounds N]
//
// It stores about a thousand small objects in the bucket, in folders that no image has, and removes them. Its exit
// status is 0 if the server will do, 1 if it will not, and 2 if that could not be found out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"knative.dev/pkg/signals"
)

var program = cli.Program{
	Command: "go run ./functions/upload/storecheck",
	Summary: "Says whether a server keeps what the service promises: never to replace an object, whoever else writes " +
		"its key at the same time, and to find whatever was stored. The upload function checks the same when it starts.\n\n" +
		"It reads the settings MINIO_* of the upload function from its " +
		"environment, stores about a thousand small objects in the bucket, in folders that no image has, and removes them. " +
		"The exit status is 0 if the server will do, 1 if it will not, and 2 if that could not be found out.",
	Examples: []string{
		"MINIO_BUCKET=images-check go run ./functions/upload/storecheck",
		"go run ./functions/upload/storecheck --rounds 100    # for a race that is lost seldom",
	},
}

func main() {
	fits, err := realMain(signals.NewContext(), os.Args[1:], os.Getenv, os.Stdout)
	switch {
	case errors.Is(err, cli.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "storecheck:", err)
		os.Exit(2)
	case !fits:
		os.Exit(1)
	}
}

func realMain(
	ctx context.Context, arguments []string, getenv func(string) string, out io.Writer,
) (fits bool, err error) {
	var flags struct {
		Rounds int `default:"10" help:"How often each race is run."`
	}
	if err := program.Parse(&flags, arguments, out); err != nil {
		return false, err
	}
	if flags.Rounds < 1 {
		return false, fmt.Errorf("%w: --rounds is %d, expected at least 1", cli.ErrUsage, flags.Rounds)
	}
	r := config.NewReader(getenv)
	settings := imagestore.ReadSettings(r)
	if err := r.Err(); err != nil {
		return false, err
	}
	store, err := imagestore.Open(settings)
	if err != nil {
		return false, err
	}
	verdicts, err := store.Examine(ctx, flags.Rounds)
	if err != nil {
		return false, err
	}
	return report(out, settings.Endpoint, verdicts)
}

// report writes a line for each requirement, and what to do about one that is not met.
func report(out io.Writer, server string, verdicts []imagestore.Verdict) (fits bool, err error) {
	missing, unknown := 0, 0
	for _, v := range verdicts {
		switch {
		case v.Found != "":
			missing++
			fmt.Fprintf(out, "NO   %s\n", v.Name)
			paragraphs(out, "Needed: "+v.Needed+".", "Found: "+v.Found+".", "Do: "+v.Remedy)
		case v.Err != nil:
			unknown++
			fmt.Fprintf(out, "?    %s\n", v.Name)
			paragraphs(out, "Needed: "+v.Needed+".", "The server failed: "+v.Err.Error())
		default:
			fmt.Fprintf(out, "yes  %s\n", v.Name)
		}
	}
	switch {
	case missing > 0:
		fmt.Fprintf(out, "No: %s does not meet %d of %d requirements, and upload answers 503.\n",
			server, missing, len(verdicts))
	case unknown > 0:
		return false, fmt.Errorf("%s failed %d of %d times", server, unknown, len(verdicts))
	default:
		fmt.Fprintf(out, "Yes: %s keeps what the service promises.\n", server)
	}
	return missing == 0, nil
}

func paragraphs(out io.Writer, texts ...string) {
	for _, text := range texts {
		fmt.Fprintln(out, cli.Wrap(text, "     ", cli.Columns))
	}
}
