// Command sign makes signed URLs and upload grants as the upload function does, without asking it: with the file that
// AUTH_SIGNING_KEYS_FILE names.
//
//	go run ./functions/upload/sign url /thumbnails/IMAGE_ID
//	go run ./functions/upload/sign grant CLIENT
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/limits"
	"gitlab.com/yourorg/image-service/functions/internal/signing"
	"gitlab.com/yourorg/image-service/functions/upload/grant"
)

var program = cli.Program{
	Command: "go run ./functions/upload/sign",
	Summary: "Makes signed URLs of images, and upload grants, as the upload function does, without asking it: with the " +
		"first key of its file of signing keys. Neither the image nor the client has to exist yet.",
	Examples: []string{
		"export AUTH_SIGNING_KEYS_FILE=signing-keys",
		"go run ./functions/upload/sign url /images/ID /thumbnails/ID",
		"go run ./functions/upload/sign url --expires 10m /images/ID/card",
		"go run ./functions/upload/sign grant --images 20 --types image/jpeg CLIENT",
	},
}

type commands struct {
	Keys    string       `placeholder:"FILE" help:"File of signing keys; AUTH_SIGNING_KEYS_FILE by default."`
	Service string       `placeholder:"URL" help:"Address of the service, to print whole URLs."`
	URL     urlCommand   `cmd:"" name:"url" help:"Sign URLs of images, which allow GET and HEAD to everybody."`
	Grant   grantCommand `cmd:"" help:"Make an upload grant, which allows to upload in the name of a client."`
}

func main() { cli.Exit("sign", realMain(os.Args[1:], os.Stdout, os.Getenv)) }

func realMain(arguments []string, out io.Writer, getenv func(string) string) error {
	var c commands
	command, err := program.ParseCommand(&c, arguments, out)
	if err != nil {
		return err
	}
	settings := config.NewReader(func(name string) string {
		if name == "AUTH_SIGNING_KEYS_FILE" && c.Keys != "" {
			return c.Keys
		}
		return getenv(name)
	})
	signs := signing.ReadSettings(settings)
	if !signs.IsSet() {
		return fmt.Errorf("%w: no signing keys; expected --keys=FILE or AUTH_SIGNING_KEYS_FILE", cli.ErrUsage)
	}
	grants := grant.Grants{MaxBytes: limits.UploadBytes.Read(settings), Types: limits.ReadImage(settings).MIMETypes()}
	if err := settings.Err(); err != nil {
		return err
	}
	grants.Keys = signing.Open(signs, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	c.Service = strings.TrimSuffix(c.Service, "/")
	if command == "grant" {
		return c.Grant.run(&grants, c.Service, out)
	}
	return c.URL.run(grants.Keys, c.Service, out)
}

type urlCommand struct {
	Expires time.Duration `default:"1h" help:"How long they are valid, 1m to 168h; up to a quarter longer, for caches."`
	Paths   []string      `arg:"" name:"path" help:"/images/ID, /thumbnails/ID or /images/ID/RENDITION, also with ?v=."`
}

// signable is the path of an original, a thumbnail or a rendition.
var signable = regexp.MustCompile(
	`^(?:/images/([0-9a-f-]{36})(?:/[a-z][a-z0-9-]{0,31}(?:\?v=[A-Za-z0-9_-]{1,64})?)?|/thumbnails/([0-9a-f-]{36}))$`)

func (c *urlCommand) run(keys *signing.Keys, service string, out io.Writer) error {
	if c.Expires < signing.MinLifetime || c.Expires > signing.MaxLifetime {
		return fmt.Errorf("%w: --expires is %v; expected 1m to 168h", cli.ErrUsage, c.Expires)
	}
	var urls strings.Builder
	for _, path := range c.Paths {
		parts := signable.FindStringSubmatch(path)
		if parts == nil || !events.IsImageID(parts[1]+parts[2]) {
			return fmt.Errorf("%w: %q is not the path of an image; expected /images/ID, /thumbnails/ID or "+
				"/images/ID/RENDITION, in lower case", cli.ErrUsage, path)
		}
		path, hash, _ := strings.Cut(path, "?v=")
		expires := signing.Expiry(time.Now(), c.Expires, parts[1]+parts[2])
		urls.WriteString(service + keys.URL(path, hash, expires) + "\n")
	}
	_, err := io.WriteString(out, urls.String())
	return err
}

type grantCommand struct {
	Images   *int64        `placeholder:"1" help:"How many images, 1 to 1000."`
	MaxBytes *int64        `placeholder:"BYTES" help:"How many bytes each may have; MAX_UPLOAD_BYTES by default."`
	Types    []string      `placeholder:"TYPE" help:"Content types, such as image/jpeg,image/png; all by default."`
	Expires  time.Duration `default:"15m" help:"How long it is valid, 1m to 24h."`
	Client   string        `arg:"" help:"Name of the client that the images will belong to."`
}

func (c *grantCommand) run(grants *grant.Grants, service string, out io.Writer) error {
	if c.Client == "" {
		return fmt.Errorf("%w: the client has no name", cli.ErrUsage)
	}
	seconds := int64(c.Expires / time.Second)
	allowed, err := grants.Allow(grant.Request{
		Images: c.Images, MaxBytes: c.MaxBytes, Types: c.Types, ExpiresIn: &seconds,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	allowed.Client = c.Client
	text, err := grants.Keys.Grant(allowed)
	if err != nil {
		return err
	}
	if service != "" {
		text = service + "/upload?grant=" + text
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
