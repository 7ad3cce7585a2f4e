package ingest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

const (
	// The field for images, as in the original system.
	fileField = "file"

	// A form may have maxImages images, and maxParts fields in all.
	maxImages = 32
	maxParts  = 128
	// What is between two images (part headers, fields that are not images) may have this many bytes.
	maxFraming = 64 << 10
	// What surrounds the images of a form may have this many bytes in all.
	framingBytes = 1 << 20
	// The multipart reader asks for 4 KB at a time, and net/http reads what it is asked for.
	readBuffer = 64 << 10
)

// errNotNamed is the original system's answer to a file input that was left empty.
var errNotNamed = &apierror.Error{
	Status:  http.StatusBadRequest,
	Code:    apierror.CodeNoFileSelected,
	Message: "No file selected",
}

// acceptForm accepts the images of a form in their order, and stops at the first that is refused: those before it stay
// accepted, and those after it are not read. It returns an error if no image was accepted.
func (in *Ingest) acceptForm(r *http.Request, form *form, owner, key string) (images []outcome, err error) {
	for {
		file, err := form.nextFile()
		if errors.Is(err, io.EOF) && len(images) > 0 {
			return images, nil
		}
		if errors.Is(err, io.EOF) {
			return nil, errNoFile
		}
		image := outcome{Filename: file.name}
		if err == nil {
			image.ImageID, err = in.acceptFile(r.Context(), file, owner, key, len(images))
		}
		if err != nil && len(images) == 0 {
			return nil, err
		}
		if err != nil {
			image.Error = in.Process.ReportError(r, err)
			in.refused.WithLabelValues(image.Error.Code).Inc()
			return append(images, image), nil
		}
		images = append(images, image)
	}
}

// acceptFile accepts the image at an index in a form.
func (in *Ingest) acceptFile(
	ctx context.Context, file formFile, owner, key string, index int,
) (imageID string, err error) {
	if index == maxImages {
		return "", &apierror.Error{
			Status:  http.StatusRequestEntityTooLarge,
			Code:    apierror.CodeTooManyImages,
			Message: "There are too many images in one request",
			Limit:   maxImages,
		}
	}
	candidate := accept.Candidate{Owner: owner, Body: file, Size: -1, Filename: file.name}
	image, err := in.Acceptor.AcceptUpload(ctx, key, index, candidate)
	if err != nil {
		return "", err
	}
	return image.ImageID, nil
}

// A form reads multipart/form-data as it arrives.
type form struct {
	reader  *multipart.Reader
	framing *framing
	parts   int
}

func newForm(from io.Reader, boundary string) *form {
	framing := &framing{from: bufio.NewReaderSize(from, readBuffer)}
	return &form{reader: multipart.NewReader(framing, boundary), framing: framing}
}

// A formFile is an image in a form, read as it arrives. Its errors are an apierror.Error.
type formFile struct {
	name string
	part *multipart.Part
}

// nextFile returns the next image; io.EOF after the last.
func (f *form) nextFile() (formFile, error) {
	for {
		f.framing.begin()
		part, err := f.reader.NextPart()
		if errors.Is(err, io.EOF) && errors.Unwrap(err) == nil { // a form that ends too early gives a wrapped io.EOF
			return formFile{}, io.EOF
		}
		if err != nil {
			return formFile{}, badForm(err)
		}
		if f.parts++; f.parts > maxParts {
			return formFile{}, &apierror.Error{
				Status:  http.StatusRequestEntityTooLarge,
				Code:    apierror.CodeTooManyFields,
				Message: "There are too many fields in the form",
				Limit:   maxParts,
			}
		}
		name, isFile := filenameOf(part)
		if !isFile {
			continue
		}
		if part.FormName() != fileField { // another file, of any size, which is ignored
			f.framing.end()
			if _, err := io.Copy(io.Discard, part); err != nil {
				return formFile{}, badForm(err)
			}
			continue
		}
		if name == "" {
			return formFile{}, errNotNamed
		}
		f.framing.end()
		return formFile{name: name, part: part}, nil
	}
}

// filenameOf is the caller's name for a file, path and all. A field without a filename is text; one with an empty
// filename is a file input that was left empty.
func filenameOf(part *multipart.Part) (name string, isFile bool) {
	_, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil {
		return "", false
	}
	name, isFile = parameters["filename"]
	return strings.ToValidUTF8(name, "_"), isFile
}

func (f formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = badForm(err)
	}
	return n, err
}

// badForm is the answer to a form that cannot be read further: the error of the body below, or one of the form itself.
func badForm(err error) error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return known
	}
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeBadForm,
		Message: "The form is not well-formed multipart/form-data, or it ends too early",
	}
}

// framing bounds everything in a form but images, because the multipart reader holds it in memory.
type framing struct {
	from    io.Reader
	left    int
	bounded bool
}

func (f *framing) begin() { f.left, f.bounded = maxFraming, true }
func (f *framing) end()   { f.bounded = false }

func (f *framing) Read(p []byte) (int, error) {
	if !f.bounded {
		return f.from.Read(p)
	}
	if f.left == 0 {
		return 0, &apierror.Error{
			Status:  http.StatusRequestEntityTooLarge,
			Code:    apierror.CodeFieldTooLarge,
			Message: "A field of the form that is not an image is too large",
			Limit:   maxFraming,
		}
	}
	n, err := f.from.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}
