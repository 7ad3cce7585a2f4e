package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// AWSCredentials returns the credentials of AWS: those of AWS_ACCESS_KEY_ID, or of AWS_SHARED_CREDENTIALS_FILE, and
// otherwise of the role of the pod, by a web identity token (IRSA), EKS Pod Identity or ECS, or of the machine
// (IMDSv2). Those of a role are renewed before they expire; trying to get them takes at most the timeout. After a
// failure, requests fail at once until a later try has succeeded.
func AWSCredentials(timeout time.Duration) *credentials.Credentials {
	// Not that of the client which uses the credentials: it may trust another authority, or have a circuit breaker.
	return awsCredentials(&http.Client{Timeout: timeout})
}

func awsCredentials(client *http.Client) *credentials.Credentials {
	var provider credentials.Provider = &credentials.IAM{Client: client}
	switch {
	case os.Getenv("AWS_ACCESS_KEY_ID") != "":
		provider = &credentials.EnvAWS{}
	case os.Getenv("AWS_SHARED_CREDENTIALS_FILE") != "":
		provider = &credentials.FileAWSCredentials{}
	}
	return credentials.New(&awsKeys{Provider: provider, timeout: client.Timeout})
}

const (
	awsRenewalPause = 10 * time.Second // between tries to renew credentials that are still valid
	awsFailurePause = time.Second      // between tries to get credentials while none are valid
)

// awsKeys are the credentials of a provider, which are replaced before they expire, and used until then if they cannot
// be. Calls are under the lock of credentials.Credentials, which every request of a client takes: so all tries but the
// first go on beside the requests, which have the credentials that are still valid, or the failure of the last try.
type awsKeys struct {
	credentials.Provider
	timeout time.Duration // of one try

	last    credentials.Value
	err     error       // of the last try
	failed  time.Time   // when it ended with err
	retry   time.Time   // another try begins no sooner
	pending chan awsTry // of the try that goes on, nil between two
}

// An awsTry is what a try brought.
type awsTry struct {
	value credentials.Value
	err   error
	ended time.Time
}

// RetrieveWithCredContext implements credentials.Provider.
func (k *awsKeys) RetrieveWithCredContext(caller *credentials.CredContext) (credentials.Value, error) {
	k.collect()
	if k.pending == nil && k.IsExpired() {
		k.pending = k.begin()
	}
	if k.pending != nil && !k.valid() && !k.failedLately() {
		if err := k.await(caller); err != nil {
			return credentials.Value{}, fmt.Errorf("get credentials of AWS: %w", err)
		}
	}
	if k.err != nil && !k.valid() {
		return credentials.Value{}, fmt.Errorf("get credentials of AWS: %w", k.err)
	}
	return k.last, nil
}

// IsExpired implements credentials.Provider. While a try goes on, it has the Provider to itself.
func (k *awsKeys) IsExpired() bool {
	return k.pending != nil || !time.Now().Before(k.retry) && k.Provider.IsExpired()
}

// begin begins a try, which goes on when its caller leaves.
func (k *awsKeys) begin() chan awsTry {
	pending := make(chan awsTry, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), k.timeout)
		defer cancel()
		value, err := k.Provider.RetrieveWithCredContext(&credentials.CredContext{Context: ctx})
		pending <- awsTry{value, err, time.Now()}
	}()
	return pending
}

// collect records the result of a try that has ended.
func (k *awsKeys) collect() {
	select {
	case result := <-k.pending:
		k.record(result)
	default:
	}
}

// await records the result of the try that goes on, unless the caller leaves before.
func (k *awsKeys) await(caller *credentials.CredContext) error {
	ctx := context.Background()
	if caller != nil && caller.Context != nil {
		ctx = caller.Context
	}
	select {
	case result := <-k.pending:
		k.record(result)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (k *awsKeys) valid() bool { return time.Now().Before(k.last.Expiration) }

// failedLately reports whether the last try failed so lately that the next one, if it hangs, may still go on.
func (k *awsKeys) failedLately() bool {
	return k.err != nil && time.Since(k.failed) < k.timeout+2*awsFailurePause
}

// record keeps the result of a try. Empty credentials are a failure, because minio-go would send requests that are not
// signed.
func (k *awsKeys) record(try awsTry) {
	k.pending, k.err = nil, try.err
	if try.err == nil && (try.value.AccessKeyID == "" || try.value.SecretAccessKey == "") {
		k.err = errors.New("found none; expected a role of the pod, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or " +
			"AWS_SHARED_CREDENTIALS_FILE")
	}
	switch {
	case k.err == nil:
		k.last, k.retry = try.value, time.Time{}
	case k.valid():
		k.failed, k.retry = try.ended, earlier(try.ended.Add(awsRenewalPause), k.last.Expiration)
	default:
		k.failed, k.retry = try.ended, try.ended.Add(awsFailurePause)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
