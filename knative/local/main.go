// Command local is the whole service on one machine, with nothing installed: the functions unchanged, the routing read
// from the manifests in knative/, and stand-ins for MinIO, Redis and Kafka within the process.
//
//	go run ./knative/local
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"gitlab.com/yourorg/image-service/functions/cli"
	"knative.dev/pkg/signals"
)

func main() {
	cli.Exit("image-service", realMain(signals.NewContext(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// The functions always wait a second for stragglers. When the end takes longer than this, something is in flight.
const patience = 2 * time.Second

// realMain runs the service until ctx ends. Programs may wait for the one line on out, which says that it is ready, and
// where; notes are for people.
func realMain(ctx context.Context, arguments []string, getenv func(string) string, out, notes io.Writer) error {
	o, err := readOptions(arguments, out)
	if err != nil {
		return err
	}
	o.getenv = getenv
	w, err := start(o)
	if err != nil {
		return err
	}
	if away := w.away(); away != "" {
		fmt.Fprintf(notes, "image-service: %s; uploads are refused until that changes\n", away)
	}
	fmt.Fprintf(out, "image-service is ready at http://%s (open it in a browser; Ctrl-C ends it)\n", w.address)
	select {
	case <-ctx.Done():
		note := time.AfterFunc(patience, func() {
			fmt.Fprintln(notes, "image-service: finishing what is in flight; Ctrl-C again ends it at once")
		})
		defer note.Stop()
	case err = <-w.failed:
	}
	w.stop()
	return err
}
