package ingest

import (
	"net/http"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/jsonhttp"
)

// uploaded is the answer for one image; the fields are the original system's.
type uploaded struct {
	Message  string `json:"message"`
	ImageID  string `json:"image_id"`
	Duration string `json:"duration"`
}

// uploadedSeveral is the answer for several images in one form. ImageID is that of the first.
type uploadedSeveral struct {
	uploaded
	Images []outcome `json:"images"`
}

// An outcome is what became of one image of a request: it has an ID or an error.
type outcome struct {
	Filename string `json:"filename"`
	ImageID  string `json:"image_id,omitempty"`
	*apierror.Error
}

// answerUploaded answers with what became of the images, at least one. The last one may be refused.
func answerUploaded(w http.ResponseWriter, duration string, images []outcome) {
	first, last := images[0], images[len(images)-1]
	switch {
	case last.Error != nil:
		some := uploaded{"Some images were not uploaded", first.ImageID, duration}
		jsonhttp.Write(w, http.StatusMultiStatus, uploadedSeveral{some, images})
	case len(images) > 1:
		all := uploaded{"Images uploaded successfully", first.ImageID, duration}
		jsonhttp.Write(w, http.StatusOK, uploadedSeveral{all, images})
	default:
		jsonhttp.Write(w, http.StatusOK, uploaded{"Image uploaded successfully", first.ImageID, duration})
	}
}
