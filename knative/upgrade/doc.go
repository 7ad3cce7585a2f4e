// Package upgrade runs the service of an earlier commit and that of this tree one after the other with the same object
// store, Redis and Kafka, in both orders: what one version has stored, promised or left undone, the other one reads,
// keeps and finishes.
//
//	make upgrade
//
// builds the earlier version from the history of this repository, which a shallow clone may not have: then the test
// fetches the commit.
package upgrade
