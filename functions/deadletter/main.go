// Command deadletter is the function that keeps the events that could not be delivered. Knative runs it (see knative/);
// what it does is in functions/deadletter/deadletter.
package main

import (
	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

func main() { httpserver.Main("dead-letters", deadletter.Run) }
