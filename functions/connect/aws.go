package connect

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// AWSCredentials returns the credentials of AWS: those of AWS_ACCESS_KEY_ID, or of AWS_SHARED_CREDENTIALS_FILE, and
// otherwise of the role of the pod, by a web identity token (IRSA), EKS Pod Identity or ECS, or of the machine
// (IMDSv2). Those of a role are renewed before they expire; a request for them takes at most the timeout.
func AWSCredentials(timeout time.Duration) *credentials.Credentials {
	// Not that of the client which uses the credentials: it may trust another authority, or have a circuit breaker.
	client := &http.Client{Timeout: timeout}
	var provider credentials.Provider = &credentials.IAM{Client: client}
	switch {
	case os.Getenv("AWS_ACCESS_KEY_ID") != "":
		provider = &credentials.EnvAWS{}
	case os.Getenv("AWS_SHARED_CREDENTIALS_FILE") != "":
		provider = &credentials.FileAWSCredentials{}
	}
	return credentials.New(&awsKeys{Provider: provider})
}

// awsPause is how long credentials that could not be renewed are used before another try.
const awsPause = 10 * time.Second

// awsKeys are the credentials of a provider, which are replaced before they expire, and used until then if they cannot
// be. Empty ones are an error, because minio-go would send requests that are not signed. Calls are under the lock of
// credentials.Credentials.
type awsKeys struct {
	credentials.Provider
	last  credentials.Value
	retry time.Time // the time of another try, unless it is zero
}

// RetrieveWithCredContext implements credentials.Provider.
func (k *awsKeys) RetrieveWithCredContext(context *credentials.CredContext) (credentials.Value, error) {
	value, err := k.Provider.RetrieveWithCredContext(context)
	if err == nil && (value.AccessKeyID == "" || value.SecretAccessKey == "") {
		err = errors.New("found none; expected a role of the pod, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or " +
			"AWS_SHARED_CREDENTIALS_FILE")
	}
	now := time.Now()
	if err != nil && now.Before(k.last.Expiration) {
		k.retry = now.Add(min(awsPause, k.last.Expiration.Sub(now)))
		return k.last, nil
	}
	if err != nil {
		return credentials.Value{}, fmt.Errorf("get credentials of AWS: %w", err)
	}
	k.last, k.retry = value, time.Time{}
	return value, nil
}

// IsExpired implements credentials.Provider.
func (k *awsKeys) IsExpired() bool { return !time.Now().Before(k.retry) && k.Provider.IsExpired() }
