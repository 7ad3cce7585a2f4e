//go:build e2e

// Package e2e tries the service on a Kubernetes with Knative, real MinIO, Redis and Kafka, deployed by the commands that
// docs/operations/install.md gives:
//
//	go test -v -tags e2e -count=1 -timeout 60m ./knative/e2e
//
// It needs kubectl and ko, and in the environment
//
//   - KUBECONFIG: an administrator's. This machine has to reach the cluster's services and pods by their addresses;
//   - KO_DOCKER_REPO, KO_DEFAULTBASEIMAGE: a registry that the cluster pulls from, and a base image in it;
//   - MINIO_ENDPOINT with MINIO_ACCESS_KEY and MINIO_SECRET_KEY, REDIS_HOST with REDIS_PORT and REDIS_PASSWORD,
//     KAFKA_BOOTSTRAP_SERVERS; and POD_MINIO_ENDPOINT, POD_REDIS_HOST and POD_KAFKA_BOOTSTRAP_SERVERS where pods use
//     other addresses.
//
// It takes the namespace image-service, which must not be there, and removes all that it made. What needs cert-manager
// or Argo CD is tried where they are installed. Everything goes on in one order, as it does in the life of a
// deployment; -v shows how far it is and how long things took.
package e2e
