package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/minio/minio-go/v7/pkg/signer"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// provisionMinIO creates the user by an import, the one request of MinIO's admin API whose body is not encrypted.
func provisionMinIO(policy string) error {
	text, err := os.ReadFile(policy)
	if err != nil {
		return err
	}
	prefixed := strings.NewReplacer(
		`:::images"`, `:::images*"`, `:::images/`, `:::images*/`,
		`:::scans"`, `:::scans*"`, `:::scans/`, `:::scans*/`,
	).Replace(string(text))
	const name = "image-service"
	user, login := os.Getenv("CI_MINIO_ACCESS_KEY"), map[string]string{
		"secretKey": os.Getenv("MINIO_SECRET_KEY"), "status": "enabled",
	}
	archive, err := pack(map[string]any{
		"policies.json":      map[string]any{name: json.RawMessage(prefixed)},
		"users.json":         map[string]any{user: login},
		"user_mappings.json": map[string]any{user: map[string]any{"version": 1, "policy": name}},
	})
	if err != nil {
		return err
	}
	return administer("import-iam", archive)
}

// pack returns a zip archive of MinIO's IAM assets.
func pack(assets map[string]any) ([]byte, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, content := range assets {
		file, err := w.Create("iam-assets/" + name)
		if err != nil {
			return nil, err
		}
		if err := json.NewEncoder(file).Encode(content); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	err := w.Close()
	return archive.Bytes(), err
}

func administer(command string, body []byte) error {
	dialer, err := connect.From(os.Getenv, connect.ReadMinIO)
	if err != nil {
		return err
	}
	url := os.Getenv("MINIO_ENDPOINT") + "/minio/admin/v3/" + command
	request, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	request.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	request = signer.SignV4(*request, os.Getenv("MINIO_ACCESS_KEY"), os.Getenv("MINIO_SECRET_KEY"), "", "us-east-1")
	client := &http.Client{Transport: &http.Transport{DialTLSContext: dialer.DialContext}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var outcome struct {
		Failed map[string]any `json:"failed"`
	}
	_ = json.Unmarshal(answer, &outcome) // an older MinIO has an empty response
	if response.StatusCode != http.StatusOK || len(outcome.Failed) > 0 {
		return fmt.Errorf("%s answered %s: %s", command, response.Status, answer)
	}
	return nil
}
