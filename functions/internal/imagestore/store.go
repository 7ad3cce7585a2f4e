// Package imagestore keeps images in MinIO, or any other S3. MinIO is the truth of the service: what is stored under
// <image id>/ says by itself what became of an image (see Set), and all else can be rebuilt from it.
//
// Nothing is held in memory whole: bodies of known size go straight through, others in parts of 5 MiB whose memory all
// uploads share (see Incoming).
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
	// ErrNotFound is wrapped where an object or its bucket is not there.
	ErrNotFound = errors.New("object not found")
	// ErrExists is wrapped where an object is there already that was to be new.
	ErrExists = errors.New("object exists already")
)

const (
	dialTimeout = 2 * time.Second
	// How long MinIO may take to answer what needs no body, with all attempts, before it counts as away.
	askTimeout = 5 * time.Second
	// The same for a body of 5 MiB at most.
	putTimeout = 10 * time.Second
	// And for any body, from its last byte on: MinIO answers once all of it is on its disks.
	answerTimeout = 10 * time.Second
	// Requests with a body that can be read again are tried this often in all, some 100 ms apart.
	attempts = 3
	// Connections that stay open between requests; a function serves some dozens of requests at a time.
	idleConnections = 128
)

// Settings say where the objects are.
type Settings struct {
	Endpoint             string          // host:port
	TLS                  *connect.Dialer // nil for plain TCP
	AccessKey, SecretKey string
	Bucket               string
	Memory               int64 // that bodies which wait to be whole may take in all, in bytes
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

// Credentials.
var (
	accessKey = config.Text{Name: "MINIO_ACCESS_KEY", Required: true, Secret: true,
		Form: config.Form{Expected: "an access key of MinIO"},
		Doc:  "Access key of MinIO."}
	secretKey = config.Text{Name: "MINIO_SECRET_KEY", Required: true, Secret: true,
		Form: config.Form{Expected: "the secret key of the access key"},
		Doc:  "Secret key of the access key."}
)

// ReadSettings reads MINIO_*. MINIO_ENDPOINT is host:port, as in the original system, or an https:// URL for TLS.
func ReadSettings(r *config.Reader) Settings {
	return Settings{
		Endpoint:  connect.MinIOAddress(connect.MinIOEndpoint.Read(r)),
		AccessKey: accessKey.Read(r),
		SecretKey: secretKey.Read(r),
		TLS:       connect.ReadMinIO(r),
		Bucket:    BucketSetting.Read(r),
	}
}

// A Store is the bucket of the service, and what else its credentials can read. Its methods are safe for use by
// several goroutines. Their errors wrap ErrNotFound or ErrExists, or are faults that may pass.
type Store struct {
	client *minio.Core
	bucket string
	memory *pool

	made  atomic.Bool // whether the bucket has been seen
	check singleflight.Group
}

// Open makes no connection: a function starts, and stays up, without MinIO.
func Open(settings Settings) (*Store, error) {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ResponseHeaderTimeout: answerTimeout,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       time.Minute,
		WriteBufferSize:       64 << 10, // an image in few system calls
		ReadBufferSize:        64 << 10,
		DisableCompression:    true, // images are compressed, and the bytes are to come out as they went in
	}
	if settings.TLS != nil {
		transport.DialTLSContext = settings.TLS.DialContext
	}
	client, err := minio.NewCore(settings.Endpoint, &minio.Options{
		Creds:      credentials.NewStaticV4(settings.AccessKey, settings.SecretKey, ""),
		Secure:     settings.TLS != nil,
		MaxRetries: attempts,
		Transport:  &silence{next: transport},
	})
	if err != nil {
		return nil, fmt.Errorf("open store at %q: %w", settings.Endpoint, err)
	}
	return &Store{client: client, bucket: settings.Bucket, memory: newPool(settings.Memory)}, nil
}

// Bucket is the name of the service's own bucket.
func (s *Store) Bucket() string { return s.bucket }

