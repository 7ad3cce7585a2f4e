package apierror

import (
	"net/http"
	"slices"

	"gitlab.com/yourorg/image-service/events"
)

// The codes of errors. They are part of the contract: clients tell errors apart by them. Codes declares what each
// means.
const (
	CodeBadBody              = "bad_body"
	CodeBadForm              = "bad_form"
	CodeBadIdempotencyKey    = "bad_idempotency_key"
	CodeBadQuery             = "bad_query"
	CodeBeyondTheEnd         = "beyond_the_end"
	CodeBusy                 = "busy"
	CodeDamaged              = string(events.ReasonDamaged)
	CodeFieldTooLarge        = "field_too_large"
	CodeForbidden            = "forbidden"
	CodeGrantExpired         = "grant_expired"
	CodeGrantInvalid         = "grant_invalid"
	CodeGrantUsedUp          = "grant_used_up"
	CodeIdempotencyKeyReused = "idempotency_key_reused"
	CodeImageDeleted         = "image_deleted"
	CodeImageNotFound        = "image_not_found"
	CodeIncompleteRequest    = "incomplete_request"
	CodeInternal             = "internal"
	CodeInvalidEvent         = "invalid_event"
	CodeListingOff           = "listing_off"
	CodeMethodNotAllowed     = "method_not_allowed"
	CodeNoFile               = "no_file"
	CodeNoFileSelected       = "no_file_selected"
	CodeNotAnImage           = string(events.ReasonNotAnImage)
	CodeNotFound             = "not_found"
	CodeNotMatched           = "not_matched"
	CodeNothingSigned        = "nothing_signed"
	CodeObjectNotFound       = "object_not_found"
	CodeObjectUnreadable     = "object_unreadable"
	CodeOutOfTurn            = "out_of_turn"
	CodeQuotaExceeded        = "quota_exceeded"
	CodeRateLimited          = "rate_limited"
	CodeSignatureExpired     = "signature_expired"
	CodeSignatureInvalid     = "signature_invalid"
	CodeStatusNotFound       = "status_not_found"
	CodeStoreUnfit           = "store_unfit"
	CodeThumbnailNotFound    = "thumbnail_not_found"
	CodeRenditionNotFound    = "rendition_not_found"
	CodeRenderAbandoned      = "render_abandoned"
	CodeTooManyBytes         = string(events.ReasonTooManyBytes)
	CodeTooManyFields        = "too_many_fields"
	CodeTooManyHeaders       = "too_many_headers"
	CodeTooManyImages        = "too_many_images"
	CodeTooManyPixels        = string(events.ReasonTooManyPixels)
	CodeTooSlow              = "too_slow"
	CodeTypeNotGranted       = "type_not_granted"
	CodeUnauthorized         = "unauthorized"
	CodeUnavailable          = "unavailable"
	CodeUnknownBucket        = "unknown_bucket"
	CodeUnsupported          = string(events.ReasonUnsupported)
	CodeUnsupportedCoding    = "unsupported_coding"
	CodeWebhookFailed        = "webhook_failed"
	CodeWebhookGone          = "webhook_gone"
	CodeWebhookUnknown       = "webhook_unknown"
)

// A Code declares one code.
type Code struct {
	// Code is what answers have in the field code.
	Code string
	// Statuses are the HTTP statuses that come with it.
	Statuses []int
	// Title says in a few words what is wrong, whatever the request was (RFC 9457, section 3.1.3).
	Title string
	// Meaning says when it is answered, and Action what the client should do then, in sentences.
	Meaning, Action string
}

// Lookup returns the declaration of a code.
func Lookup(code string) (Code, bool) {
	declared := Codes()
	i := slices.IndexFunc(declared, func(c Code) bool { return c.Code == code })
	if i < 0 {
		return Code{}, false
	}
	return declared[i], true
}

// Codes declares every code that an answer can have, by status. Those of a request come before those of an image.
func Codes() []Code {
	return slices.Concat(requestCodes, imageCodes, deadLetterCodes, webhookCodes, serverCodes)
}

const (
	repair = "Correct the request; the same one fails again."
	// failedBefore ends the meaning of a code that a repeated event gets with 422: see package idempotency.
	failedBefore = " 422 answers an event at `/upload` whose image was recorded as failed before."
	wait         = "Send the same request again after the number of seconds in `Retry-After`."
)

