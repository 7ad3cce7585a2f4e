// Command provision gives the users of a test's MinIO and Kafka the permissions that knative/components/storage-tls
// gives them in production, for every name with the prefixes there: a test's bucket is images-<something>.
//
//	go run ./functions/fakes/testservers/provision knative/components/storage-tls
//
// It logs in as the environment says and creates the user of MinIO, whose name is in CI_MINIO_ACCESS_KEY. The users of
// Kafka exist already.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gitlab.com/yourorg/image-service/functions/cli"
)

var program = cli.Program{
	Command: "go run ./functions/fakes/testservers/provision",
	Summary: "Gives the users of a test's MinIO and Kafka the permissions that they have in production, for every name " +
		"with the prefixes there. It logs in as MINIO_* and KAFKA_* say, creates the MinIO user CI_MINIO_ACCESS_KEY, and " +
		"expects the Kafka users to exist.",
	Examples: []string{
		"go run ./functions/fakes/testservers/provision knative/components/storage-tls",
	},
}

func main() { cli.Exit("provision", realMain(os.Args[1:], os.Stdout)) }

func realMain(arguments []string, out io.Writer) error {
	var flags struct {
		Directory string `arg:"" help:"Directory with minio-policy.json and kafka-users.yaml."`
	}
	if err := program.Parse(&flags, arguments, out); err != nil {
		return err
	}
	if err := provisionMinIO(filepath.Join(flags.Directory, "minio-policy.json")); err != nil {
		return fmt.Errorf("provision MinIO: %w", err)
	}
	if err := provisionKafka(filepath.Join(flags.Directory, "kafka-users.yaml")); err != nil {
		return fmt.Errorf("provision Kafka: %w", err)
	}
	return nil
}
