package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"gitlab.com/yourorg/image-service/functions/catalog"
	"gitlab.com/yourorg/image-service/functions/cli"
)

// program is what --help shows of this command.
var program = cli.Program{
	Command: "go run ./knative/local",
	Summary: "Runs the whole image-service on this machine: upload, thumbnail, thumbnail-backfill and dead-letters, and " +
		"between them the Broker, Triggers and sources of the manifests.\n\n" +
		"MinIO, Redis and Kafka are built in and forget everything when the program ends, unless --data names a directory, " +
		"which one program uses at a time. To use a real server instead, " +
		"set MINIO_ENDPOINT, REDIS_HOST or KAFKA_BOOTSTRAP_SERVERS, each with the settings that belong to it. " +
		"On a Kafka that others use, set KAFKA_TOPIC, KAFKA_BACKFILL_TOPIC and KAFKA_DEAD_LETTER_TOPIC to names of " +
		"your own.\n\n" +
		"On a terminal, stderr has a line for each request, with the size of the body that came with it or else of the " +
		"answer, and for each result; elsewhere it is a log in JSON. Each event that is delivered again or becomes a dead " +
		"letter is a line, too.",
	Examples: []string{
		"go run ./knative/local",
		"go run ./knative/local --data ~/images --open",
		"go run ./knative/local --webhook http://127.0.0.1:9000/results",
		"LOG_LEVEL=INFO go run ./knative/local --listen 127.0.0.1:0",
		"REDIS_HOST=redis.example REDIS_PORT=6380 go run ./knative/local",
		"",
		"curl -F file=@photo.jpg http://127.0.0.1:8080/upload",
		"curl http://127.0.0.1:8080/status/IMAGE_ID",
	},
	More: settingsHelp,
}

type flags struct {
	Listen      string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address of upload; port 0: any."`
	Broker      string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address of the Broker."`
	DeadLetters string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address of dead-letters."`

	Data string `placeholder:"DIR" help:"Keep images, statuses and queued events in this directory between runs."`
	Open bool   `help:"Open the page in the browser."`

	Running []elsewhere `sep:"none" placeholder:"NAME=HOST:PORT" help:"Do not start this function; it runs elsewhere."`
	Watcher []string    `sep:"none" placeholder:"URL" help:"Send every event there, too."`

	Renditions string `placeholder:"FILE" help:"YAML document of the renditions of each image; it is RENDITIONS_FILE."`

	Webhook []string `sep:"none" placeholder:"URL" help:"Post results there, signed with a secret that is printed."`

	Notifications string `placeholder:"TOPIC" help:"Kafka topic with the notifications of buckets, from a real MinIO."`
}

// readOptions reads the command line. It writes the help text to out and returns cli.ErrHelp if it is asked for.
func readOptions(arguments []string, out io.Writer) (options, error) {
	var f flags
	if err := program.Parse(&f, arguments, out); err != nil {
		return options{}, err
	}
	o := options{
		listen: f.Listen, broker: f.Broker, deadLetters: f.DeadLetters, watchers: f.Watcher, notifications: f.Notifications,
		renditions: f.Renditions, data: f.Data, webhooks: f.Webhook, open: f.Open,
	}
	for _, function := range f.Running {
		if o.running == nil {
			o.running = map[string]string{}
		}
		o.running[function.name] = function.address
	}
	return o, nil
}

// elsewhere is a value of --running: a function that runs already, in a debugger for example.
type elsewhere struct{ name, address string }

// UnmarshalText reads NAME=HOST:PORT.
func (e *elsewhere) UnmarshalText(text []byte) error {
	e.name, e.address, _ = strings.Cut(string(text), "=")
	if _, _, err := net.SplitHostPort(e.address); err != nil || e.name == "" {
		return errors.New("expected NAME=HOST:PORT, such as thumbnail=127.0.0.1:8081")
	}
	return nil
}

// localDefaults are the defaults that differ here, and those of settings that have none.
var localDefaults = map[string]string{
	"LOG_LEVEL":      localLogLevel,
	"LOG_FORMAT":     "text on a terminal, else json",
	"MINIO_ENDPOINT": "built in", "REDIS_HOST": "built in", "KAFKA_BOOTSTRAP_SERVERS": "built in",
}

// unusedSettings have no effect here: --listen says where upload listens.
var unusedSettings = map[string]bool{"PORT": true}

// settingsHelp lists the settings of all functions.
func settingsHelp() string {
	const indent = "        " // names of settings are long, so what they mean is below them
	var text strings.Builder
	text.WriteString("Settings, which are environment variables:\n")
	for _, group := range catalog.Groups() {
		fmt.Fprintf(&text, "\n%s:\n", group.Title())
		for _, setting := range group.Settings {
			if unusedSettings[setting.Name] {
				continue
			}
			doc := setting.Doc
			if setting.Type == "text" && setting.Values != "" {
				doc += " Expects " + setting.Values + "."
			}
			if value := cmp.Or(localDefaults[setting.Name], setting.Default, setting.DefaultFrom); value != "" {
				doc += fmt.Sprintf(" (default %s)", value)
			}
			doc = cli.Wrap(strings.ReplaceAll(doc, "`", ""), indent, cli.Columns)
			fmt.Fprintf(&text, "  %s\n%s\n", setting.Name, doc)
		}
	}
	return text.String()
}
