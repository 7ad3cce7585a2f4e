// Command upload is the function that accepts images and answers for them. Package service says what it does; knative/
// says how it runs.
package main

import (
	"os"
	"runtime/debug"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/upload/service"
)

const (
	// Most of the heap is the memory for bodies, which is never garbage. GOGC in the environment would have the collector
	// run four times before main, when the heap is small.
	gcPercent = 25
	// A process answers sooner if the collector does not run in its first second. GOMEMLIMIT bounds the heap meanwhile.
	gcStarts = time.Second
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(-1)
		time.AfterFunc(gcStarts, func() { debug.SetGCPercent(gcPercent) })
	}
	httpserver.Main("upload", service.Run)
}
