package main

import (
	"fmt"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/functions/catalog"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

func generateSettings() (string, error) {
	var out strings.Builder
	for _, group := range catalog.Groups() {
		rows := table{{"setting", "default", "values", "meaning"}}
		for _, setting := range group.Settings {
			rows = append(rows, []string{code(setting.Name), defaultOf(setting), valuesOf(setting), meaningOf(setting)})
		}
		fmt.Fprintf(&out, "## %s\n\n%s\n", group.Title(), rows)
	}
	return out.String(), nil
}

func defaultOf(setting config.Description) string {
	switch {
	case setting.Required && setting.Unless != "":
		return "required, unless " + setting.Unless
	case setting.Required:
		return "required"
	case setting.DefaultFrom != "":
		return "value of " + code(setting.DefaultFrom)
	case setting.RequiredWith != "":
		return "required with " + code(setting.RequiredWith)
	case setting.Default == "":
		return "none"
	case setting.Unit == "bytes":
		return code(setting.Default) + sizeOf(setting.Default)
	}
	return code(setting.Default)
}

func valuesOf(setting config.Description) string {
	switch {
	case setting.Type == "integer" && setting.Unit != "":
		return setting.Values + " " + setting.Unit
	case setting.Type == "list" && setting.Values == "":
		return "several, separated by commas"
	case setting.Type == "list":
		return setting.Values + "; several, separated by commas"
	case setting.Values == "":
		return setting.Type
	}
	return setting.Values
}

func meaningOf(setting config.Description) string {
	if setting.Secret {
		return setting.Doc + " Secret."
	}
	return setting.Doc
}

// sizeOf returns a number of bytes in MiB, in parentheses, if it is a whole number of them.
func sizeOf(bytes string) string {
	number, err := strconv.ParseInt(bytes, 10, 64)
	if err != nil || number == 0 || number%(1<<20) != 0 {
		return ""
	}
	return fmt.Sprintf(" (%d MiB)", number>>20)
}
