package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
)

// summary returns what a person needs to know once the service runs: its addresses, aligned, and what to do next.
func (s *stack) summary() string {
	var text strings.Builder
	fmt.Fprint(&text, "image-service is ready.\n\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0) // writing to a strings.Builder does not fail
	fmt.Fprintf(table, "  Page\thttp://%s\n", s.address)
	fmt.Fprintf(table, "  Broker\t%s\n", s.broker)
	fmt.Fprintf(table, "  Dead letters\thttp://%s\n", s.deadLetters)
	for _, to := range s.webhooks {
		fmt.Fprintf(table, "  Webhook\t%s\n", to.URL)
		fmt.Fprintf(table, "  Its secret\t%s\n", to.Secrets[0])
	}
	for _, f := range s.functions {
		fmt.Fprintf(table, "  Metrics of %s\thttp://%s/metrics\n", f.name(), f.address)
	}
	fmt.Fprintf(table, "  Data\t%s\n", s.data())
	table.Flush()
	fmt.Fprintf(&text, `
Open the page and drop an image on it, or upload one:

  curl %s-F file=@photo.jpg http://%s/upload

Press Ctrl-C to stop.
`, s.credentials(), s.address)
	return text.String()
}

// credentials are what curl sends, if something has to be.
func (s *stack) credentials() string {
	switch {
	case s.setting("AUTH_API_KEYS_FILE") != "":
		return "-H 'X-Api-Key: KEY' "
	case s.setting("AUTH_JWT_ISSUER") != "":
		return "-H 'Authorization: Bearer TOKEN' "
	}
	return ""
}

// setting returns a setting of upload.
func (s *stack) setting(name string) string { return s.settings(s.deployment.services["upload"])(name) }

// data says where the images are, how many, and whether they stay.
func (s *stack) data() string {
	path, kept := s.servers.Directory()
	text := path + ", kept between runs"
	keys, fake := s.servers.Keys(s.setting("MINIO_BUCKET"))
	switch {
	case !fake && kept:
		return text + "; images are in your MinIO"
	case !fake:
		return "images are in your MinIO"
	case !kept:
		return "removed at the end; --data DIR keeps it"
	}
	images := map[uuid.UUID]bool{}
	for _, key := range keys {
		image, _, _ := strings.Cut(key, "/")
		if id, err := uuid.Parse(image); err == nil {
			images[id] = true
		}
	}
	if len(images) == 1 {
		return text + "; 1 image"
	}
	return fmt.Sprintf("%s; %d images", text, len(images))
}

// name returns the service's name, with a note for a second instance.
func (f function) name() string {
	if f.eventsOnly {
		return f.service + ", for events"
	}
	return f.service
}
