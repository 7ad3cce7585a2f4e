package service

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/upload/check"
)

// events/check and the function agree: what the one finds valid the other accepts, under the ID and the name that the
// one has said.
func TestCheckAgrees(t *testing.T) {
	s := start(t)
	checker, err := check.New(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	const envelope = `{"specversion": "1.0", "type": "image.received", "source": "/camera", "id": "%s", ` +
		`"subject": "a%20b.png", `
	image := string(pngOf(t, 40, 30))
	verdicts := map[bool]int{}
	for i, row := range []struct{ name, contentType, header, body string }{
		{"binary", "image/png", "Ce-Subject: Z%C3%BCrich%20100%25.png", image},
		{"no content type", "", "", image},
		{"no content type, and neither image nor JSON", "", "", "hello"},
		{"JSON declared as an image", "image/png", "", `{"bucket": "images"}`},
		{"image declared as JSON", "application/json", "", image},
		{"not an image", "image/png", "", "hello, this is text"},
		{"too long a header", "image/png", "Ce-Subject: " + strings.Repeat("a", 900), image},
		{"no type", "image/png", "Ce-Type: ", image},
		{"a time of no form", "image/png", "Ce-Time: now", image},
		{"a percent-encoded id", "image/png", "Ce-Id: a%20b", image},
		{"data and data_base64", "application/cloudevents+json", "", envelope + `"data": "a", "data_base64": "YQ=="}`},
		{"an image as a JSON string", "application/cloudevents+json", "",
			envelope + `"datacontenttype": "image/png", "data": "a"}`},
		{"an attribute in capitals", "application/cloudevents+json", "", envelope + `"traceId": "1", "data": {}}`},
		{"neither data nor dataref", "application/cloudevents+json", "", envelope + `"data": null}`},
		{"a batch", "application/cloudevents-batch+json", "", "[" + envelope + `"data": {}}]`},
		{"a coding", "image/png", "Content-Encoding: gzip", image},
		{"a number as subject", "application/cloudevents+json", "",
			strings.Replace(envelope, `"a%20b.png"`, "7", 1) + `"data": {}}`},
		{"not JSON", "application/cloudevents+json", "", "{"},
	} {
		t.Run(row.name, func(t *testing.T) {
			lines := []string{"Ce-Specversion: 1.0", "Ce-Type: image.received", "Ce-Source: /camera",
				fmt.Sprintf("Ce-Id: check-%d", i)}
			body := row.body
			if strings.HasPrefix(row.contentType, "application/cloudevents") {
				lines, body = nil, strings.Replace(body, "%s", fmt.Sprintf("check-%d", i), 1)
			}
			if name, _, ok := strings.Cut(row.header, ":"); ok {
				isSame := func(line string) bool { return strings.HasPrefix(line, name+":") }
				lines = append(slices.DeleteFunc(lines, isSame), row.header)
			}
			report := checkRequest(t, checker, append(lines, "Content-Type: "+row.contentType), body)
			answer := s.post("/upload", row.contentType, strings.NewReader(body), lines...)
			verdicts[report.Valid()]++
			if accepted := answer.status == http.StatusOK; accepted != report.Valid() {
				t.Fatalf("check: got valid %v with %+v; the function answers %d %s",
					report.Valid(), report.Findings, answer.status, answer.body)
			}
			facts := map[string]string{}
			for _, fact := range report.Facts {
				facts[fact.Name] = fact.Value
			}
			id, _, _ := strings.Cut(facts["image ID"], ",")
			if answer.status == http.StatusOK && !slices.Contains(s.keys(), id+"/"+facts["name"]) {
				t.Errorf("check: got image ID %q and name %q, want one of the stored objects %q", id, facts["name"], s.keys())
			}
		})
	}
	if verdicts[true] < 3 || verdicts[false] < 8 {
		t.Errorf("got %d valid events and %d others, want at least 3 and 8", verdicts[true], verdicts[false])
	}
}

// checkRequest checks a request with header lines and a body.
func checkRequest(t *testing.T, checker *check.Checker, lines []string, body string) check.Report {
	t.Helper()
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "Content-Type: " })
	text := strings.Join(append(lines, fmt.Sprintf("Content-Length: %d", len(body))), "\r\n") + "\r\n\r\n" + body
	m, err := check.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return checker.Check(m)
}
