package rendition

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// The document of the component renditions changes nothing.
func TestComponent(t *testing.T) {
	text, err := os.ReadFile("../../../knative/components/renditions/renditions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set, err := Parse(text)
	if err != nil || !reflect.DeepEqual(set, Default()) {
		t.Errorf("Parse() = %+v, %v; want the default", set, err)
	}
}

// The documents in the pages are valid, and cost no more than the limits allow by default.
func TestDocumentsInPages(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	for _, page := range []string{"operations/configure.md", "reference/renditions.md"} {
		text, err := os.ReadFile("../../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, match := range block.FindAllSubmatch(text, -1) {
			_, document, inPatch := strings.Cut(string(match[1]), "        renditions.yaml: |\n")
			if !inPatch {
				document = string(match[1])
			}
			if !strings.Contains(document, "renditions:") {
				continue
			}
			found++
			set, err := Parse([]byte(document))
			if err == nil {
				err = set.checkCost(raster.Limits{})
			}
			if err != nil {
				t.Errorf("%s: %v, in:\n%s", page, err, document)
			}
		}
		if found == 0 {
			t.Errorf("%s has no document", page)
		}
	}
}
