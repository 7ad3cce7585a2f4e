// Package hostile attacks the functions and checks what an attack costs. Each function runs as Knative runs it: as a
// process of its own, with the settings and the memory limit of its manifest, and as many requests at a time as its pod
// gets. MinIO, Redis and Kafka are package fakes in the process of the test.
//
//	go test -tags hostile -count=1 ./knative/hostile
//
// Each attack is an entry of a table (see attack): what is sent, and which answers it may get. While it goes on, an
// ordinary client sends its requests, and each of them has to be answered; at its end the most memory that the process
// has had is compared with the limit of the pod. Bounds are bytes and numbers of requests, never seconds. It requires
// Linux.
package hostile
