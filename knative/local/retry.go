package main

import (
	"context"
	"time"
)

// sourceDelivery is the delivery of a KafkaSource whose manifest has none. A Broker or Trigger without one does not
// retry.
var sourceDelivery = delivery{
	Retry: 10, BackoffPolicy: "exponential", BackoffDelay: isoTime(300 * time.Millisecond),
}

// maxDoublings keeps an exponential pause from overflowing: 0.5 s doubled 20 times is six days.
const maxDoublings = 20

// attempts returns how often an event is delivered at most.
func (d delivery) attempts() int { return 1 + d.Retry }

// pause returns how long Knative's Kafka Broker waits before a retry; the first one is number 1. An exponential pause
// is delay * 2^retry, so that the first is twice the delay, and a linear one delay * retry. Retry-After has no
// influence. The figures were measured on that Broker, whose documentation has other ones.
func (d delivery) pause(retry int) time.Duration {
	if d.BackoffPolicy == "linear" {
		return time.Duration(d.BackoffDelay) * time.Duration(retry)
	}
	return time.Duration(d.BackoffDelay) << min(retry, maxDoublings)
}

// sleep waits, and reports whether it did so to the end of the pause.
func sleep(ctx context.Context, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-ctx.Done():
		return false
	}
}
