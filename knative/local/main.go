// Command local runs the whole service on one machine with nothing installed: the functions unchanged, the Broker,
// Triggers and sources as the manifests in knative/ describe them, and fakes of MinIO, Redis and Kafka in the same
// process.
//
//	go run ./knative/local
//
// It delivers events as Knative's Kafka Broker does, with its retries and pauses, its slots, replies and dead
// letters, and writes a line to stderr for each retry, dead letter and loss. What it does not imitate is in
// docs/adr/0020-local-mode.md. It does not scale functions. The fakes forget everything when it ends, unless --data
// names a directory; with that, and with real servers, which the environment may name, a restart delivers what was
// not done.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/logs"
	"golang.org/x/term"
	"knative.dev/pkg/signals"
)

func main() {
	cli.Exit("image-service", realMain(signals.NewContext(), os.Args[1:], os.Stdout, os.Stderr, os.Getenv))
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
	if isTerminal(stderr) {
		o.logFormat = logs.Text
	}
	s, err := start(o)
	if err != nil {
		return err
	}
	if unavailable := s.unavailable(); unavailable != "" {
		fmt.Fprintf(stderr, "image-service: %s; uploads are refused until that changes. "+
			"Check MINIO_ENDPOINT, REDIS_HOST and KAFKA_BOOTSTRAP_SERVERS, or unset them to use the built-in servers\n",
			unavailable)
	} else {
		s.sweep(ctx)
	}
	if _, err := io.WriteString(stdout, s.summary()); err != nil {
		s.stop()
		return fmt.Errorf("write summary: %w", err)
	}
	if o.open {
		go openPage(ctx, "http://"+s.address, stderr)
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

func isTerminal(w io.Writer) bool {
	file, isFile := w.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

// openers have the command that opens a URL in a browser, by operating system; xdg-open is that of all others.
var openers = map[string][]string{
	"darwin":  {"open"},
	"windows": {"rundll32", "url.dll,FileProtocolHandler"},
}

// openPage opens the page in a browser. The program runs on without one.
func openPage(ctx context.Context, url string, stderr io.Writer) {
	command := openers[runtime.GOOS]
	if command == nil {
		command = []string{"xdg-open"}
	}
	command = append(slices.Clip(command), url)
	err := exec.Command(command[0], command[1:]...).Run() // a browser that it starts may stay
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(stderr, "image-service: %s: %v; open %s yourself\n", command[0], err, url)
	}
}
