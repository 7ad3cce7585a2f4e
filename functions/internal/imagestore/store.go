// Package imagestore stores images in MinIO, or another S3. The objects under <image ID>/ determine the state of an
// image (see Objects), and everything else can be rebuilt from them.
//
// It guarantees that no object is ever replaced, but by Replace, that memory is bounded (bodies of known size are
// streamed, others are collected in parts of 5 MiB in memory that all uploads share), and that no call waits long for a
// MinIO that stops responding. It does not look into images, and does not decide what their states mean.
package imagestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"golang.org/x/sync/singleflight"
)

var (
	// ErrNotFound means that an object or its bucket does not exist.
	ErrNotFound = errors.New("object not found")
	// ErrImpossible wraps ErrNotFound: no object of the store can have such a key.
	ErrImpossible = fmt.Errorf("impossible key: %w", ErrNotFound)
	// ErrForbidden means that the store does not let the service read an object: its rights do not suffice, or it lacks
	// the key that the owner has encrypted the object with, or the object is archived.
	ErrForbidden = errors.New("the object must not be read")
	// ErrNoBucket wraps ErrNotFound. Nothing is known about the object: a bucket may be misspelled, or be restored.
	ErrNoBucket = fmt.Errorf("no such bucket: %w", ErrNotFound)
	// ErrExists means that the key of a new object is taken.
	ErrExists = errors.New("object exists already")
	// ErrChanged means that an object was replaced or removed meanwhile.
	ErrChanged = errors.New("the object has changed")
)

const (
	dialTimeout = 2 * time.Second
	// For requests without a body, with all attempts.
	requestTimeout = 5 * time.Second
	// For requests with a body of at most 5 MiB.
	putTimeout = 10 * time.Second
	// For the response after the last byte of any body: MinIO responds once all of it is on its disks.
	responseTimeout = 10 * time.Second
	// Requests whose body can be read again are attempted this often, about 100 ms apart.
	attempts = 3
	// Connections kept open between requests; a function serves dozens of requests at a time.
	idleConnections = 128
)

// Settings of the store.
type Settings struct {
	Endpoint             string          // host:port
	TLS                  *connect.Dialer // nil for plain TCP
	AccessKey, SecretKey string          // not with AWS
	AWS                  bool            // the credentials are those of AWS
	Region               string          // "" for that which the store says
	Lookup               minio.BucketLookupType
	Bucket               string
	Memory               int64 // bytes for the parts of all uploads together
}

// BucketForm is the form of the name of a bucket, by the rules of S3:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var BucketForm = config.Form{
	Expected: "the name of a bucket: 3 to 63 of a-z, 0-9, dot and hyphen",
	Valid:    func(name string) bool { return s3utils.CheckValidBucketNameStrict(name) == nil },
}

// BucketSetting names the service's own bucket.
var BucketSetting = config.Text{Name: "MINIO_BUCKET", Default: "images", Form: BucketForm,
	Doc: "Bucket that images and thumbnails are stored in. It is created if it does not exist."}

// Credentials, and how the store is addressed.
var (
	credentialsFrom = config.Text{Name: "MINIO_CREDENTIALS", Default: "keys",
		Form: config.Form{Expected: "keys or aws", Valid: func(text string) bool { return text == "keys" || text == aws }},
		Doc: "`keys` are `MINIO_ACCESS_KEY` and `MINIO_SECRET_KEY`. `aws` are those of AWS: `AWS_ACCESS_KEY_ID` and " +
			"`AWS_SECRET_ACCESS_KEY`, the file `AWS_SHARED_CREDENTIALS_FILE`, or else the role of the pod (IRSA, EKS Pod " +
			"Identity), which are renewed before they expire."}
	accessKey = config.Text{Name: "MINIO_ACCESS_KEY", Required: true, Unless: "MINIO_CREDENTIALS is aws", Secret: true,
		Form: config.Form{Expected: "an access key of MinIO"},
		Doc:  "Access key of MinIO."}
	secretKey = config.Text{Name: "MINIO_SECRET_KEY", Required: true, Unless: "MINIO_CREDENTIALS is aws", Secret: true,
		Form: config.Form{Expected: "the secret key of the access key"},
		Doc:  "Secret key of the access key."}
	region = config.Text{Name: "MINIO_REGION",
		Doc: "Region that requests are signed for, such as `eu-central-1`. None means that of an address of Amazon, and " +
			"otherwise that which the store says, which not every user may ask for."}
	lookup = config.Text{Name: "MINIO_BUCKET_LOOKUP", Default: "auto",
		Form: config.Form{Expected: "auto, path or host", Valid: isLookup},
		Doc: "Where the bucket is in URLs: `path` is `https://store/bucket/key`, `host` is `https://bucket.store/key`, " +
			"`auto` is `host` with Amazon S3 and `path` elsewhere."}
)

const aws = "aws"

var lookups = map[string]minio.BucketLookupType{
	"auto": minio.BucketLookupAuto, "path": minio.BucketLookupPath, "host": minio.BucketLookupDNS,
}

