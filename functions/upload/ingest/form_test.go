package ingest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// Any bytes with any boundary give files or an error that is the caller's fault, and come to an end.
func FuzzForm(f *testing.F) {
	part := func(header, content string) string { return "--x\r\n" + header + "\r\n\r\n" + content + "\r\n" }
	file := part(`Content-Disposition: form-data; name="file"; filename="a.jpg"`, "content")
	for _, body := range []string{
		"", "--x--", file + "--x--", file + file + "--x--", file, "--x\r\n", "preamble\r\n" + file + "--x--\r\nepilogue",
		part(`Content-Disposition: form-data; name="file"`, "text") + "--x--",
		part(`Content-Disposition: form-data; name="file"; filename=""`, "") + "--x--",
		part(`Content-Disposition: form-data; name="file"; filename*=utf-8''%E2%98%83.png`, "") + "--x--",
		part(`content-disposition: form-data; name=file; filename=a; filename=b`, "") + "--x--",
		part("Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n"+
			"Content-Transfer-Encoding: quoted-printable", "=41=") + "--x--",
		part("Content-Disposition: \x00", "") + "--x--",
		part(`Content-Disposition: form-data; name="y"`, strings.Repeat("z", maxFraming)) + "--x--",
	} {
		f.Add([]byte(body), "x")
	}
	f.Add([]byte("----\r\n\r\n\r\n----"), "")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		form := newForm(bytes.NewReader(body), boundary)
		check := func(err error) {
			t.Helper()
			var refused *apierror.Error
			if !errors.As(err, &refused) || !refused.Permanent() {
				t.Fatalf("error is %v, want a permanent apierror.Error", err)
			}
		}
		for range maxParts + 1 {
			file, err := form.nextFile()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				check(err)
				return
			}
			if file.name == "" {
				t.Fatal("a file has no name")
			}
			if n, err := io.Copy(io.Discard, file); err != nil {
				check(err)
			} else if n > int64(len(body)) {
				t.Fatalf("a file has %d bytes, of a body of %d", n, len(body))
			}
		}
		t.Fatalf("the form has more than %d files", maxParts)
	})
}
