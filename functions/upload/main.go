// Command upload is the function that takes images in. Knative runs it; see knative/ for how, and functions/upload/intake
// for what it does.
package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/upload/intake"
)

func main() { httpserver.Main("upload", intake.Run) }
