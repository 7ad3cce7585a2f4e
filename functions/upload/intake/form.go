package intake

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

const (
	// The field of a form that holds images; the original system's.
	fileField = "file"

	// A form may have this many images and, with them, other fields.
	maxImages = 32
	maxParts  = 128
	// What comes between the images (headers of a part, fields that are not images) may be this long in one piece.
	maxFraming = 64 << 10
	// net/http reads in pieces as large as it is asked for, and the multipart reader asks for 4 KB.
	readBuffer = 64 << 10
)

// The original system's answers.
var (
	problemNoFile   = &apierror.Error{Status: http.StatusBadRequest, Code: apierror.CodeNoFile, Message: "No file provided"}
	problemNotNamed = &apierror.Error{Status: http.StatusBadRequest, Code: apierror.CodeNoFileSelected, Message: "No file selected"}
)

// uploadForm takes the images of a form in their order and stops at the first that can not be taken: what has been taken
// stays so, and what comes after it is not read. Only if nothing was taken the request as a whole has failed.
func (in *intake) uploadForm(w http.ResponseWriter, r *http.Request, began time.Time, key, boundary string) error {
	from, err := body.New(w, r, in.settings.maxBytes+framingBytes)
	if err != nil {
		return err
	}
	images, err := in.takeFiles(r, key, newForm(from, boundary))
	if err != nil {
		return err
	}
	duration, err := in.took(r.Context(), began, key, images[0].ImageID)
	if err != nil {
		return err
	}
	answerForm(w, duration, images)
	return nil
}

// takeFiles returns what became of the images, the last of which may have a Problem. The error is that of the first one,
// or says that there was none.
func (in *intake) takeFiles(r *http.Request, key string, form *form) (images []taken, err error) {
	for {
		image, err := in.takeNext(r, key, form, len(images))
		switch {
		case err == io.EOF && len(images) > 0:
			return images, nil
		case err == io.EOF:
			return nil, problemNoFile
		case err != nil && len(images) == 0:
			return nil, err
		case err != nil:
			image.Error = in.ReportError(r, err)
			in.refused.WithLabelValues(image.Error.Code).Inc()
			return append(images, image), nil
		}
		images = append(images, image)
	}
}

// takeNext takes the next image of a form; io.EOF after the last.
func (in *intake) takeNext(r *http.Request, key string, form *form, before int) (taken, error) {
	file, err := form.nextFile()
	if err != nil {
		return taken{}, err
	}
	if before == maxImages {
		return taken{Filename: file.name}, &apierror.Error{
			Status:  http.StatusRequestEntityTooLarge,
			Code:    apierror.CodeTooManyImages,
			Message: "There are too many images in one request",
			Limit:   maxImages,
		}
	}
	image, err := in.take(r.Context(), offer{imageID: keyedID(ownerOf(r.Context()), key, before), from: file, size: -1, filename: file.name})
	if err != nil {
		return taken{Filename: file.name}, err
	}
	return taken{Filename: file.name, ImageID: image.ImageID}, nil
}

func answerForm(w http.ResponseWriter, duration string, images []taken) {
	first, last := images[0], images[len(images)-1]
	switch {
	case last.Error != nil:
		some := uploaded{"Some images were not uploaded", first.ImageID, duration}
		httpserver.WriteJSON(w, http.StatusMultiStatus, uploadedSeveral{some, images})
	case len(images) > 1:
		all := uploaded{"Images uploaded successfully", first.ImageID, duration}
		httpserver.WriteJSON(w, http.StatusOK, uploadedSeveral{all, images})
	default:
		httpserver.WriteJSON(w, http.StatusOK, uploaded{"Image uploaded successfully", first.ImageID, duration})
	}
}

// A form reads multipart/form-data as it comes.
type form struct {
	reader  *multipart.Reader
	framing *framing
	parts   int
}

func newForm(from io.Reader, boundary string) *form {
	framing := &framing{from: bufio.NewReaderSize(from, readBuffer)}
	return &form{reader: multipart.NewReader(framing, boundary), framing: framing}
}

// formFile is an image in a form, read as it comes. Its errors are Problems.
type formFile struct {
	name string
	part *multipart.Part
}

// nextFile goes on to the next image; io.EOF after the last.
func (f *form) nextFile() (formFile, error) {
	for {
		f.framing.begin()
		part, err := f.reader.NextPart()
		if err == io.EOF {
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
		if part.FormName() != fileField { // another file, of any size, that nobody asked for
			f.framing.end()
			if _, err := io.Copy(io.Discard, part); err != nil {
				return formFile{}, badForm(err)
			}
			continue
		}
		if name == "" {
			return formFile{}, problemNotNamed
		}
		f.framing.end()
		return formFile{name: name, part: part}, nil
	}
}

// filenameOf is what the caller calls the file, path and all. A field without the parameter is text and no file; one
// with an empty name is a file input that was left empty.
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
	if err != nil && err != io.EOF {
		err = badForm(err)
	}
	return n, err
}

// badForm is what is wrong with a form that can not be read on: a Problem of the body below, or of the form itself.
func badForm(err error) error {
	var known *apierror.Error
	if errors.As(err, &known) {
		return known
	}
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeBadForm,
		Message: "The form is not well-formed multipart/form-data, or it ended before it was whole",
	}
}

// framing bounds what the multipart reader reads of anything but images, because it holds that in memory.
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
			Message: "A field of the form that is no image is too large",
			Limit:   maxFraming,
		}
	}
	n, err := f.from.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}
