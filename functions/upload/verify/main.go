// Command verify checks the bucket of the service: every original has a result, which is a thumbnail or a failure note,
// and every result has an original. It reads the settings of the upload function.
//
//	go run ./functions/upload/verify [--repair]
//
// It writes a line for each object that is not as it should be, and a summary; its progress goes to standard error. With
// --repair, originals without a result are announced again. Nothing is ever deleted. The exit code is 1 if something is
// left to be done, and 2 if not all of the bucket could be checked.
package main

import (
	"flag"
	"fmt"
	"os"

	"gitlab.com/yourorg/image-service/functions/upload/service"
	"knative.dev/pkg/signals"
)

func main() {
	repair := flag.Bool("repair", false, "announce originals that have no result again")
	flag.Parse()
	good, err := service.Verify(signals.NewContext(), os.Getenv, *repair, os.Stdout, os.Stderr)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(2)
	case !good:
		os.Exit(1)
	}
}
