package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// JSON reads the body of a request, one JSON object of at most limit bytes, into a value. A member that the value does
// not have is refused: one that is ignored looks to its sender as if it worked. example is such an object, for the
// error, which is an apierror.Error.
func JSON(w http.ResponseWriter, r *http.Request, limit int64, into any, example string) error {
	if err := CheckCoding(w, r); err != nil {
		return err
	}
	b, err := New(w, r, limit)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(b)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(into)
	if err == nil {
		_, after := decoder.Token()
		if errors.Is(after, io.EOF) {
			return nil
		}
		err = errors.New("there is more after the object")
	}
	return &apierror.Error{
		Status:  http.StatusBadRequest,
		Code:    apierror.CodeBadBody,
		Message: fmt.Sprintf("The body is not JSON such as %s: %.200s", example, err),
	}
}
