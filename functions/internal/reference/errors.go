package main

import (
	"cmp"
	"slices"
	"strconv"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

func generateErrors() (string, error) {
	type answer struct {
		status int
		apierror.Code
	}
	var answers []answer
	for _, declared := range apierror.Codes() {
		for _, status := range declared.Statuses {
			answers = append(answers, answer{status, declared})
		}
	}
	slices.SortStableFunc(answers, func(a, b answer) int { return cmp.Compare(a.status, b.status) })
	rows := table{{"status", "code", "meaning", "what to do", "if it was an event"}}
	for _, a := range answers {
		rows = append(rows, []string{strconv.Itoa(a.status), code(a.Code.Code), a.Meaning, a.Action, deliveryAfter(a.status)})
	}
	return rows.String(), nil
}

// deliveryAfter says what Knative does with an event that was answered with a status.
func deliveryAfter(status int) string {
	var answer apierror.Error
	answer.Status = status
	if answer.Permanent() {
		return "dead letter"
	}
	return "delivered again"
}
