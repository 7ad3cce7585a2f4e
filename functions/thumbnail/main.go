// Command thumbnail is the function that makes thumbnails, see package thumbnailer. Knative runs it, see knative/.
package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
)

func main() { httpserver.Main("thumbnail", thumbnailer.Run) }
