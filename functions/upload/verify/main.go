// Command verify goes through the bucket of the service: every original has its result, a thumbnail or a note of why there
// is none, and every result its original. It reads the same settings as the upload function.
//
//	go run ./functions/upload/verify [--repair]
//
// It writes a line for each object that is not as it should be, and a sum; how far it is it says on standard error. With
// --repair, originals without a result are announced again. Nothing is ever deleted. It ends with 1 if something is left
// to be done, and with 2 if it could not see all of the bucket.
package main

import (
	"flag"
	"fmt"
	"os"

	"gitlab.com/yourorg/image-service/functions/upload/intake"
	"knative.dev/pkg/signals"
)

func main() {
	repair := flag.Bool("repair", false, "announce originals again that have no result")
	flag.Parse()
	good, err := intake.Verify(signals.NewContext(), os.Getenv, *repair, os.Stdout, os.Stderr)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(2)
	case !good:
		os.Exit(1)
	}
}
