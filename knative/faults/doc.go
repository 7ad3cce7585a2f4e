// Package faults injects faults into the service under load and checks that it keeps its promises
// (docs/reliability.md). It runs real Redis, MinIO (over TLS) and Kafka servers, two pods of each function as separate
// processes, and knative/local as the KafkaSource, Broker and Triggers between them. While clients upload images, it
// kills, pauses, empties, fills, slows down or disconnects one of these; then it compares the answers that clients
// got with the objects, statuses and events of their images.
//
//	go test -tags faults -count=1 -timeout 30m ./knative/faults
//
// Every fault is a subtest: -run 'Faults/redis' selects some of them. Four run in parallel, each with its own servers;
// -parallel changes that. FAULTS_SEED repeats the random choices of a run that printed it, FAULTS_STORM=3m sets the
// duration of the overload, FAULTS_BACKFILL=10000 the number of images in the backfill, and FAULTS_TABLE names a file
// that the table of results is written to.
//
// It requires Linux and root, because it fills disks and limits memory, and the tools that .ci/install provides: Go
// with a C compiler, redis-server, Java, MinIO and Kafka. It leaves nothing behind, even if it is killed: its
// processes end with it, its disks are in their mount namespaces, and a janitor process removes the rest.
//
// It does not test Knative itself (knative/e2e does), nor combinations of faults.
package faults
