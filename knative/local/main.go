// Command local runs the whole service on one machine with nothing installed: the functions unchanged, the Broker,
// Triggers and sources as the manifests in knative/ describe them, and fakes of MinIO, Redis and Kafka in the same
// process.
//
//	go run ./knative/local
//
// It delivers events as Knative does: retries, replies, dead letters. It does not scale functions, and the fakes forget
// everything when it ends; with real servers, which the environment may name, nothing is lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"knative.dev/pkg/signals"
)

const usage = `The whole image-service on this machine: upload, Kafka, Broker, thumbnail.

Usage:
  go run ./knative/local [--listen HOST:PORT] [--broker HOST:PORT] [--dead-letters HOST:PORT]
                         [--running NAME=HOST:PORT]... [--watcher URL]...

Options:
%s
MinIO, Redis and Kafka are stand-ins that forget everything when this ends. To use real ones, set
  MINIO_ENDPOINT with MINIO_ACCESS_KEY and MINIO_SECRET_KEY
  REDIS_HOST     with REDIS_PORT and REDIS_PASSWORD
  KAFKA_BOOTSTRAP_SERVERS
each for itself. Every other setting of README.md works, too; LOG_LEVEL=INFO shows what happens.

Try it:
  open the address in a browser and drop an image on the page, or
  curl -F file=@photo.jpg http://127.0.0.1:8080/upload
  curl http://127.0.0.1:8080/status/IMAGE_ID
`

func main() {
	switch err := realMain(signals.NewContext(), os.Args[1:], os.Stdout, os.Stderr, os.Getenv); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "image-service:", err)
		os.Exit(1)
	}
}

// patience is longer than the functions take to stop when no request is in progress.
const patience = 2 * time.Second

// realMain runs the service until ctx ends. When it is ready it writes a summary to stdout, once; the first address in
// it is the page's, which programs may wait for. Notes go to stderr.
func realMain(ctx context.Context, arguments []string, stdout, stderr io.Writer, getenv func(string) string) error {
	o, err := readOptions(arguments, stdout)
	if err != nil {
		return err
	}
	o.getenv = getenv
	s, err := start(o)
	if err != nil {
		return err
	}
	if unavailable := s.unavailable(); unavailable != "" {
		fmt.Fprintf(stderr, "image-service: %s; uploads are refused until that changes. "+
			"Check MINIO_ENDPOINT, REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS, or unset them to use the built-in servers\n",
			unavailable)
	}
	if _, err := io.WriteString(stdout, s.summary()); err != nil {
		s.stop()
		return fmt.Errorf("write summary: %w", err)
	}
	select {
	case <-ctx.Done():
		note := time.AfterFunc(patience, func() {
			fmt.Fprintln(stderr, "image-service: finishing the requests in progress; press Ctrl-C again to stop at once")
		})
		defer note.Stop()
	case err = <-s.failed:
	}
	s.stop()
	return err
}

func readOptions(arguments []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`HOST:PORT` where the upload function answers; port 0 takes any free one")
	flags.StringVar(&o.broker, "broker", "127.0.0.1:0", "`HOST:PORT` where the Broker takes CloudEvents of other systems, by POST")
	flags.StringVar(&o.deadLetters, "dead-letters", "127.0.0.1:0", "`HOST:PORT` where a browser sees the events that could not be delivered")
	flags.Func("running", "`NAME=HOST:PORT` of a function, such as thumbnail, that runs already, in a debugger for example, and is not started here", o.addRunning)
	flags.Func("watcher", "`URL` that is sent every event", func(url string) error {
		o.watchers = append(o.watchers, url)
		return nil
	})
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	err := flags.Parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(out, usage, defaults(flags))
		return o, err
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		return o, fmt.Errorf("%w; --help shows how it is used", err)
	}
	return o, nil
}

// addRunning reads a value of --running.
func (o *options) addRunning(value string) error {
	name, address, _ := strings.Cut(value, "=")
	if _, _, err := net.SplitHostPort(address); err != nil || name == "" {
		return errors.New("expected NAME=HOST:PORT, such as thumbnail=127.0.0.1:8081")
	}
	if o.running == nil {
		o.running = map[string]string{}
	}
	o.running[name] = address
	return nil
}

// defaults lists the options with two dashes, as people write them.
func defaults(flags *flag.FlagSet) (text string) {
	flags.VisitAll(func(f *flag.Flag) {
		name, meaning := flag.UnquoteUsage(f)
		text += fmt.Sprintf("  --%s %s  %s", f.Name, name, meaning)
		if f.DefValue != "" {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		text += "\n"
	})
	return text
}
