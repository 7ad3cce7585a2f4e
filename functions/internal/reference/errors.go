package main

import (
	"cmp"
	"slices"
	"strconv"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// An answer is a code with one of its statuses.
type answer struct {
	status int
	apierror.Code
}

func generateErrors() (string, error) {
	var answers []answer
	for _, declared := range apierror.Codes() {
		for _, status := range declared.Statuses {
			answers = append(answers, answer{status, declared})
		}
	}
	slices.SortStableFunc(answers, func(a, b answer) int { return cmp.Compare(a.status, b.status) })
	rows := table{{"status", "code", "meaning", "what to do", "if it was an event"}}
	linked := map[string]bool{}
	for _, a := range answers {
		name := code(a.Code.Code)
		if !linked[a.Code.Code] {
			linked[a.Code.Code] = true
			name = `<a id="` + a.Code.Code + `"></a>` + name // where apierror.TypeURI leads
		}
		rows = append(rows, []string{strconv.Itoa(a.status), name, a.Meaning, a.Action, deliveryAfter(a)})
	}
	return rows.String(), nil
}

// deliveryAfter says what Knative does with an event that was answered so. What waits for its object is acknowledged.
func deliveryAfter(a answer) string {
	if a.Code.Code == apierror.CodeObjectNotFound || a.Code.Code == apierror.CodeObjectUnreadable {
		return "not sent to Knative"
	}
	var refused apierror.Error
	refused.Status = a.status
	if refused.Permanent() {
		return "dead letter"
	}
	return "delivered again"
}
