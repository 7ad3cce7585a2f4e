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
		delivery := "delivered again"
		if (&apierror.Error{Status: a.status}).Permanent() {
			delivery = "dead letter"
		}
		rows = append(rows, []string{strconv.Itoa(a.status), code(a.Code.Code), a.Meaning, a.Action, delivery})
	}
	return rows.String(), nil
}
