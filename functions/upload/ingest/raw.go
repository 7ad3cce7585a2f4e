package ingest

import (
	"errors"
	"mime"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

// uploadRaw accepts an image that is the whole body.
func (in *Ingest) uploadRaw(w http.ResponseWriter, r *http.Request, began time.Time, key, mediaType string) error {
	filename := rawFilename(r)
	from, err := body.New(w, r, in.settings.MaxBytes)
	if err != nil {
		return err
	}
	candidate := accept.Candidate{Body: from, Size: from.Size(), Filename: filename}
	image, err := in.Acceptor.AcceptUpload(r.Context(), key, 0, candidate)
	if err != nil {
		return noFile(err, mediaType)
	}
	duration, err := in.Durations.First(r.Context(), began, key, image.ImageID)
	if err != nil {
		return err
	}
	answerUploaded(w, duration, image.ImageID)
	return nil
}

// rawFilename is the filename in ?filename= or in Content-Disposition.
func rawFilename(r *http.Request) string {
	if name := r.URL.Query().Get("filename"); name != "" {
		return name
	}
	_, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Disposition"))
	return parameters["filename"]
}

// noFile is the answer to a body that was not meant as an image: it is empty, or it is a form without files.
func noFile(err error, mediaType string) error {
	isForm := mediaType == "application/x-www-form-urlencoded"
	var refused *apierror.Error
	if errors.Is(err, accept.ErrEmpty) ||
		isForm && errors.As(err, &refused) && refused.Code == apierror.CodeNotAnImage {
		return errNoFile
	}
	return err
}

// errNoFile is the original system's answer.
var errNoFile = &apierror.Error{Status: http.StatusBadRequest, Code: apierror.CodeNoFile, Message: "No file provided"}
