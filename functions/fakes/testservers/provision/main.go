// Command grant gives the users of a test's MinIO and Kafka the rights that knative/components/storage-tls gives them in
// production, for all names that begin with those there: a test has a bucket images-<something> of its own.
//
//	go run ./knative/local/standin/grant knative/components/storage-tls
//
// It logs in as the environment says, and makes the user of MinIO, whose name is in CI_MINIO_ACCESS_KEY. Those of Kafka are
// there already.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := realMain(); err != nil {
		fmt.Fprintln(os.Stderr, "grant:", err)
		os.Exit(1)
	}
}

func realMain() error {
	if len(os.Args) != 2 {
		return errors.New("expected the directory of the rights")
	}
	if err := grantMinIO(filepath.Join(os.Args[1], "minio-policy.json")); err != nil {
		return fmt.Errorf("grant rights in MinIO: %w", err)
	}
	if err := grantKafka(filepath.Join(os.Args[1], "kafka-users.yaml")); err != nil {
		return fmt.Errorf("grant rights in Kafka: %w", err)
	}
	return nil
}