// Check asks whether the bucket is there and makes it if it is missing.
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	there, err := s.client.BucketExists(ctx, s.bucket)
	if err != nil {
		return fmt.Errorf("look for bucket %q: %w", s.bucket, err)
	}
	if there {
		return nil
	}
	err = s.client.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{})
	switch minio.ToErrorResponse(err).Code {
	case "BucketAlreadyOwnedByYou", "BucketAlreadyExists": // another process was quicker
		return nil
	}
	if err != nil {
		return fmt.Errorf("make bucket %q: %w", s.bucket, err)
	}
	return nil
}

// ensureBucket is Check until it once succeeded, one for all who wait for it. It is asked before the first object is put
// and not at the start, so that neither a cold start nor a MinIO that is away delays a function.
func (s *Store) ensureBucket(ctx context.Context) error {
	if s.made.Load() {
		return nil
	}
	checked := s.check.DoChan("", func() (any, error) {
		err := s.Check(context.WithoutCancel(ctx)) // the others wait for it, too
		s.made.Store(err == nil)
		return nil, err
	})
	select {
	case check := <-checked:
		return check.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// About is what is stored beside the bytes of an object.
type Attributes struct {
	ContentType string
	// Metadata are names and values of printable ASCII.
	Metadata map[string]string
}

func (a Attributes) putOptions() minio.PutObjectOptions {
	options := minio.PutObjectOptions{
		ContentType:      a.ContentType,
		UserMetadata:     a.Metadata,
		DisableMultipart: true, // Incoming decides on parts, in memory that it can bound
	}
	options.SetMatchETagExcept("*") // never replace: see Put
	return options
}

// Put stores bytes under a key that is free; ErrExists if it is not. Nothing that was stored is ever replaced, so that
// two deliveries of an event, however they interleave, leave one result.
func (s *Store) Put(ctx context.Context, key string, b []byte, about Attributes) error {
	return s.putWhole(ctx, key, contentOf(b), about)
}

// content is in memory, so that its hash is known before it is sent, which costs less than the chunked signatures of a
// stream, and so that the client can send it again.
type content struct {
	*io.SectionReader
	sha256 string // in hexadecimal
}

func contentOf(b []byte) content {
	sum := sha256.Sum256(b)
	return content{io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), hex.EncodeToString(sum[:])}
}

func (s *Store) putWhole(ctx context.Context, key string, content content, about Attributes) error {
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	if err := s.ensureBucket(ctx); err != nil {
		return err
	}
	options := about.putOptions()
	options.DisableContentSha256 = true // of chunks
	_, err := s.client.PutObject(ctx, s.bucket, key, content, content.Size(), "", content.sha256, options)
	return s.explainPut(err, key)
}

// putStream stores a body of known size that passes by.
func (s *Store) putStream(ctx context.Context, key string, body io.Reader, size int64, about Attributes) error {
	if err := s.ensureBucket(ctx); err != nil {
		return err
	}
	_, err := s.client.Client.PutObject(ctx, s.bucket, key, body, size, about.putOptions())
	return s.explainPut(err, key)
}

// Remove deletes an object of the service's bucket. That it was not there is no error.
func (s *Store) Remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.explain(s.client.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}), "remove", s.bucket, key)
}

// explain says what was attempted and makes the errors that callers decide on their own. A 404 without the id that S3 gives
// every request is not from S3, but from a proxy that has lost it.
func (s *Store) explain(err error, verb, bucket, key string) error {
	if err == nil {
		return nil
	}
	if response := minio.ToErrorResponse(err); response.StatusCode == http.StatusNotFound && response.RequestID != "" {
		return fmt.Errorf("%s object %q in %q: %w", verb, key, bucket, ErrNotFound)
	}
	return fmt.Errorf("%s object %q in %q: %w", verb, key, bucket, err)
}

// explainPut is explain for a put. That the bucket is gone is a fault that passes there: the next put makes it again.
func (s *Store) explainPut(err error, key string) error {
	switch response := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case response.StatusCode == http.StatusPreconditionFailed:
		return fmt.Errorf("put object %q in %q: %w", key, s.bucket, ErrExists)
	case response.Code == minio.NoSuchBucket:
		s.made.Store(false) // it was deleted while we ran
	}
	return fmt.Errorf("put object %q in %q: %w", key, s.bucket, err)
}
