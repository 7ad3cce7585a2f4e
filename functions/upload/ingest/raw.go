package ingest

import (
	"errors"
	"net/http"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/auth"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/upload/accept"
)

// acceptRaw accepts an image that is the whole body.
func (in *Ingest) acceptRaw(r *http.Request, from *body.Body, owner, key string) ([]outcome, error) {
	candidate := accept.Candidate{
		Owner: owner, Grant: auth.GrantFrom(r.Context()), Body: from, Size: from.Size(), Filename: rawFilename(r),
	}
	image, err := in.Acceptor.AcceptUpload(r.Context(), key, 0, candidate)
	if err != nil {
		return nil, noFile(err, r)
	}
	return []outcome{{ImageID: image.ImageID}}, nil
}

// rawFilename is the filename in ?filename= or in Content-Disposition.
func rawFilename(r *http.Request) string {
	if name := filenameInQuery(r.URL.RawQuery); name != "" {
		return name
	}
	_, parameters := splitHeader(r.Header.Get("Content-Disposition"))
	name, _ := filenameIn(parameters)
	return name
}

// noFile is the answer to a body that was not meant as an image: it is empty, or it is a form without files.
func noFile(err error, r *http.Request) error {
	mediaType, _ := splitHeader(r.Header.Get("Content-Type"))
	isForm := mediaType == "application/x-www-form-urlencoded"
	var refused *apierror.Error
	if errors.Is(err, accept.ErrEmpty) || isForm && errors.As(err, &refused) && refused.Code == apierror.CodeNotAnImage {
		return errNoFile
	}
	return err
}

// errNoFile is the original system's answer.
var errNoFile = &apierror.Error{Status: http.StatusBadRequest, Code: apierror.CodeNoFile, Message: "No file provided"}
