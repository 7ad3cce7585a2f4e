package connect

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// A role is a provider of credentials.
type role struct {
	value   credentials.Value
	err     error
	expired bool
	asked   int
}

func (r *role) Retrieve() (credentials.Value, error) { return r.RetrieveWithCredContext(nil) }

func (r *role) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	r.asked++
	return r.value, r.err
}

func (r *role) IsExpired() bool { return r.expired }

func keyOf(name string, end time.Time) credentials.Value {
	return credentials.Value{AccessKeyID: name, SecretAccessKey: "secret", Expiration: end}
}

// Credentials that cannot be renewed are used until they expire, and are not asked for with every request.
func TestAWSRenewal(t *testing.T) {
	t.Parallel()
	r := &role{value: keyOf("first", time.Now().Add(time.Hour)), expired: true}
	keys := &awsKeys{Provider: r}
	found := credentials.New(keys)
	mustGet := func(want string, asked int) {
		t.Helper()
		got, err := found.GetWithContext(nil)
		if err != nil || got.AccessKeyID != want || r.asked != asked {
			t.Fatalf("got key %q and error %v after %d requests, want %q after %d", got.AccessKeyID, err, r.asked, want, asked)
		}
	}
	mustGet("first", 1)
	r.err = errors.New("the token service is down")
	mustGet("first", 2)
	mustGet("first", 2)
	keys.retry = time.Time{}
	mustGet("first", 3)
	keys.retry, r.err, r.value = time.Time{}, nil, keyOf("second", time.Now().Add(time.Hour))
	mustGet("second", 4)
	keys.last.Expiration, r.err = time.Now(), errors.New("the token service is down")
	if got, err := found.GetWithContext(nil); err == nil {
		t.Errorf("got %q after it expired, want an error", got.AccessKeyID)
	}
}

func TestAWSNone(t *testing.T) {
	t.Parallel()
	_, err := credentials.New(&awsKeys{Provider: &role{}}).GetWithContext(nil)
	if err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without credentials, got error %v, want what is expected", err)
	}
}
