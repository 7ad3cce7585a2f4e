// Command thumbnail is the function that makes thumbnails, see package thumbnailer. Knative runs it, see knative/.
package main

import (
	"os"
	"runtime/debug"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
)

const (
	// Most of the heap is the pixels of images in progress, and nearly as much would be those of the images before.
	gcPercent = 50
	// The heap of a new process is so small that the collector would run again and again before the first answer.
	gcFrom = time.Second
)

func main() {
	if os.Getenv("GOGC") == "" {
		time.AfterFunc(gcFrom, func() { debug.SetGCPercent(gcPercent) })
	}
	httpserver.Main("thumbnail", thumbnailer.Run)
}
