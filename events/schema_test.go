package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gitlab.com/yourorg/image-service/events"
	"go.yaml.in/yaml/v3"
)

// baseURL is where the schemas and the AsyncAPI document are published; the tests read the files here instead.
const baseURL = "https://gitlab.com/yourorg/image-service/-/raw/main/events/"

// A document is what the tests read of a schema file.
type document struct {
	Schema      string              `json:"$schema"`
	ID          string              `json:"$id"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Type        string              `json:"type"`
	Properties  map[string]property `json:"properties"`
	Required    []string            `json:"required"`
	Additional  *bool               `json:"additionalProperties"`
	Examples    []json.RawMessage   `json:"examples"`
}

type property struct {
	Type        string              `json:"type"`
	Description string              `json:"description"`
	Examples    []events.Reason     `json:"examples"`
	Items       *property           `json:"items"`
	Properties  map[string]property `json:"properties"`
	MinItems    int                 `json:"minItems"`
	MaxItems    int                 `json:"maxItems"`
}

func TestSchemaHead(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.payload.EventType(), func(t *testing.T) {
			d := readSchema(t, k.payload.EventType())
			if want := "https://json-schema.org/draft/2020-12/schema"; d.Schema != want {
				t.Errorf("$schema = %q, want %q", d.Schema, want)
			}
			if want := baseURL + "schema/" + k.payload.EventType() + ".json"; d.ID != want {
				t.Errorf("$id = %q, want %q", d.ID, want)
			}
			if d.Title == "" || !strings.Contains(d.Description, k.payload.EventType()) {
				t.Errorf("title = %q, description = %q, want both, and the type in the description", d.Title, d.Description)
			}
			if d.Type != "object" || d.Additional == nil || !*d.Additional {
				t.Errorf("type = %q, additionalProperties = %v, want an object that may have more", d.Type, d.Additional)
			}
			for name, p := range d.Properties {
				if p.Description == "" {
					t.Errorf("property %s has no description", name)
				}
			}
		})
	}
}

// TestSchemaFields compares the schemas with the Go types: the same names, required unless omitempty or omitzero, the
// same JSON types.
func TestSchemaFields(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.payload.EventType(), func(t *testing.T) {
			d := readSchema(t, k.payload.EventType())
			var names, required []string
			for _, field := range reflect.VisibleFields(reflect.TypeOf(k.payload)) {
				name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
				names = append(names, name)
				if options == "" {
					required = append(required, name)
				}
				checkType(t, name, d.Properties[name], field.Type)
			}
			for name := range d.Properties {
				if !slices.Contains(names, name) {
					t.Errorf("property %s is not a field of %T", name, k.payload)
				}
			}
			slices.Sort(required)
			slices.Sort(d.Required)
			if !slices.Equal(d.Required, required) {
				t.Errorf("required = %q, want %q", d.Required, required)
			}
		})
	}
}

func checkType(t *testing.T, name string, p property, goType reflect.Type) {
	t.Helper()
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Array: "array", reflect.Slice: "array", reflect.Struct: "object",
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
	}[goType.Kind()]
	if p.Type != want || want == "" {
		t.Errorf("property %s has type %q, want %q for %v", name, p.Type, want, goType)
	}
	switch goType.Kind() {
	case reflect.Array:
		if p.MinItems != goType.Len() || p.MaxItems != goType.Len() {
			t.Errorf("property %s has %d to %d items, want %d", name, p.MinItems, p.MaxItems, goType.Len())
		}
		checkItems(t, name, p, goType)
	case reflect.Slice:
		checkItems(t, name, p, goType)
	case reflect.Struct:
		if len(p.Properties) != goType.NumField() {
			t.Errorf("property %s has %d properties, want the fields of %v", name, len(p.Properties), goType)
		}
		for _, field := range reflect.VisibleFields(goType) {
			inner := field.Tag.Get("json")
			checkType(t, name+"."+inner, p.Properties[inner], field.Type)
		}
	}
}

func checkItems(t *testing.T, name string, p property, goType reflect.Type) {
	t.Helper()
	if p.Items == nil {
		t.Fatalf("property %s does not say what its items are", name)
	}
	checkType(t, name+"[]", *p.Items, goType.Elem())
}

func TestSchemaReasons(t *testing.T) {
	p := readSchema(t, events.TypeImageFailed).Properties["reason"]
	if got, want := p.Examples, events.Reasons(); !slices.Equal(got, want) {
		t.Errorf("enum = %q, want %q", got, want)
	}
	for _, reason := range events.Reasons() {
		if !strings.Contains(p.Description, string(reason)+":") {
			t.Errorf("description does not explain %s", reason)
		}
	}
}

func TestSchemaExamples(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.payload.EventType(), func(t *testing.T) {
			examples := readSchema(t, k.payload.EventType()).Examples
			if len(examples) == 0 {
				t.Error("no examples")
			}
			for _, example := range examples {
				if err := validateData(t, k.payload.EventType(), example); err != nil {
					t.Errorf("example %s: %v", example, err)
				}
				checkDecode(t, dataEvent(k.payload.EventType(), example), "")
			}
		})
	}
}

func TestSchemaFiles(t *testing.T) {
	files, err := filepath.Glob("schema/*")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, declared := range events.Types() {
		want = append(want, filepath.Join("schema", declared.Name+".json"))
	}
	slices.Sort(want)
	if !slices.Equal(files, want) {
		t.Errorf("files are %q, want %q", files, want)
	}
	if _, err := events.Schema("image.lost"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Schema of an unknown type: error is %v, want fs.ErrNotExist", err)
	}
}

func readSchema(t *testing.T, eventType string) document {
	t.Helper()
	data, err := events.Schema(eventType)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// validateData validates JSON against the schema of a type of event.
func validateData(tb testing.TB, eventType string, data []byte) error {
	tb.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	return compile(tb, "schema/"+eventType+".json").Validate(value)
}

// compile reads a schema of this folder: a file, or a part of one, such as asyncapi.yaml#/components/schemas/id.
func compile(tb testing.TB, location string) *jsonschema.Schema {
	tb.Helper()
	schema, err := compiler().Compile(baseURL + location)
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

// compiler is shared, because it keeps the files that it has read; reading takes longer than checking.
var compiler = sync.OnceValue(func() *jsonschema.Compiler {
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(folder{})
	compiler.AssertFormat()
	return compiler
})

// A folder loads what is published at baseURL from the files here, so that tests need no network.
type folder struct{}

func (folder) Load(url string) (any, error) {
	data, err := os.ReadFile(strings.TrimPrefix(url, baseURL))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(url, ".yaml") {
		var document any
		if err := yaml.Unmarshal(data, &document); err != nil {
			return nil, err
		}
		if data, err = json.Marshal(document); err != nil {
			return nil, err
		}
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(data))
}
