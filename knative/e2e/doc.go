//go:build e2e

// Package e2e tests the service on Kubernetes with Knative and real MinIO, Redis and Kafka servers, deployed by the
// commands in docs/operations/install.md:
//
//	go test -v -tags e2e -count=1 -timeout 60m ./knative/e2e
//
// It requires kubectl and ko, and in the environment
//
//   - KUBECONFIG of an administrator. This machine must reach the cluster's services and pods by their IP addresses;
//   - KO_DOCKER_REPO, KO_DEFAULTBASEIMAGE: a registry that the cluster pulls from, and a base image in it;
//   - MINIO_ENDPOINT with MINIO_ACCESS_KEY and MINIO_SECRET_KEY, REDIS_HOST with REDIS_PORT and REDIS_PASSWORD,
//     KAFKA_BOOTSTRAP_SERVERS; and POD_MINIO_ENDPOINT, POD_REDIS_HOST and POD_KAFKA_BOOTSTRAP_SERVERS where pods use
//     other addresses.
//
// With -args -names testdata/names.yaml, an overlay with other names is deployed, in another namespace. -components
// adds components to what is deployed. Those of knative/overlays/example for servers outside the cluster, with TLS,
// logins and the rights of each user, need servers that .ci/servers starts at an address that pods reach:
//
//	export CI_SERVERS_ADDRESS=10.89.0.1 CI_NOTIFICATIONS_TOPIC=pictures.notifications
//	export CI_SERVERS_NAMES=$(grep -o '[a-z.-]*svc.cluster.local' knative/e2e/testdata/names.yaml | paste -sd,)
//	.ci/servers start
//	. <(.ci/servers env)
//	go test -v -tags e2e -count=1 -timeout 60m ./knative/e2e -args -names testdata/names.yaml \
//	  -components network-policies,servers-outside,bucket-inbox,servers-tls
//
// The KafkaSource of the cluster gets a listener without TLS and login there, and pods request little of the CPU. The
// last chapter then deploys knative/overlays/example.
//
// It creates the namespace image-service, which must not exist, and removes everything that it created. Tests that
// need cert-manager or Argo CD run where these are installed. The subtests run in the order of a deployment's life
// and depend on each other; -v shows progress and durations. Faults of servers and overload are tested by
// knative/faults.
package e2e
