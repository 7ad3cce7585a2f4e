// Command thumbnail is the function that makes thumbnails. Knative runs it; see knative/ for how, and
// functions/thumbnail/render for what it does.
package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
)

func main() { httpserver.Main("thumbnail", thumbnailer.Run) }
