package imagestore_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
)

// With MINIO_CREDENTIALS=aws, requests are signed with the credentials of the pod's role, for the configured region;
// none is sent while there are no credentials.
func TestRoleOfPod(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
	} {
		t.Setenv(name, "")
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("of the service account"), 0o600); err != nil {
		t.Fatal(err)
	}
	var works atomic.Bool
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !works.Load() || r.Header.Get("Authorization") != "of the service account" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		end := time.Now().Add(time.Hour).Format(time.RFC3339)
		fmt.Fprintf(w, `{"AccessKeyId":"ROLE","SecretAccessKey":"secret","Token":"session","Expiration":%q}`, end)
	}))
	defer agent.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token)

	requests := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r }))
	defer server.Close()
	settings := map[string]string{
		"MINIO_ENDPOINT": server.URL, "MINIO_CREDENTIALS": "aws",
		"MINIO_REGION": "eu-central-1", "MINIO_BUCKET_LOOKUP": "path",
	}
	r := config.NewReader(func(name string) string { return settings[name] })
	store, err := imagestore.Open(imagestore.ReadSettings(r))
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	if err := store.Check(t.Context()); err == nil || len(requests) > 0 {
		t.Errorf("without credentials, Check() = %v after %d requests, want an error and none", err, len(requests))
	}
	works.Store(true)
	for store.Check(t.Context()) != nil { // for a second, the failure is remembered
		time.Sleep(10 * time.Millisecond)
	}
	got := <-requests
	scope := regexp.MustCompile(`Credential=ROLE/\d{8}/eu-central-1/s3/aws4_request,`)
	if !scope.MatchString(got.Header.Get("Authorization")) || got.Header.Get("X-Amz-Security-Token") != "session" ||
		got.URL.Path != "/images/" {
		t.Errorf("got %s with %v, want /images/ signed by the role for eu-central-1", got.URL, got.Header)
	}
}

func TestCredentialSettings(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"":                           "expected an access key of MinIO, unless MINIO_CREDENTIALS is aws",
		"MINIO_CREDENTIALS=aws":      "",
		"MINIO_CREDENTIALS=gcp":      `MINIO_CREDENTIALS is "gcp"; expected keys or aws`,
		"MINIO_BUCKET_LOOKUP=domain": `MINIO_BUCKET_LOOKUP is "domain"; expected auto, path or host`,
		"MINIO_CREDENTIALS=aws MINIO_ACCESS_KEY=a": "MINIO_CREDENTIALS is aws, and MINIO_ACCESS_KEY is set; expected " +
			"one of them: remove MINIO_ACCESS_KEY to use the credentials of AWS",
		"MINIO_CREDENTIALS=aws MINIO_SECRET_KEY=b": "MINIO_CREDENTIALS is aws, and MINIO_SECRET_KEY is set",
	} {
		settings := map[string]string{"MINIO_ENDPOINT": "store:9000"}
		for setting := range strings.FieldsSeq(set) {
			name, value, _ := strings.Cut(setting, "=")
			settings[name] = value
		}
		r := config.NewReader(func(name string) string { return settings[name] })
		imagestore.ReadSettings(r)
		if err := r.Err(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", set, err, want)
		}
	}
}
