package intake

import (
	"errors"
	"mime"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/body"
	"gitlab.com/yourorg/image-service/functions/internal/cloudevent"
	"gitlab.com/yourorg/image-service/functions/internal/httpserver"
)

// What surrounds images in a form: boundaries, headers and other fields, in bytes.
const framingBytes = 1 << 20

// uploaded is the answer for one image; the fields are the original system's.
type uploaded struct {
	Message  string `json:"message"`
	ImageID  string `json:"image_id"`
	Duration string `json:"duration"`
}

// uploadedSeveral is the answer for several images in one form. ImageID is the first one's.
type uploadedSeveral struct {
	uploaded
	Images []taken `json:"images"`
}

// taken is what became of one image of several: it has an id, or a problem.
type taken struct {
	Filename string `json:"filename"`
	ImageID  string `json:"image_id,omitempty"`
	*apierror.Error
}

// upload is POST /upload. It takes a form, a CloudEvent, or an image as the whole body.
func (in *intake) upload(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	mediaType, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case cloudevent.IsEvent(r):
		image, err := in.receive(w, r)
		if err != nil {
			return err
		}
		return in.answerUploaded(w, r, began, "", image.ImageID) // an event has an id that is its key
	case mediaType == "multipart/form-data":
		return in.uploadForm(w, r, began, key, parameters["boundary"])
	default:
		return in.uploadRaw(w, r, began, key, mediaType)
	}
}

// uploadRaw takes an image as the whole body. What it is called may be said by ?filename= or by Content-Disposition.
func (in *intake) uploadRaw(w http.ResponseWriter, r *http.Request, began time.Time, key, mediaType string) error {
	from, err := body.New(w, r, in.settings.maxBytes)
	if err != nil {
		return err
	}
	imageID := keyedID(ownerOf(r.Context()), key, 0)
	image, err := in.take(r.Context(), offer{imageID: imageID, from: from, size: from.Size(), filename: rawFilename(r)})
	if err != nil {
		return noFile(err, mediaType)
	}
	return in.answerUploaded(w, r, began, key, image.ImageID)
}

// noFile is err, unless a body that is no image was not meant as one: there is none, or it is a form without files.
func noFile(err error, mediaType string) error {
	isForm := mediaType == "application/x-www-form-urlencoded"
	var refused *apierror.Error
	if err == problemEmpty || isForm && errors.As(err, &refused) && refused.Code == string(events.ReasonNotAnImage) {
		return problemNoFile
	}
	return err
}

func rawFilename(r *http.Request) string {
	if name := r.URL.Query().Get("filename"); name != "" {
		return name
	}
	_, parameters, _ := mime.ParseMediaType(r.Header.Get("Content-Disposition"))
	return parameters["filename"]
}

func (in *intake) answerUploaded(w http.ResponseWriter, r *http.Request, began time.Time, key, imageID string) error {
	duration, err := in.took(r.Context(), began, key, imageID)
	if err != nil {
		return err
	}
	httpserver.WriteJSON(w, http.StatusOK, uploaded{"Image uploaded successfully", imageID, duration})
	return nil
}
