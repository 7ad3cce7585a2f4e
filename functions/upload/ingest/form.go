package ingest

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

const (
	// The field for images, as in the original system. fileFields has the names that clients make of it.
	fileField = "file"
	// RFC 2046, section 5.1.1, allows 70 bytes; some clients make longer ones.
	maxBoundary = 256

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

// fileFields are the names of fields for images: that of the original system, and what upload libraries make of it for
// several files: files, file[], file[0]. A file in a field without a name counts as well.
var fileFields = lazyregexp.New(`^files?(\[[0-9]*\])?$`)

// boundaryOf returns the boundary in the Content-Type of a form. isForm is false for a body that is not multipart.
func boundaryOf(contentType string) (boundary string, isForm bool, err error) {
	mediaType, parameters := splitHeader(contentType)
	if !strings.HasPrefix(mediaType, "multipart/") {
		return "", false, nil
	}
	refused := apierror.Error{Status: http.StatusBadRequest, Code: apierror.CodeBadForm, Found: shorten(contentType)}
	boundary, found := parameters["boundary"]
	switch {
	case mediaType != "multipart/form-data":
		refused.Message = fmt.Sprintf("The Content-Type is %.80q, expected multipart/form-data", mediaType)
	case !found || boundary == "":
		refused.Message = fmt.Sprintf("The Content-Type %q has no boundary, expected multipart/form-data; boundary=... "+
			"(let the HTTP client set it: it knows the boundary)", shorten(contentType))
	case len(boundary) > maxBoundary:
		refused.Message = fmt.Sprintf("The boundary %q in the Content-Type is too long", shorten(boundary))
		refused.Limit, refused.Found = maxBoundary, len(boundary)
	default:
		return boundary, true, nil
	}
	return "", true, &refused
}

// shorten makes what a client sent fit for a message.
func shorten(text string) string { return fmt.Sprintf("%.80s", strings.ToValidUTF8(text, "_")) }

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
			return nil, form.noFile()
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
	candidate := accept.Candidate{Owner: owner, Grant: auth.GrantFrom(ctx), Body: file, Size: -1, Filename: file.name}
	image, err := in.Acceptor.AcceptUpload(ctx, key, index, candidate)
	if err != nil {
		return "", err
	}
	return image.ImageID, nil
}

// A form reads multipart/form-data as it arrives.
type form struct {
	reader   *multipart.Reader
	boundary string
	framing  *framing
	parts    int
	other    *string // field of the first file that was ignored
	isBase64 bool    // the content of the current file
}

func newForm(from io.Reader, boundary string) *form {
	framing := &framing{from: bufio.NewReaderSize(from, readBuffer)}
	return &form{reader: multipart.NewReader(framing, boundary), boundary: boundary, framing: framing}
}

// A formFile is an image in a form, read as it arrives. Its errors are an apierror.Error.
type formFile struct {
	name string
	form *form
	from io.Reader
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
			return formFile{}, f.malformed(err)
		}
		if f.parts++; f.parts > maxParts {
			return formFile{}, &apierror.Error{
				Status:  http.StatusRequestEntityTooLarge,
				Code:    apierror.CodeTooManyFields,
				Message: "There are too many fields in the form",
				Limit:   maxParts,
			}
		}
		field := readField(part.Header)
		if !field.isFile {
			if err := checkCount(field.name, part); err != nil {
				return formFile{}, f.malformed(err)
			}
			continue
		}
		if field.name != "" && !fileFields.MatchString(field.name) {
			if err := f.ignore(field.name, part); err != nil {
				return formFile{}, err
			}
			continue
		}
		if field.filename == "" && field.isNamed {
			return formFile{}, errNotNamed
		}
		f.framing.end()
		return formFile{name: field.filename, form: f, from: f.decode(part)}, nil
	}
}

// ignore skips a file in another field, of any size.
func (f *form) ignore(name string, part io.Reader) error {
	f.framing.end()
	if f.other == nil {
		f.other = &name
	}
	if _, err := io.Copy(io.Discard, part); err != nil {
		return f.malformed(err)
	}
	return nil
}

// A field is what the headers of a part say about it.
type field struct {
	name     string
	filename string
	isNamed  bool // has a filename, perhaps an empty one, which is a file input that was left empty
	isFile   bool
}

// browserEscapes are all that browsers escape in the names of fields and files
// (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data). They leave a % as it
// is, so a name that has one of these itself cannot be told from one that was escaped.
var browserEscapes = strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n")

// readField reads the headers of a part. A field is a file if it has a filename, or if its content type says so: some
// clients leave the filename out. Any other field is text.
func readField(header textproto.MIMEHeader) (f field) {
	_, parameters := splitHeader(header.Get("Content-Disposition"))
	for _, name := range []string{"name", "filename"} {
		if value, found := parameters[name]; found {
			parameters[name] = browserEscapes.Replace(value)
		}
	}
	f.name = parameters["name"]
	f.filename, f.isNamed = filenameIn(parameters)
	mediaType, _ := splitHeader(header.Get("Content-Type"))
	isBinary := strings.HasPrefix(mediaType, "image/") || mediaType == "application/octet-stream"
	f.isFile = f.isNamed || isBinary
	return f
}

// decode returns the content of a part. Mail libraries send it in base64, which RFC 7578, section 4.7, deprecates. (The
// multipart reader decodes quoted-printable.)
func (f *form) decode(part *multipart.Part) io.Reader {
	f.isBase64 = strings.EqualFold(strings.TrimSpace(part.Header.Get("Content-Transfer-Encoding")), "base64")
	if f.isBase64 {
		return base64.NewDecoder(base64.StdEncoding, part)
	}
	return part
}

func (f formFile) Read(p []byte) (int, error) {
	n, err := f.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.form.malformed(err)
	}
	return n, err
}

// noFile is the original system's answer to a form without a file. If there is one in another field, it names it.
func (f *form) noFile() error {
	if f.other == nil {
		return errNoFile
	}
	refused := *errNoFile
	refused.Message += fmt.Sprintf("; the field %q is not %q", shorten(*f.other), fileField)
	refused.Limit, refused.Found = fileField, shorten(*f.other)
	return &refused
}

// malformed is the answer to a form that cannot be read further: the error of the body below, or one of the form
// itself.
func (f *form) malformed(err error) error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return known
	}
	refused := &apierror.Error{Status: http.StatusBadRequest, Code: apierror.CodeBadForm}
	var notBase64 base64.CorruptInputError
	boundary, isEnd := shorten(f.boundary), errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case errors.As(err, &notBase64):
		refused.Message = "The Content-Transfer-Encoding of a file in the form is base64, but its content is not"
	case isEnd && f.isBase64:
		refused.Message = "The form, or the base64 of a file in it, ends too early"
	case isEnd && f.parts == 0:
		refused.Message = fmt.Sprintf("The body has no line with the boundary %q of the Content-Type", boundary)
	case isEnd:
		refused.Message = fmt.Sprintf("The form ends too early: it has no last line with the boundary %q", boundary)
	default:
		refused.Message = "The form is not well-formed multipart/form-data"
	}
	return refused
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
