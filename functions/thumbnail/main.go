// Command thumbnail is the function that makes thumbnails. Knative runs it; see knative/ for how, and
// functions/thumbnail/render for what it does.
package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/serve"
	"gitlab.com/yourorg/image-service/functions/thumbnail/render"
)

func main() { serve.Main("thumbnail", render.Run) }
