package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// An sts is the token service of AWS.
type sts struct {
	hangs    bool // until the client gives up
	status   int  // 0 for 200
	key      string
	lifetime time.Duration
	asked    int
}

func (s *sts) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	if s.hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	text := fmt.Sprintf("<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"+
		"<AssumeRoleWithWebIdentityResult><Credentials>"+
		"<AccessKeyId>%s</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><Expiration>%s</Expiration>"+
		"</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
		s.key, time.Now().Add(s.lifetime).UTC().Format(time.RFC3339Nano))
	status := http.StatusOK
	if s.status != 0 {
		status, text = s.status, ""
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// asRole has the process be one of a service account with a role of IAM.
func asRole(t *testing.T) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("of the service account"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_REGION": "eu-central-1",
		"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/images",
	} {
		t.Setenv(name, value)
	}
}

// A user asks for credentials.
type user struct {
	t     *testing.T
	found *credentials.Credentials
}

// mustGet asks for credentials and checks the key, "" for an error, and how long it took.
func (u user) mustGet(key string, within time.Duration) {
	u.t.Helper()
	began := time.Now()
	got, err := u.found.GetWithContext(&credentials.CredContext{Context: u.t.Context()})
	if took := time.Since(began); (err == nil) != (key != "") || got.AccessKeyID != key || took != within {
		u.t.Fatalf("got key %q and error %v after %v, want %q after %v", got.AccessKeyID, err, took, key, within)
	}
	synctest.Wait() // for a try that goes on, unless it hangs
}

// While the token service hangs, the first request waits and the others fail at once, although tries go on. Soon after
// it works again, requests have credentials.
func TestAWSHangs(t *testing.T) {
	asRole(t)
	synctest.Test(t, func(t *testing.T) {
		server := &sts{hangs: true, key: "first", lifetime: time.Hour}
		u := user{t, awsCredentials(&http.Client{Transport: server, Timeout: 5 * time.Second})}
		u.mustGet("", 5*time.Second)
		for range 1200 {
			u.mustGet("", 0)
			time.Sleep(50 * time.Millisecond)
		}
		if server.asked < 10 || server.asked > 13 { // each try takes 5 s, and the next one begins 1 s later
			t.Errorf("%d requests to the token service in 65 s, want one in 6 s", server.asked)
		}
		server.hangs = false
		time.Sleep(5*time.Second + awsFailurePause) // for the try that hangs
		u.mustGet("", 0)                            // begins the next one
		u.mustGet("first", 0)
	})
}

func TestAWSRefuses(t *testing.T) {
	asRole(t)
	synctest.Test(t, func(t *testing.T) {
		server := &sts{status: http.StatusForbidden, key: "first", lifetime: time.Hour}
		u := user{t, awsCredentials(&http.Client{Transport: server, Timeout: 5 * time.Second})}
		for range 100 {
			u.mustGet("", 0)
		}
		if server.asked != 1 {
			t.Errorf("%d requests to the token service at once, want 1", server.asked)
		}
		server.status = 0
		time.Sleep(awsFailurePause)
		u.mustGet("", 0) // begins the try
		u.mustGet("first", 0)

		// A failure of long ago says nothing: the next request waits for a try.
		server.status = http.StatusForbidden
		time.Sleep(2 * time.Hour)
		u.mustGet("", 0)
		server.status, server.key = 0, "second"
		time.Sleep(time.Minute)
		u.mustGet("second", 0)
	})
}

// Credentials that cannot be renewed are used until they expire; no request waits for the token service before that.
func TestAWSRenewal(t *testing.T) {
	asRole(t)
	synctest.Test(t, func(t *testing.T) {
		server := &sts{key: "first", lifetime: time.Hour}
		u := user{t, awsCredentials(&http.Client{Transport: server, Timeout: 5 * time.Second})}
		u.mustGet("first", 0)
		time.Sleep(49 * time.Minute)
		server.hangs = true
		for range 10 {
			u.mustGet("first", 0)
			time.Sleep(time.Minute)
		}
		if server.asked != 11 {
			t.Errorf("%d requests to the token service, want 1 and one for each minute", server.asked)
		}
		time.Sleep(time.Minute)
		u.mustGet("", 5*time.Second)
		server.hangs, server.key = false, "second"
		time.Sleep(awsFailurePause)
		u.mustGet("", 0)
		u.mustGet("second", 0)
		time.Sleep(49 * time.Minute)
		server.key = "third"
		u.mustGet("second", 0)
		u.mustGet("third", 0)
	})
}

// A caller that leaves ends its own wait, not the try.
func TestAWSCallerLeaves(t *testing.T) {
	asRole(t)
	synctest.Test(t, func(t *testing.T) {
		server := &sts{hangs: true, key: "first", lifetime: time.Hour}
		u := user{t, awsCredentials(&http.Client{Transport: server, Timeout: 5 * time.Second})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := u.found.GetWithContext(&credentials.CredContext{Context: ctx})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want that of the caller", err)
		}
		u.mustGet("", 4*time.Second)
	})
}

// nobody is a provider without credentials.
type nobody struct{}

func (nobody) Retrieve() (credentials.Value, error) { return credentials.Value{}, nil }

func (nobody) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return credentials.Value{}, nil
}

func (nobody) IsExpired() bool { return true }

func TestAWSNone(t *testing.T) {
	t.Parallel()
	_, err := credentials.New(&awsKeys{Provider: nobody{}, timeout: time.Minute}).GetWithContext(nil)
	if err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("without credentials, got error %v, want what is expected", err)
	}
}

// Credentials of the environment do not expire.
func TestAWSEnvironment(t *testing.T) {
	asRole(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	synctest.Test(t, func(t *testing.T) {
		u := user{t, AWSCredentials(time.Second)}
		u.mustGet("key", 0)
		time.Sleep(100 * time.Hour)
		u.mustGet("key", 0)
	})
}
