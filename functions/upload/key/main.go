// Command key makes an API key for a client of the upload function. The key goes to the terminal, once; the line for the
// file that AUTH_API_KEYS_FILE names goes to standard output, so that it can be appended:
//
//	go run ./functions/upload/key CLIENT >> api-keys
package main

import (
	"fmt"
	"io"
	"os"

	"gitlab.com/yourorg/image-service/functions/internal/auth"
)

func main() {
	if err := realMain(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "key:", err)
		os.Exit(2)
	}
}

func realMain(arguments []string, out, terminal io.Writer) error {
	if len(arguments) != 1 {
		return fmt.Errorf("got %d arguments; expected the name of the client", len(arguments))
	}
	key, line, err := auth.NewKey(arguments[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(terminal, "The key, which is kept nowhere: %s\n", key)
	_, err = fmt.Fprintln(out, line)
	return err
}
