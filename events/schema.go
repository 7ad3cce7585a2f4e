package events

import (
	"embed"
	"io/fs"
)

//go:embed schema/*.json
var schemas embed.FS

// Schema returns the JSON Schema (draft 2020-12) of the data of a type of event, such as TypeImageUploaded. The error
// is fs.ErrNotExist for a type that Types does not declare.
func Schema(eventType string) ([]byte, error) {
	return fs.ReadFile(schemas, "schema/"+eventType+".json")
}
