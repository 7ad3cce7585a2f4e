// Command webhook is the function that posts results to the endpoints of others. Knative runs it (see
// knative/components/webhooks); what it does is in functions/webhook/webhook.
package main

import (
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
)

func main() { httpserver.Main("webhook", webhook.Run) }
