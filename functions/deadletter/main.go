// Command deadletter is the function that keeps events which could not be delivered. Knative runs it; see knative/ for
// how, and functions/deadletter/keep for what it does.
package main

import (
	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

func main() { httpserver.Main("dead-letters", deadletter.Run) }
