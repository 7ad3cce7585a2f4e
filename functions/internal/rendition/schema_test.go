package rendition

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// The schema and the parser agree, but for fields without effect, which only the parser sees.
func TestSchema(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiler.AddResource(SchemaURL, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"": true, "renditions:": true, "renditions: {a: {width: 1}}": true, "renditions: {a: {height: 4096}}": true,
		"renditions: {a: {width: 640, height: 480, fit: cover, gravity: smart, format: [webp, jpeg], quality: 80}}": true,
		`renditions: {a: {width: 2, height: 2, fit: contain, gravity: southwest, background: "#Fff"}}`:              true,
		"renditions: {a: {width: 2, height: 2, fit: fill, enlarge: true}}":                                          true,
		"renditions: {a: {width: 2, animated: true, max_frames: 10, format: gif}}":                                  true,
		"placeholder: thumbhash\ncolor: true":                                                                       true,
		"placeholder: none":                                                                                         true,
		"placeholder: x":                                                                                            false,
		"color: x":                                                                                                  false,
		"renditions: {a: {width: 1, rotate: 90, flip: both, gamma: 1.5, blur: 3, watermark: s3://abc/d/e.png}}": true,
		"renditions: {a: {width: 1, rotate: 91}}": false, "renditions: {a: {width: 1, watermark: s3:/abc}}": false,
		"renditions: {a: {}}": false, "renditions: {a: }": false, "renditions: {A: {width: 1}}": false,
		"renditions: {a: {width: 0}}": false, "renditions: {a: {width: 4097}}": false, "renditions: {a: {width: 1.5}}": false,
		"renditions: {a: {width: 1, fit: cover}}": false, "renditions: {a: {width: 1, enlarge: true}}": false,
		"renditions: {a: {width: 1, format: []}}": false, "renditions: {a: {width: 1, format: [gif, gif]}}": false,
		"renditions: {a: {width: 1, format: heic}}": false, "renditions: {a: {width: 1, quality: 0}}": false,
		`renditions: {a: {width: 2, height: 2, fit: contain, background: "#ffff"}}`: false,
		"renditions: {a: {width: 1, animated: maybe}}":                              false,
		"renditions: [a]": false, "more: 1": false,
	} {
		t.Run(text, func(t *testing.T) {
			var value any
			if err := yaml.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			_, parseErr := Parse([]byte(text))
			schemaErr := schema.Validate(parsed)
			if (parseErr == nil) != want || (schemaErr == nil) != want {
				t.Errorf("the parser says %v, the schema %v; want valid: %t", parseErr, schemaErr, want)
			}
		})
	}
}
