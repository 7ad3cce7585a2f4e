// Command upload is the function that accepts images and answers for them. Package service says what it does; knative/
// says how it runs.
package main

import (
	"os"
	"runtime/debug"

	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/upload/service"
)

// Most of the heap is the memory for bodies, which is never garbage. GOGC in the environment would have the collector
// run four times before main, when the heap is small.
const gcPercent = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	httpserver.Main("upload", service.Run)
}