// Codes of requests that are wrong in themselves.
var requestCodes = []Code{
	{CodeBadBody, []int{http.StatusBadRequest}, "Malformed body",
		"The body is not the JSON object that the route takes, or a value in it is impossible; `limit` has what is allowed.",
		repair},
	{CodeBadForm, []int{http.StatusBadRequest}, "Malformed form",
		"The body is not well-formed multipart/form-data, or ends before it is complete, or the `Content-Type` has not " +
			"the boundary that the body has.", repair},
	{CodeBadIdempotencyKey, []int{http.StatusBadRequest}, "Malformed Idempotency-Key",
		"There is more than one `Idempotency-Key`, or it is not 1 to 255 printable ASCII characters.",
		"Use a random key, such as a UUID."},
	{CodeBadQuery, []int{http.StatusBadRequest}, "Bad query",
		"A query parameter is missing, has an impossible value, or does not exist; `limit` may list those that do.",
		repair},
	{CodeIncompleteRequest, []int{http.StatusBadRequest}, "Incomplete request",
		"The connection ended before the body was complete; or the request has only a part of an image, and `found` is " +
			"what says so.",
		"Send the request again, with the same `Idempotency-Key` if it had one, and the image in one piece."},
	{CodeInvalidEvent, []int{http.StatusBadRequest}, "Invalid event",
		"The body is not a CloudEvent that the function accepts, or its data is not what its type requires.", repair},
	{CodeNoFile, []int{http.StatusBadRequest}, "No file",
		"The form has no file in a field `file`, `files`, `file[]` or `files[]`. `found` is the field of another file.",
		repair},
	{CodeNoFileSelected, []int{http.StatusBadRequest}, "No file selected",
		"The field `file` of the form has no file name: no file was chosen in the browser.", repair},
	{CodeUnknownBucket, []int{http.StatusBadRequest}, "Unknown bucket",
		"The event names an object in a bucket that the function does not read.",
		"Use a bucket in `SOURCE_BUCKETS`, or have the operator add it there."},
	{CodeUnauthorized, []int{http.StatusUnauthorized}, "Unauthorized",
		"There is no API key and no token, or it is not valid. The answer does not say why.",
		"Send a valid one as `Authorization: Bearer`, or an API key as `X-Api-Key`."},
	{CodeForbidden, []int{http.StatusForbidden}, "Forbidden",
		"A client other than an administrator asked for a sweep, an event was sent with an upload grant, a page of another " +
			"web site asked for dead letters, or a client to delete an image where `ALLOW_DELETE` does not let it.",
		"Do not repeat the request."},
	{CodeQuotaExceeded, []int{http.StatusForbidden}, "Quota exceeded",
		"The client has as many images, or bytes of them, as `QUOTA_IMAGES` or `QUOTA_BYTES` allows, which is `limit`. " +
			"`found` is what it has, including uploads in progress.",
		"Delete images, or have the operator raise the quota."},
	{CodeGrantExpired, []int{http.StatusForbidden}, "Grant expired",
		"The upload grant was for a time that is over.", "Get a new grant from where you got it: `POST /grants` makes it."},
	{CodeGrantInvalid, []int{http.StatusForbidden}, "Grant not valid",
		"The upload grant was changed, its key or its client is no longer valid, there are other credentials beside it, or " +
			"the service has no signing keys.",
		"Send one grant as it is, and no other credentials."},
	{CodeGrantUsedUp, []int{http.StatusForbidden}, "Grant used up",
		"As many images as the grant allows, which is `limit`, were uploaded with it, or are being uploaded.",
		"Get a new grant. Uploads that fail do not count."},
	{CodeSignatureExpired, []int{http.StatusForbidden}, "Signed URL expired",
		"The URL was signed for a time that is over, at `found` in Unix time.",
		"Get a new URL: the status of the image has it, and `POST /urls` makes it."},
	{CodeSignatureInvalid, []int{http.StatusForbidden}, "Signed URL not valid",
		"The signature is not that of this path and query, or of a key that is no longer in use.",
		"Use a signed URL as it is: without changing, adding or reordering anything."},
	{CodeNotFound, []int{http.StatusNotFound}, "No such route",
		"The path does not exist.", "Correct the path."},
	{CodeNothingSigned, []int{http.StatusNotFound}, "Nothing is signed",
		"A signed URL or a grant was asked for, and the operator has configured no keys that sign them.",
		"Have the operator set `AUTH_SIGNING_KEYS_FILE`, or get images with a key."},
	{CodeStatusNotFound, []int{http.StatusNotFound}, "Status not found",
		"There is no image with this ID, or of this event, or it belongs to another client.",
		"Check the ID. An event in the Broker may need a moment: ask again."},
	{CodeImageNotFound, []int{http.StatusNotFound}, "Image not found",
		"There is no image with this ID, or it belongs to another client.", "Check the ID."},
	{CodeListingOff, []int{http.StatusNotFound}, "Images are not listed",
		"`LIST_IMAGES` does not allow anybody to list images, or the service has no authentication and does not list the " +
			"images of everybody.",
		"Keep the IDs of images, or have the operator change the setting."},
	{CodeNotMatched, []int{http.StatusPreconditionFailed}, "Precondition failed",
		"What was asked for has another `ETag` than the `If-Match` of the request, or was modified after its " +
			"`If-Unmodified-Since`.",
		"Get it again, and decide again."},
	{CodeImageDeleted, []int{http.StatusGone}, "Image deleted",
		"The image was deleted, on request or because of its age. The `Idempotency-Key`, or the event, of an upload that " +
			"brought it is answered so, too.",
		"Forget the image. To bring it back, upload it with another key, or as another event."},
	{CodeThumbnailNotFound, []int{http.StatusNotFound}, "Thumbnail not found",
		"There is no image with this ID, it belongs to another client, or it has no thumbnail yet, or never will.",
		"Ask for the status of the image."},
	{CodeRenditionNotFound, []int{http.StatusNotFound}, "Rendition not found",
		"The image has no rendition of this name, or not yet. `limit` lists the names of the configuration if this one is " +
			"not among them. With `Retry-After`, the rendition is being made.",
		"Use a name of the configuration. Send the same request again after the number of seconds in `Retry-After`, or ask " +
			"for the status of the image."},
	{CodeObjectNotFound, []int{http.StatusNotFound}, "Object not found",
		"The object that an event at `/upload` names does not exist, or cannot, or its sender may not know that it does. " +
			"An event that Knative delivers does not get this answer: it gets 200, and waits in the service for the object.",
		"Send the event to `/upload` again once the object exists."},
	{CodeMethodNotAllowed, []int{http.StatusMethodNotAllowed}, "Method not allowed",
		"The path has no such method. `Allow` and `limit` list those that it has.", repair},
	{CodeTooSlow, []int{http.StatusRequestTimeout}, "Request too slow",
		"The body came too slowly: it may keep the function waiting for 20 s, and every 16 KiB add a second.",
		"Send the request again over a better connection, with the same `Idempotency-Key` if it had one."},
	{CodeTooManyImages, []int{http.StatusRequestEntityTooLarge}, "Too many images",
		"The form has more images than `limit`.", "Send several requests."},
	{CodeTooManyFields, []int{http.StatusRequestEntityTooLarge}, "Too many fields",
		"The form has more fields than `limit`.", repair},
	{CodeFieldTooLarge, []int{http.StatusRequestEntityTooLarge}, "Field too large",
		"A field of the form that is not an image, or the headers of a part, has more bytes than `limit`.", repair},
	{CodeTypeNotGranted, []int{http.StatusUnsupportedMediaType}, "Type not granted",
		"The image has the content type `found`, and the grant allows only those in `limit`.",
		"Send an image of an allowed type, or get another grant."},
	{CodeUnsupportedCoding, []int{http.StatusUnsupportedMediaType}, "Unsupported content coding",
		"The body is compressed or coded otherwise: the request has a `Content-Encoding`, which is `found`.",
		"Send the body as it is, without `Content-Encoding`."},
	{CodeBeyondTheEnd, []int{http.StatusRequestedRangeNotSatisfiable}, "Range beyond the end",
		"The requested range begins after the last byte of the image. `limit` is the size of the image.", repair},
	{CodeObjectUnreadable, []int{http.StatusUnprocessableEntity}, "Object unreadable",
		"The store does not let the service read the object that an event at `/upload` names: it lacks the permission, the " +
			"object is encrypted with a key of its owner (SSE-C), or it is archived. An event that Knative delivers gets 200, " +
			"and waits in the service until the object can be read.",
		"Let the service read the object, or store an unencrypted copy, and send the event again."},
	{CodeIdempotencyKeyReused, []int{http.StatusUnprocessableEntity}, "Idempotency-Key reused",
		"Another image, or the same one under another file name, was uploaded with this `Idempotency-Key`.",
		"Use a new key for each upload."},
	{CodeRateLimited, []int{http.StatusTooManyRequests}, "Too many requests",
		"The client sent more requests than `RATE_LIMIT` allows. `limit` is how many it may send at once.", wait},
	{CodeTooManyHeaders, []int{http.StatusRequestHeaderFieldsTooLarge}, "Too many headers",
		"The request has more header lines than `limit`.", repair},
}

