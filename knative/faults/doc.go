// Package faults does to the service what happens to services, and looks whether it keeps its promises
// (docs/reliability.md). It has real Redis, MinIO and Kafka of its own, two pods of each function as processes of their
// own, and knative/local as the KafkaSource, Broker and Triggers between them. While clients upload, it kills, stops,
// empties, fills, slows down and cuts off each of these; then it compares what clients were told with what has become of
// their images.
//
//	go test -tags faults -count=1 -timeout 30m ./knative/faults
//
// Every fault is a subtest, -run 'Faults/redis' takes some of them. Four at a time run beside each other, each with servers
// of its own; -parallel says how many. FAULTS_SEED repeats the random choices of a run that printed it, FAULTS_STORM=3m is
// how long overload lasts, FAULTS_TABLE names a file that the table is written to.
//
// It needs Linux and root, because disks are filled and memory is limited, and what .ci/install brings: Go with a C
// compiler, redis-server, java, MinIO and Kafka. Nothing of it is left behind, however it ends: processes end with it,
// disks are in name spaces of those processes, and what else there is a janitor removes.
package faults
