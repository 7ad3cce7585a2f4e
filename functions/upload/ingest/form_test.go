package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

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
		part(`Content-Disposition: form-data; name="file"; filename*0*=gbk''%c4; filename*1="a%"`, "") + "--x--",
		part(`Content-Disposition: form-data; name="file"; filename="=?iso-2022-jp?B?GyRCRnw=?="`, "") + "--x--",
		part(`Content-Disposition: name="file"; filename="a"b.png"; x`, "") + "--x--",
		part("Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n"+
			"Content-Transfer-Encoding: base64", "Zm9v\r\nYmE") + "--x--",
		part("Content-Disposition: form-data; name=\"file[0]\"\r\nContent-Type: image/png", "x") + "--x--",
		part(`content-disposition: form-data; name=file; filename=a; filename=b`, "") + "--x--",
		part("Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n"+
			"Content-Transfer-Encoding: quoted-printable", "=41=") + "--x--",
		part("Content-Disposition: \x00", "") + "--x--",
		part(`Content-Disposition: form-data; name="chunks"`, "2") + file + "--x--",
		part(`Content-Disposition: form-data; name="file"; filename="%22%0D%0A"`, "") + "--x--",
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
			if !utf8.ValidString(file.name) {
				t.Fatalf("a file has the name %q, want UTF-8", file.name)
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

// The content types of forms, with the boundary or with what is wrong with it.
func TestBoundaryOf(t *testing.T) {
	for contentType, want := range map[string]string{
		"multipart/form-data; boundary=X":                          "X",
		`multipart/form-data; boundary="X"`:                        "X",
		"Multipart/Form-Data; Boundary=X":                          "X",
		"multipart/form-data;boundary=X":                           "X",
		"multipart/form-data boundary=X":                           "X",
		"multipart/form-data, boundary=X":                          "X",
		"multipart/form-data; charset=UTF-8; boundary=X":           "X",
		"multipart/form-data; boundary=X; charset=utf-8":           "X",
		"multipart/form-data; boundary====16574==":                 "===16574==",
		"multipart/form-data; boundary=b/Qe:0(x)":                  "b/Qe:0(x)",
		"multipart/form-data; boundary=a b":                        "a b",
		`multipart/form-data; boundary="a b"`:                      "a b",
		"multipart/form-data; boundary=" + strings.Repeat("x", 70): strings.Repeat("x", 70),
		"image/png": "not a form",
		"":          "not a form",
		"application/x-www-form-urlencoded; boundary=X":                     "not a form",
		"multipart/form-data":                                               "has no boundary",
		"multipart/form-data; boundary=":                                    "has no boundary",
		`multipart/form-data; boundary=""`:                                  "has no boundary",
		"multipart/form-data; --dioBoundary&Happycoding-3794901476":         "--dioBoundary&Happycoding-3794901476",
		"multipart/form-data; boundary=" + strings.Repeat("x", 10_000):      "too long",
		"multipart/mixed; boundary=X":                                       `"multipart/mixed", expected multipart/form-`,
		"multipart/related; boundary=X; type=\"application/json\"; start=a": `"multipart/related"`,
	} {
		t.Run(contentType[:min(len(contentType), 60)], func(t *testing.T) {
			boundary, isForm, err := boundaryOf(contentType)
			var refused *apierror.Error
			switch {
			case errors.As(err, &refused):
				if !strings.Contains(err.Error(), want) || refused.Status != 400 || refused.Code != "bad_form" || !isForm {
					t.Errorf("boundaryOf() = %d %s %v, want 400 bad_form with %q", refused.Status, refused.Code, err, want)
				}
			case !isForm:
				if want != "not a form" {
					t.Errorf("boundaryOf() says that it is not a form, want %q", want)
				}
			case boundary != want:
				t.Errorf("boundaryOf() = %q, want %q", boundary, want)
			}
		})
	}
}

// Which parts of a form are files, and what the answer is without one.
func TestFiles(t *testing.T) {
	disposition := func(parameters string) string { return "Content-Disposition: form-data; " + parameters }
	for _, test := range []struct {
		name, header, content string
		want                  string // the name and the content, or the error
	}{
		{"file", disposition(`name="file"; filename="a.png"`), "x", "a.png x"},
		{"unquoted", disposition("name=file; filename=a.png"), "x", "a.png x"},
		{"folded header", "Content-Disposition: form-data; name=\"file\";\r\n filename=\"a.png\"", "x", "a.png x"},
		{"files", disposition(`name="files"; filename="a.png"`), "x", "a.png x"},
		{"file[] (PHP)", disposition(`name="file[]"; filename="a.png"`), "x", "a.png x"},
		{"files[] (Uppy)", disposition(`name="files[]"; filename="a.png"`), "x", "a.png x"},
		{"file[0] (Dropzone)", disposition(`name="file[0]"; filename="a.png"`), "x", "a.png x"},
		{"image", disposition(`name="image"; filename="a.png"`), "x", "400 no_file found image limit file"},
		{"escapes of browsers", disposition(`name="%22image%22"; filename="a.png"`), "x",
			`400 no_file found "image" limit file`},
		{"escapes of browsers, file name", disposition(`name="file"; filename="a %22b%22%0D%0A.png"`), "x",
			"a \"b\"\r\n.png x"},
		{"no escapes of browsers", disposition(`name="file"; filename="100%25%41%0a%2522.png"`), "x",
			"100%25%41%0a%2522.png x"},
		{"no field name", disposition(`filename="a.png"`), "x", "a.png x"},
		{"no field name, text", disposition(``) + "\r\nContent-Type: text/plain", "x", "400 no_file"},
		{"no filename, image/png", disposition(`name="file"`) + "\r\nContent-Type: image/png", "x", " x"},
		{"no filename, octet-stream", disposition(`name="file"`) + "\r\nContent-Type: application/octet-stream", "x", " x"},
		{"no filename, image/png, image", disposition(`name="image"`) + "\r\nContent-Type: image/png", "x",
			"400 no_file found image limit file"},
		{"no filename, no type", disposition(`name="file"`), "x", "400 no_file"},
		{"no filename, text", disposition(`name="file"`) + "\r\nContent-Type: text/plain", "x", "400 no_file"},
		{"empty filename", disposition(`name="file"; filename=""`), "x", "400 no_file_selected"},
		{"no disposition", "Content-Type: image/png", "x", " x"},
		{"binary", disposition(`name="file"; filename="a"`) + "\r\nContent-Transfer-Encoding: binary", "x=", "a x="},
		{"base64", disposition(`name="file"; filename="a"`) + "\r\nContent-Transfer-Encoding: BASE64", "Zm9v\r\nYmFy\r\n",
			"a foobar"},
		{"quoted-printable", disposition(`name="file"; filename="a"`) + "\r\nContent-Transfer-Encoding: quoted-printable",
			"=66oo", "a foo"},
		{"not base64", disposition(`name="file"; filename="a"`) + "\r\nContent-Transfer-Encoding: base64", "%%%",
			"400 bad_form"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := "--X\r\n" + test.header + "\r\n\r\n" + test.content + "\r\n--X--\r\n"
			if got := readForm(body, "X"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// readForm returns the name and the content of the first file in a form, or the error.
func readForm(body, boundary string) string {
	form := newForm(strings.NewReader(body), boundary)
	file, err := form.nextFile()
	var content []byte
	switch {
	case errors.Is(err, io.EOF):
		err = form.noFile()
	case err == nil:
		content, err = io.ReadAll(file)
	}
	var refused *apierror.Error
	if !errors.As(err, &refused) {
		return file.name + " " + string(content)
	}
	text := fmt.Sprintf("%d %s", refused.Status, refused.Code)
	if refused.Found != nil {
		text += fmt.Sprintf(" found %v limit %v", refused.Found, refused.Limit)
	}
	return text
}

// A form may have lines that end with LF alone, and text before and after it; an error names the boundary.
func TestFraming(t *testing.T) {
	const header = `Content-Disposition: form-data; name="file"; filename="a.png"`
	whole := "--X\r\n" + header + "\r\n\r\nx\r\n--X--\r\n"
	for _, test := range []struct{ name, body, boundary, want string }{
		{"LF", strings.ReplaceAll(whole, "\r\n", "\n"), "X", ""},
		{"preamble and epilogue", "This is MIME\r\n" + whole + "bye\r\n", "X", ""},
		{"no last line end", strings.TrimSuffix(whole, "\r\n"), "X", ""},
		{"spaces after the boundary", strings.ReplaceAll(whole, "--X\r\n", "--X \t\r\n"), "X", ""},
		{"no last boundary", strings.TrimSuffix(whole, "--X--\r\n"), "X", `no last line with the boundary "X"`},
		{"another boundary", whole, "Y", `no line with the boundary "Y"`},
		{"not a form", "\x89PNG", "X", `no line with the boundary "X"`},
		{"empty", "", "X", `no line with the boundary "X"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := newForm(strings.NewReader(test.body), test.boundary)
			file, err := form.nextFile()
			if err == nil {
				_, err = io.ReadAll(file)
			}
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got the error %v, want %q", err, test.want)
			}
		})
	}
}
