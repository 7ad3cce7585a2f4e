package accept

import (
	"errors"
	"net/http"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/raster"
)

// ErrBusy is the answer when the memory for uploads is in use.
var ErrBusy = &apierror.Error{
	Status:     http.StatusServiceUnavailable,
	Code:       apierror.CodeBusy,
	Message:    "Too many uploads are in progress; try again",
	RetryAfter: 5 * time.Second,
}

// ErrEmpty is the answer to an image of no bytes.
var ErrEmpty = &apierror.Error{
	Status:  http.StatusBadRequest,
	Code:    apierror.CodeNotAnImage,
	Message: "The file is empty",
	Found:   0,
}

// ErrDeleted is the answer to a repetition of what brought an image that was deleted since.
var ErrDeleted = &apierror.Error{
	Status:  http.StatusGone,
	Code:    apierror.CodeImageDeleted,
	Message: "The image was deleted, and does not come back",
}

var errNoSize = &apierror.Error{
	Status:  http.StatusUnprocessableEntity,
	Code:    apierror.CodeDamaged,
	Message: "The first 5 MiB of the image do not contain its size",
}

var errSlowHeader = &apierror.Error{
	Status:  http.StatusRequestTimeout,
	Code:    apierror.CodeTooSlow,
	Message: "The header of the image takes too long to read (limit is in seconds)",
	Limit:   int64(probeTimeout / time.Second),
}

// ErrNotYet is wrapped by the error for an object that may become readable: one that does not exist, because its event
// may have overtaken it, and one that the service may not read until somebody grants it.
var ErrNotYet = errors.New("not there yet")

// objectNotFound is the answer to an event that names an object which does not exist, or which its sender may not know
// of.
func objectNotFound(object Object) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusNotFound,
		Code:    apierror.CodeObjectNotFound,
		Message: "The object that the event names does not exist",
		Found:   object.Bucket + "/" + object.Key,
	}
}

// impossibleObject is the answer to an event that names what the store takes for no key, so that nothing can appear.
func impossibleObject(object Object) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusNotFound,
		Code:    apierror.CodeObjectNotFound,
		Message: "The store allows no object of the name that the event has",
		Found:   object.Bucket + "/" + object.Key,
	}
}

// objectUnreadable is the answer to an event that names an object which the store does not let the service read.
func objectUnreadable(object Object) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusUnprocessableEntity,
		Code:    apierror.CodeObjectUnreadable,
		Message: "The store does not let the service read the object that the event names",
		Found:   object.Bucket + "/" + object.Key,
	}
}

func tooManyBytes(limit, found int64) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusRequestEntityTooLarge,
		Code:    apierror.CodeTooManyBytes,
		Message: "The image is too large",
		Limit:   limit,
		Found:   found,
	}
}

func typeNotGranted(allowed []string, found string) *apierror.Error {
	return &apierror.Error{
		Status:  http.StatusUnsupportedMediaType,
		Code:    apierror.CodeTypeNotGranted,
		Message: "The grant does not allow images of this type",
		Limit:   allowed,
		Found:   found,
	}
}

// refusal turns the error for an image that can never be processed into an answer. Other errors stay as they are.
func refusal(err error) error {
	if errors.Is(err, imagestore.ErrPeekLimit) {
		return errNoSize
	}
	var refused *raster.Error
	if !errors.As(err, &refused) {
		return err
	}
	code := http.StatusUnprocessableEntity
	switch refused.Reason {
	case raster.ReasonNotAnImage, raster.ReasonUnsupported:
		code = http.StatusUnsupportedMediaType
	}
	return &apierror.Error{
		Status:  code,
		Code:    string(refused.Reason),
		Message: refused.Message,
		Limit:   refused.Limit,
		Found:   refused.Found,
	}
}
