// Command upload is the function that accepts images and answers for them. Package service says what it does; knative/
// says how it runs.
package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/upload/service"
)

func main() { httpserver.Main("upload", service.Run) }
