package connect

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/lazyregexp"
)

// mechanismMSK is the mechanism of Amazon MSK: OAUTHBEARER with a token that the service makes itself, a URL signed
// with its AWS credentials, as github.com/aws/aws-msk-iam-sasl-signer-go does.
const mechanismMSK = "AWS_MSK_IAM"

var awsRegion = config.Text{Name: "AWS_REGION",
	Form: config.Form{Expected: "a region of AWS, such as eu-central-1", Valid: regionName.MatchString},
	Doc: "Region of Amazon MSK, for the mechanism `AWS_MSK_IAM`. On EKS, IAM roles for service accounts and EKS Pod " +
		"Identity set it, as well as the variables that lead to the credentials of the role."}

var regionName = lazyregexp.New(`^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$`)

// mskLifetime is how long a signed URL is valid; MSK allows no more.
const mskLifetime = 15 * time.Minute

// emptyHash is the SHA-256 of the request's empty body.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// readMSK reads the region, which EKS sets in pods that do not use MSK, too.
func readMSK(r *config.Reader) *tokens {
	if saslMechanism.Lookup(r) != mechanismMSK {
		r = r.Unchecked()
	}
	m := &msk{region: awsRegion.Read(r), credentials: AWSCredentials(kafkaTimeout)}
	return &tokens{fetch: m.fetch}
}

// msk signs tokens for Amazon MSK.
type msk struct {
	region      string
	credentials *credentials.Credentials
}

func (m *msk) fetch(ctx context.Context) (bearer, error) {
	found, err := m.credentials.GetWithContext(&credentials.CredContext{Context: ctx})
	if err != nil {
		return bearer{}, err
	}
	now := time.Now()
	token, err := m.sign(ctx, found, now)
	if err != nil {
		return bearer{}, fmt.Errorf("sign a token for Amazon MSK: %w", err)
	}
	end := now.Add(mskLifetime)
	if expiry := found.Expiration; !expiry.IsZero() && expiry.Before(end) {
		end = expiry
	}
	return newBearer(token, now, end), nil
}

// sign returns the token: a presigned request to connect, in base64.
func (m *msk) sign(ctx context.Context, with credentials.Value, at time.Time) (string, error) {
	query := url.Values{
		"Action":        {"kafka-cluster:Connect"},
		"X-Amz-Expires": {strconv.Itoa(int(mskLifetime.Seconds()))},
	}
	endpoint := "https://kafka." + m.region + ".amazonaws.com/?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return "", err
	}
	keys := aws.Credentials{
		AccessKeyID: with.AccessKeyID, SecretAccessKey: with.SecretAccessKey, SessionToken: with.SessionToken,
	}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, keys, request, emptyHash, "kafka-cluster", m.region, at.UTC())
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString([]byte(signed + "&User-Agent=image-service")), nil
}
