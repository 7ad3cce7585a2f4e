// Command go sends an image to image-service as a CloudEvent and waits for its thumbnail. It needs the CloudEvents SDK
// and package events of this module.
//
//	go run ./events/examples/go [OPTION]... IMAGE
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/uuid"
	"gitlab.com/yourorg/image-service/events"
)

const (
	requestTimeout = 30 * time.Second // of one request
	resultTimeout  = time.Minute      // of the image, until it has its result
)

var client = &http.Client{Timeout: requestTimeout}

func main() {
	to := flag.String("to", "", "where to send the event: a Broker `URL`, or /upload of the service (default)")
	structured := flag.Bool("structured", false, "send the attributes in the body, not in headers")
	source := flag.String("source", "/examples/go", "source of the event, a `URI`")
	id := flag.String("id", uuid.NewString(), "`ID` of the event")
	service := flag.String("service", "http://127.0.0.1:8080", "`URL` to ask for the result")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() != 1 {
		usage()
		os.Exit(2)
	}
	if *to == "" {
		*to = *service + "/upload"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0), *source, *id, *to, *service, *structured); err != nil {
		fmt.Fprintln(os.Stderr, "send:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprint(flag.CommandLine.Output(), `usage: go run ./events/examples/go [OPTION]... IMAGE

IMAGE is a file, or an object that the service may read: s3://BUCKET/KEY.

`)
	flag.PrintDefaults()
	fmt.Fprint(flag.CommandLine.Output(), `
It prints the status of the image. The exit status is 0 if it is completed, 1 if not, and 2 after wrong usage.
`)
}

func run(ctx context.Context, image, source, id, to, service string, structured bool) error {
	e, err := imageReceived(image, source, id)
	if err != nil {
		return err
	}
	if err := send(ctx, e, to, structured); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resultTimeout)
	defer cancel()
	return awaitResult(ctx, service, e)
}

// imageReceived returns the event for a file, or for an object: s3://BUCKET/KEY.
func imageReceived(image, source, id string) (cloudevents.Event, error) {
	if object, ok := strings.CutPrefix(image, "s3://"); ok {
		bucket, key, _ := strings.Cut(object, "/")
		reference := events.ImageReceived{Bucket: bucket, ObjectName: key}
		return events.Encode(reference, events.Envelope{Source: source, ID: id})
	}
	data, err := os.ReadFile(image)
	if err != nil {
		return cloudevents.Event{}, err
	}
	e := cloudevents.NewEvent()
	e.SetType(events.TypeImageReceived)
	e.SetSource(source)
	e.SetID(id)
	e.SetSubject(path.Base(image))
	return e, e.SetData("application/octet-stream", data) // the service detects the format
}

// send sends an event. To send it again is safe: the same source and ID make one image.
func send(ctx context.Context, e cloudevents.Event, to string, structured bool) error {
	sender, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(to))
	if err != nil {
		return err
	}
	if structured {
		ctx = cloudevents.WithEncodingStructured(ctx)
	} else {
		e = events.EncodeHTTP(e) // the SDK does not percent-encode headers
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if result := sender.Send(ctx, e); !cloudevents.IsACK(result) {
		return fmt.Errorf("%s did not accept the event: %w", to, result)
	}
	return nil
}

// awaitResult asks for the image of an event until its status is final, and prints that.
func awaitResult(ctx context.Context, service string, e cloudevents.Event) error {
	query := url.Values{"source": {e.Source()}, "id": {e.ID()}}
	for {
		code, body, err := get(ctx, service+"/status?"+query.Encode())
		if err != nil {
			return err
		}
		var answer struct{ Status string }
		switch err := json.Unmarshal(body, &answer); {
		case code == http.StatusNotFound: // the Broker has not delivered the event yet
		case code != http.StatusOK || err != nil:
			return fmt.Errorf("%s answered %d %s", service, code, body)
		case answer.Status == "completed":
			fmt.Printf("%s\n", body)
			return nil
		case answer.Status == "failed":
			fmt.Printf("%s\n", body)
			return errors.New("the image has no thumbnail")
		}
		select {
		case <-ctx.Done():
			return errors.New("no result yet; the event may be a dead letter")
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, address string) (code int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}
