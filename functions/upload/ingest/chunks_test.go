package ingest

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// Parts of files as upload libraries mark them, and what they mark that is whole.
func TestCheckParts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, query string
		headers     []string
		want        string // in the error; "" for none
	}{
		{"nothing", "", nil, ""},
		{"filename", "filename=chunks", nil, ""},
		{"Content-Range (blueimp)", "", []string{"Content-Range: bytes 0-9/100"}, "(Content-Range); send each image whole"},
		{"tus (Uppy)", "", []string{"Tus-Resumable: 1.0.0", "Upload-Length: 9"}, "(tus); send each image whole, in one " +
			"request, in Uppy by the plugin XHRUpload"},
		{"FilePond", "", []string{"Upload-Length: 9"}, "in FilePond by chunkUploads: false"},
		{"draft", "", []string{"Upload-Complete: ?0", "Upload-Length: 9"}, "(resumable upload)"},
		{"earlier draft", "", []string{"Upload-Incomplete: ?1"}, "(resumable upload)"},
		{"draft, whole", "", []string{"Upload-Complete: ?1", "Upload-Length: 9"}, ""},
		{"earlier draft, whole (URLSession)", "", []string{"Upload-Incomplete: ?0", "Upload-Draft-Interop-Version: 3"}, ""},
		{"Resumable.js", "resumableChunkNumber=1&resumableTotalChunks=1", nil, "(the query parameter resumableTotalChunks " +
			"of Resumable.js); use a library that sends each image whole"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/upload?"+test.query, nil)
			for _, line := range test.headers {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Set(name, value)
			}
			checkRefused(t, checkParts(r), test.want)
		})
	}
}

// checkRefused fails the test unless err refuses a part of a file in a sentence with a text; no error is wanted for "".
func checkRefused(t *testing.T, err error, want string) {
	t.Helper()
	var refused *apierror.Error
	switch {
	case err == nil && want == "":
	case !errors.As(err, &refused) || want == "" || refused.Code != apierror.CodeIncompleteRequest ||
		refused.Status != 400 || refused.Found == nil || !strings.Contains(refused.Message, want):
		t.Errorf("error is %v, want 400 incomplete_request with %q", err, want)
	}
}

// The fields of libraries that send files in parts come before the file.
func TestFormsWithParts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, field, value, want string }{
		{"Dropzone", "dztotalchunkcount", "3", "(the field dztotalchunkcount of Dropzone); set chunking to false"},
		{"Dropzone, forceChunking", "dztotalchunkcount", "1", ""},
		{"Flow.js", "flowTotalChunks", "2", "Flow.js"},
		{"Flow.js, whole", "flowTotalChunks", "1", ""},
		{"simple-uploader.js", "totalChunks", "2", "simple-uploader.js"},
		{"Plupload", "chunks", "2", "Plupload"},
		{"Plupload, without parts", "chunks", "0", ""},
		{"Fine Uploader", "qqtotalparts", "12", "Fine Uploader"},
		{"Syncfusion", "total-chunk", "2", "Syncfusion"},
		{"Resumable.js", "resumableTotalChunks", "2", "Resumable.js"},
		{"not a number", "chunks", "two", ""},
		{"another field", "pieces", "2", ""},
		{"long", "chunks", strings.Repeat("1", 60_000), "Plupload"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const disposition = "--X\r\nContent-Disposition: form-data; name="
			body := fmt.Sprintf(disposition+"%q\r\n\r\n%s\r\n"+disposition+"%q; filename=%q\r\n\r\nx\r\n--X--\r\n",
				test.field, test.value, "file", "a.png")
			_, err := newForm(strings.NewReader(body), "X").nextFile()
			checkRefused(t, err, test.want)
		})
	}
}