// Codes of images that can never have a thumbnail: the reasons of image.failed.
var imageCodes = []Code{
	{CodeNotAnImage, []int{http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity},
		"Not an image", "The content has none of the formats that are known, or the file is empty (400)." + failedBefore,
		"Send an image."},
	{CodeUnsupported, []int{http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}, "Unsupported image",
		"The content is an image of a format, or of a kind of it, that the service does not read." + failedBefore,
		"Convert the image to a supported format."},
	{CodeTooManyBytes, []int{http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity},
		"Image or request too large", "The image, or the request, has more bytes than `limit`." + failedBefore,
		"Send a smaller image, or fewer in one request."},
	{CodeTooManyPixels, []int{http.StatusUnprocessableEntity}, "Too many pixels",
		"The image has more pixels than `limit`, or takes more memory to decode. The message names the setting.",
		"Scale the image down."},
	{CodeDamaged, []int{http.StatusUnprocessableEntity}, "Damaged image",
		"The image is corrupt or truncated.", "Export the image again."},
}

// Codes that only the dead-letters function has.
var deadLetterCodes = []Code{
	{CodeOutOfTurn, []int{http.StatusConflict}, "Out of turn",
		"Hundreds of dead letters were redriven ahead of older ones, and no more can be remembered.",
		"Redrive the older ones first."},
}