func isLookup(text string) bool {
	_, is := lookups[text]
	return is
}

// ReadSettings reads MINIO_*. MINIO_ENDPOINT is host:port, as in the original system, or an https:// URL for TLS.
func ReadSettings(r *config.Reader) Settings {
	isAWS, keys := credentialsFrom.Read(r) == aws, r
	if isAWS {
		keys = r.Unchecked()
		refuseKeys(r)
	}
	return Settings{
		Endpoint:  connect.MinIOAddress(connect.MinIOEndpoint.Read(r)),
		AWS:       isAWS,
		AccessKey: accessKey.Read(keys),
		SecretKey: secretKey.Read(keys),
		Region:    region.Read(r),
		Lookup:    lookups[lookup.Read(r)],
		TLS:       connect.ReadMinIO(r),
		Bucket:    BucketSetting.Read(r),
	}
}

// refuseKeys reports keys that MINIO_CREDENTIALS=aws would ignore.
func refuseKeys(r *config.Reader) {
	for _, key := range []config.Text{accessKey, secretKey} {
		if r.IsSet(key) {
			r.Fault("%s is aws, and %s is set; expected one of them: remove %[2]s to use the credentials of AWS",
				credentialsFrom, key)
		}
	}
}

func (s Settings) credentials() *credentials.Credentials {
	if s.AWS {
		return connect.AWSCredentials(requestTimeout)
	}
	return credentials.NewStaticV4(s.AccessKey, s.SecretKey, "")
}

// A Store is the bucket of the service, and read access to the other buckets of its credentials. It is safe for
// concurrent use. Errors wrap ErrNotFound or ErrExists where a method says so; all others are temporary.
type Store struct {
	client *minio.Core
	clock  *clock
	bucket string
	memory *pool

	ready atomic.Bool // whether the bucket exists
	check singleflight.Group
}

// Open returns a Store. It makes no connection: a function starts, and stays up, without MinIO.
func Open(settings Settings) (*Store, error) {
	transport := &http.Transport{
		DialContext:           dial((&net.Dialer{Timeout: dialTimeout}).DialContext).sending,
		ResponseHeaderTimeout: responseTimeout,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       time.Minute,
		ReadBufferSize:        64 << 10, // an image in few system calls; sendConn is for the other direction
		DisableCompression:    true,     // images are compressed, and their bytes must not change
	}
	if settings.TLS != nil {
		transport.DialTLSContext = dial(settings.TLS.DialContext).sending
	}
	clock := &clock{next: transport}
	client, err := minio.NewCore(settings.Endpoint, &minio.Options{
		Creds:        settings.credentials(),
		Secure:       settings.TLS != nil,
		Region:       settings.Region,
		BucketLookup: settings.Lookup,
		MaxRetries:   attempts,
		Transport:    turns{&breaker{next: clock}},
	})
	if err != nil {
		return nil, fmt.Errorf("open store at %q: %w", settings.Endpoint, err)
	}
	return &Store{
		client: client, clock: clock, bucket: settings.Bucket, memory: newPool(settings.Memory, settings.TLS == nil),
	}, nil
}

// Bucket returns the name of the service's own bucket.
func (s *Store) Bucket() string { return s.bucket }

// Check creates the bucket if it does not exist.
func (s *Store) Check(ctx context.Context) error {
	err := s.makeBucket(ctx)
	if err == nil {
		s.ready.Store(true)
	}
	return err
}

func (s *Store) makeBucket(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	exists, err := s.client.BucketExists(ctx, s.bucket)
	if err != nil {
		return fmt.Errorf("look for bucket %q: %w", s.bucket, err)
	}
	if exists {
		return nil
	}
	err = s.client.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{})
	switch minio.ToErrorResponse(err).Code {
	case "BucketAlreadyOwnedByYou", "BucketAlreadyExists": // by another process
		return nil
	}
	if err != nil {
		return fmt.Errorf("make bucket %q: %w", s.bucket, err)
	}
	return nil
}

// ensureBucket calls Check until it has succeeded once; concurrent callers share a call. It is called before the first
// object is stored; a start does not wait for it, so that a MinIO that is down delays no function.
func (s *Store) ensureBucket(ctx context.Context) error {
	if s.ready.Load() {
		return nil
	}
	checked := s.check.DoChan("", func() (any, error) {
		return nil, s.Check(context.WithoutCancel(ctx)) // others wait for it
	})
	select {
	case check := <-checked:
		return check.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Attributes are stored with the bytes of an object.
type Attributes struct {
	ContentType string
	// Metadata has names and values of printable ASCII.
	Metadata map[string]string
}

func (a Attributes) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType:      a.ContentType,
		UserMetadata:     a.Metadata,
		DisableMultipart: true, // Upload does it, in bounded memory
	}
}

// putOptions never replace an object: see Put.
func (a Attributes) putOptions() minio.PutObjectOptions {
	options := a.options()
	options.SetMatchETagExcept("*")
	return options
}

