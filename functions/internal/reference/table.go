package main

import (
	"fmt"
	"strings"
)

// A table is a Markdown table; its first row is the head.
type table [][]string

func (t table) String() string {
	var out strings.Builder
	for i, row := range t {
		for _, cell := range row {
			fmt.Fprintf(&out, "| %s ", strings.ReplaceAll(cell, "|", `\|`))
		}
		out.WriteString("|\n")
		if i == 0 {
			out.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return out.String()
}

// code returns texts as Markdown code, separated by commas.
func code[T ~string](texts ...T) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = "`" + string(text) + "`"
	}
	return strings.Join(quoted, ", ")
}