// Codes that only the webhook function has.
var webhookCodes = []Code{
	{CodeWebhookUnknown, []int{http.StatusNotFound}, "Unknown webhook",
		"`WEBHOOK_ENDPOINTS_FILE` has no endpoint of this name. A pod may see a changed file two minutes later.",
		"Have the operator add the endpoint, or remove its Trigger."},
	{CodeWebhookGone, []int{http.StatusGone}, "Webhook gone",
		"The endpoint answered 410: it wants no more events.",
		"Have the operator remove the endpoint and its Trigger."},
	{CodeWebhookFailed, []int{http.StatusServiceUnavailable}, "Webhook failed",
		"The endpoint did not answer in time or with a 2xx, has an address that is not allowed, or is to be left alone for " +
			"now.", "Nothing, unless it lasts: the message says why."},
}

// Codes of faults that are not the client's.
var serverCodes = []Code{
	{CodeBusy, []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, "Busy",
		"The function is at one of its own limits.", wait},
	{CodeUnavailable, []int{http.StatusServiceUnavailable}, "Unavailable",
		"MinIO, Redis, Kafka or the issuer's keys cannot be reached. Seldom, the image is processed all the same.",
		wait},
	{CodeStoreUnfit, []int{http.StatusServiceUnavailable}, "Unfit object store",
		"The object store does not do what the service needs to keep images, such as to store one of two objects under " +
			"one key. `found` is what it lacks; `go run ./functions/upload/storecheck` says more.",
		"Report it. Send the same request again when the store has been replaced."},
	{CodeRenderAbandoned, []int{http.StatusUnprocessableEntity}, "Rendering was given up",
		"The image was begun several times and never ended, because its process was killed: six times for its first " +
			"renditions, three times within an hour for an `image.render`, for which a panic is enough. The event becomes " +
			"a dead letter. The image keeps its status, and what it has.",
		"Report it. Redrive the event once the cause is mended."},
	{CodeInternal, []int{http.StatusInternalServerError}, "Internal error",
		"A defect of the service, which has logged it.", "Report it, with the trace ID of the request if there is one."},
}