// Put stores an object. It fails with ErrExists if the key is taken: an object is never replaced, so that two
// deliveries of an event, however they interleave, leave one result.
func (s *Store) Put(ctx context.Context, key string, b []byte, attributes Attributes) error {
	return s.putWhole(ctx, key, s.contentOf(b), attributes)
}

// content is a body in memory. Its hash is known before it is sent, which costs less than the chunked signatures of a
// stream, and it can be sent again.
type content struct {
	*io.SectionReader
	sha256 string // in hexadecimal; "" over TLS, which protects the body itself
}

func (s *Store) contentOf(b []byte) content {
	c := content{SectionReader: io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))}
	if s.memory.hashed {
		sum := sha256.Sum256(b)
		c.sha256 = hex.EncodeToString(sum[:])
	}
	return c
}

func (s *Store) putWhole(ctx context.Context, key string, content content, attributes Attributes) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	if err := s.ensureBucket(ctx); err != nil {
		return err
	}
	err := s.retryConflict(ctx, key, func() error {
		return s.putContent(ctx, key, content, attributes.putOptions())
	})
	return s.wrapPut(err, key)
}

func (s *Store) putContent(ctx context.Context, key string, content content, options minio.PutObjectOptions) error {
	options.DisableContentSha256 = true // of chunks
	_, err := s.client.PutObject(ctx, s.bucket, key, content, content.Size(), "", content.sha256, options)
	return err
}

// Replace stores another object in the place of the one that info describes, as Stat has found it. It is for what can
// be made again: of two that replace one object, the first does, and for the other the error is ErrChanged, as it is if
// the object was removed. On a store that does not know the condition, the last one counts.
func (s *Store) Replace(ctx context.Context, info *Info, b []byte, attributes Attributes) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	options := attributes.options()
	options.SetMatchETag(info.ETag)
	err := s.putContent(ctx, info.Key, s.contentOf(b), options)
	response := minio.ToErrorResponse(err)
	if isTaken(response) || response.StatusCode == http.StatusNotFound && response.Code != minio.NoSuchBucket {
		return fmt.Errorf("replace object %q in %q: %w", info.Key, s.bucket, ErrChanged)
	}
	return s.wrap(err, "replace", s.bucket, info.Key)
}

// putStream stores a body of known size without collecting it in memory.
func (s *Store) putStream(ctx context.Context, key string, body io.Reader, size int64, attributes Attributes) error {
	if err := s.ensureBucket(ctx); err != nil {
		return err
	}
	_, err := s.client.Client.PutObject(ctx, s.bucket, key, body, size, attributes.putOptions())
	return s.wrapPut(err, key)
}

// Remove deletes an object of the service's bucket. It succeeds if there is no such object.
func (s *Store) Remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
	return s.wrap(err, "remove", s.bucket, key)
}

// wrap adds what was attempted to an error, and replaces a 404 by ErrNotFound or ErrNoBucket, and the refusal of a key
// by ErrImpossible. A 404 without the request ID of S3 is not from S3, but from a proxy that cannot reach it.
func (s *Store) wrap(err error, verb, bucket, key string) error {
	if err == nil {
		return nil
	}
	switch response := minio.ToErrorResponse(err); {
	case response.RequestID == "":
	case response.Code == minio.NoSuchBucket:
		return fmt.Errorf("%s object %q in %q: %w", verb, key, bucket, ErrNoBucket)
	case slices.Contains(impossibleKey, response.Code):
		return fmt.Errorf("%s object %q in %q: %w", verb, key, bucket, ErrImpossible)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s object %q in %q: %w", verb, key, bucket, ErrNotFound)
	case slices.Contains(forbidden, response.Code):
		return fmt.Errorf("%s object %q in %q: %w: %w", verb, key, bucket, ErrForbidden, err)
	}
	return fmt.Errorf("%s object %q in %q: %w", verb, key, bucket, err)
}

// impossibleKey are the codes of S3 and MinIO for a key that no object can have.
var impossibleKey = []string{"KeyTooLongError", minio.XMinioInvalidObjectName, "XMinioInvalidResourceName"}

// forbidden are the codes of S3 and MinIO for an object that they do not let this client read: of another owner,
// archived, or encrypted with a key of its owner (SSE-C, the only reason for which an object that is read is an invalid
// request).
var forbidden = []string{minio.AccessDenied, "InvalidObjectState", "InvalidRequest"}

// wrapPut is wrap for a put. A missing bucket is a temporary error there: the next put creates it.
func (s *Store) wrapPut(err error, key string) error {
	switch response := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case errors.Is(err, ErrExists):
	case isTaken(response):
		return fmt.Errorf("put object %q in %q: %w", key, s.bucket, ErrExists)
	case response.Code == minio.NoSuchBucket:
		s.ready.Store(false) // it was deleted meanwhile
	}
	return fmt.Errorf("put object %q in %q: %w", key, s.bucket, err)
}
