package rendition

import "encoding/json"

// SchemaURL is where the JSON Schema of the document is published.
const SchemaURL = "https://gitlab.com/yourorg/image-service/-/raw/main/docs/reference/renditions.schema.json"

// Schema returns the JSON Schema (draft 2020-12) of the document. It does not see whether a field has an effect, which
// Parse does.
func Schema() []byte {
	properties := map[string]any{}
	for _, f := range fields {
		p := f.kind.schema()
		p["description"] = f.doc
		properties[f.name] = p
	}
	twoSides := []string{"width", "height"}
	one := map[string]any{
		"type": "object", "properties": properties, "additionalProperties": false,
		"anyOf": []any{map[string]any{"required": []string{"width"}}, map[string]any{"required": []string{"height"}}},
		"allOf": []any{
			map[string]any{
				"if": map[string]any{"required": []string{"fit"}, "properties": map[string]any{
					"fit": map[string]any{"enum": []string{"cover", "contain", "fill"}},
				}},
				"then": map[string]any{"required": twoSides},
			},
			map[string]any{
				"if": map[string]any{"required": []string{"enlarge"}, "properties": map[string]any{
					"enlarge": map[string]any{"const": true},
				}},
				"then": map[string]any{"required": twoSides},
			},
		},
	}
	document := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id":     SchemaURL,
		"title":   "The renditions of each image",
		"type":    []string{"object", "null"},
		"properties": map[string]any{
			"renditions": map[string]any{
				"type": []string{"object", "null"}, "propertyNames": map[string]any{"pattern": namePattern.String()},
				"additionalProperties": one, "maxProperties": maxRenditions,
				"description": "What is made of each image, by name. There is always a thumbnail; by default it fits 200x200.",
			},
			"placeholder": map[string]any{
				"enum":        []string{"none", thumbHash},
				"description": "Whether status and events have a ThumbHash of the image, in base64, for browsers to show first.",
			},
			"color": map[string]any{
				"type": "boolean", "description": "Whether status and events have the dominant colour of the image.",
			},
		},
		"additionalProperties": false,
	}
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return append(text, '\n')
}

// A FieldDoc describes a field for the reference page.
type FieldDoc struct{ Name, Values, Default, Doc string }

// Fields describes all fields.
func Fields() []FieldDoc {
	var all []FieldDoc
	for _, f := range fields {
		d := FieldDoc{Name: f.name, Values: f.kind.expected(), Doc: f.doc}
		if text, err := json.Marshal(f.standard); err == nil && !isNone(f.standard) {
			d.Default = string(text)
		}
		all = append(all, d)
	}
	return all
}

// isNone reports whether a default is that nothing is set.
func isNone(standard any) bool {
	return equal(standard, 0) || equal(standard, 0.0) || equal(standard, "")
}
