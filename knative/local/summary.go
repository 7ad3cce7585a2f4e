package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// summary returns what a person needs to know once the service runs: its addresses, aligned, and what to do next.
func (s *stack) summary() string {
	var text strings.Builder
	fmt.Fprint(&text, "image-service is ready.\n\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0) // writing to a strings.Builder does not fail
	fmt.Fprintf(table, "  Page\thttp://%s\n", s.address)
	fmt.Fprintf(table, "  Broker\t%s\n", s.broker)
	fmt.Fprintf(table, "  Dead letters\thttp://%s\n", s.deadLetters)
	for _, f := range s.functions {
		fmt.Fprintf(table, "  Metrics of %s\thttp://%s/metrics\n", f.name(), f.address)
	}
	table.Flush()
	fmt.Fprintf(&text, `
Open the page and drop an image on it, or upload one:

  curl -F file=@photo.jpg http://%s/upload

Press Ctrl-C to stop.
`, s.address)
	return text.String()
}

// name returns the service's name, with a note for a second instance.
func (f function) name() string {
	if f.eventsOnly {
		return f.service + ", for events"
	}
	return f.service
}
