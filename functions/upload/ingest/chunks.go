package ingest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// Upload libraries can send a file in parts, each in a request of its own, which would become an image each, or none.
// Such a request is refused, with the setting that the library needs. One that says that its part is the only one has a
// whole file.

// A chunker is a library that sends the number of parts of a file beside each part, in a field of a form or in the
// query.
type chunker struct{ count, library, remedy string }

var chunkers = []chunker{
	{"dztotalchunkcount", "Dropzone", "set chunking to false"},
	{"resumableTotalChunks", "Resumable.js", "set chunkSize to the size of the largest image"},
	{"flowTotalChunks", "Flow.js", "set chunkSize to the size of the largest image"},
	{"totalChunks", "simple-uploader.js", "set chunkSize to the size of the largest image"},
	{"chunks", "Plupload or WebUploader", "set chunk_size to 0, or chunked to false"},
	{"qqtotalparts", "Fine Uploader", "set chunking.enabled to false"},
	{"total-chunk", "Syncfusion's Uploader", "set asyncSettings.chunkSize to 0"},
}

// maxCount is the length of the longest number of parts that is read.
const maxCount = 10

// checkCount returns an error if a field says that the form has one of several parts of a file. It reads the beginning
// of the field.
func checkCount(name string, value io.Reader) error {
	i := slices.IndexFunc(chunkers, func(c chunker) bool { return c.count == name })
	if i < 0 {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(value, maxCount))
	if err != nil {
		return err
	}
	count, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if isPart := err == nil && count > 1; !isPart {
		return nil
	}
	c := chunkers[i]
	return errIsPart(fmt.Sprintf("the field %s of %s", c.count, c.library), c.remedy+", to "+sendWhole, name)
}

// checkParts returns an error if headers or query of a request say that its body is a part of a file.
func checkParts(r *http.Request) error {
	header := func(name string) string { return shorten(r.Header.Get(name)) }
	complete, incomplete := header("Upload-Complete"), header("Upload-Incomplete")
	switch {
	case header("Content-Range") != "": // RFC 9110, section 14.5
		return errIsPart("Content-Range", sendWhole, header("Content-Range"))
	case header("Tus-Resumable") != "": // https://tus.io/protocols/resumable-upload
		return errIsPart("tus", sendWhole+", in Uppy by the plugin XHRUpload", header("Tus-Resumable"))
	// https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/ and drafts before it. Apple's clients send the
	// header with a body that is whole, too, which they would go on with after a fault.
	case complete == "?0" || incomplete == "?1":
		return errIsPart("resumable upload", sendWhole, complete+incomplete)
	case header("Upload-Length") != "" && complete == "" && incomplete == "":
		return errIsPart("Upload-Length", sendWhole+", in FilePond by chunkUploads: false", header("Upload-Length"))
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what is not read is refused as unknown
	for _, c := range chunkers {
		if query.Has(c.count) {
			return errIsPart(fmt.Sprintf("the query parameter %s of %s", c.count, c.library),
				"use a library that sends each image whole, without such parameters", c.count)
		}
	}
	return nil
}

const sendWhole = "send each image whole, in one request"

// errIsPart is the answer to a part of a file.
func errIsPart(mark, remedy, found string) error {
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeIncompleteRequest,
		Message: fmt.Sprintf("The request has a part of a file (%s); %s", mark, remedy),
		Found:   found,
	}
}
