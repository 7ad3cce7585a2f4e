// Command key makes an API key for a client of the upload function. The key goes to standard error, once; the line for
// the file that AUTH_API_KEYS_FILE names goes to standard output, so that it can be appended:
//
//	go run ./functions/upload/key CLIENT >> api-keys
package main

import (
	"fmt"
	"io"
	"os"

	"gitlab.com/yourorg/image-service/functions/cli"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
)

var program = cli.Program{
	Command: "go run ./functions/upload/key",
	Summary: "Makes an API key for a client of the upload function. The key goes to standard error and is stored " +
		"nowhere. The line for the file that AUTH_API_KEYS_FILE names goes to standard output; it has the hash of the key.",
	Examples: []string{
		"go run ./functions/upload/key scanner >> api-keys",
	},
}

func main() { cli.Exit("key", realMain(os.Args[1:], os.Stdout, os.Stderr)) }

func realMain(arguments []string, out, terminal io.Writer) error {
	var flags struct {
		Client string `arg:"" help:"Name of the client. The service shows it in its log; several keys may have the same."`
	}
	if err := program.Parse(&flags, arguments, out); err != nil {
		return err
	}
	key, line, err := auth.NewKey(flags.Client)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	fmt.Fprintf(terminal, "The key, which is stored nowhere: %s\n", key)
	_, err = fmt.Fprintln(out, line)
	return err
}
