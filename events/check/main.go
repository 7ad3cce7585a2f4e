// Command check says what is wrong with an event before it is sent to image-service:
//
//	go run ./events/check FILE|URL|-
//
// It is for the teams of systems that send image.received. The code is in functions/upload/check, because it runs what
// the functions run; the command is here, beside the vocabulary and the examples, where its users look for it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/upload/check"
)

var program = cli.Program{
	Command: "go run ./events/check",
	Summary: "Checks an event that a system sends to image-service, or to its Broker, with the code that the functions " +
		"use. It says what the service reads in the event, which ID and name the image will have, and each fault with what " +
		"was found, what was expected and how to mend it. It sends nothing.\n\n" +
		"The input is an event in structured mode, which is a JSON object; or an HTTP request with an event in either " +
		"mode: as bytes, as header lines and body, or as curl --trace or curl -v shows it.\n\n" +
		"The exit status is 0 if the event is valid, with or without warnings, 1 if it has faults, and 2 if there was " +
		"nothing to check: wrong usage, or input that is empty or cannot be read. " +
		"go run turns every failure into 1; to see 2, build the command: go build -o FILE ./events/check.\n\n" +
		"The limits on images are the defaults, or what MAX_UPLOAD_BYTES, MAX_IMAGE_PIXELS and FORMATS set.",
	Examples: []string{
		"go run ./events/check event.json",
		"go run ./events/check --body photo.jpg headers.txt",
		"curl --trace - ... | go run ./events/check -",
		"nc -l 8080 | go run ./events/check -    # then send an event to port 8080",
	},
}

// fetchTimeout bounds the request for a URL.
const fetchTimeout = 30 * time.Second

// errFaults is the result for an event that is not valid; the report has been written.
var errFaults = errors.New("the event has faults")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := realMain(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Getenv)
	stop()
	if errors.Is(err, errFaults) {
		os.Exit(1)
	}
	cli.Exit("check", err)
}

type flags struct {
	Input string `arg:"" help:"A file, a URL to get, or - for standard input."`
	Body  string `placeholder:"FILE" help:"File with the body, if the input has only the header."`
}

func realMain(
	ctx context.Context, arguments []string, stdin io.Reader, out io.Writer, getenv func(string) string,
) error {
	var f flags
	if err := program.Parse(&f, arguments, out); err != nil {
		return err
	}
	checker, err := check.New(getenv)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	message, err := f.read(ctx, stdin)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if message.IsEmpty() {
		return fmt.Errorf("%w: the input is empty, expected an event", cli.ErrUsage)
	}
	report := checker.Check(message)
	if err := report.Write(out); err != nil {
		return err
	}
	if !report.Valid() {
		return errFaults
	}
	return nil
}

// read reads the message that the command line names.
func (f flags) read(ctx context.Context, stdin io.Reader) (*check.Message, error) {
	message, err := f.readInput(ctx, stdin)
	if err != nil || f.Body == "" {
		return message, err
	}
	body, err := os.Open(f.Body)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return message, message.ReplaceBody(body)
}

func (f flags) readInput(ctx context.Context, stdin io.Reader) (*check.Message, error) {
	switch {
	case f.Input == "-":
		return check.ReadMessage(stdin)
	case strings.HasPrefix(f.Input, "http://"), strings.HasPrefix(f.Input, "https://"):
		return get(ctx, f.Input)
	}
	file, err := os.Open(f.Input)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return check.ReadMessage(file)
}

func get(ctx context.Context, address string) (*check.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: found status %s, expected 200", address, response.Status)
	}
	return check.FromResponse(response)
}
