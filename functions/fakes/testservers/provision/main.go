// Command provision gives the users of a test's MinIO and Kafka the permissions that knative/components/storage-tls
// gives them in production, for every name with the prefixes there: a test's bucket is images-<something>.
//
//	go run ./functions/fakes/testservers/provision knative/components/storage-tls
//
// It logs in as the environment says and creates the user of MinIO, whose name is in CI_MINIO_ACCESS_KEY. The users of
// Kafka exist already.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := realMain(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "provision:", err)
		os.Exit(1)
	}
}

func realMain(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("expected one argument, the directory with minio-policy.json and kafka-users.yaml")
	}
	directory := arguments[0]
	if err := provisionMinIO(filepath.Join(directory, "minio-policy.json")); err != nil {
		return fmt.Errorf("provision MinIO: %w", err)
	}
	if err := provisionKafka(filepath.Join(directory, "kafka-users.yaml")); err != nil {
		return fmt.Errorf("provision Kafka: %w", err)
	}
	return nil
}
