package main

import (
	"cmp"

	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

func generateRenditions() (string, error) {
	rows := table{{"field", "values", "default", "meaning"}}
	for _, field := range rendition.Fields() {
		standard := "none"
		if field.Default != "" {
			standard = code(field.Default)
		}
		rows = append(rows, []string{code(field.Name), cmp.Or(field.Values, "text"), standard, field.Doc})
	}
	return rows.String(), nil
}
