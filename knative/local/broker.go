package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// startBroker starts the Broker of the manifests: the ingress in front of its topic, and behind it a dispatcher for
// each Trigger. It stops before the functions.
func (s *stack) startBroker(o options, subscribers map[string]string) (*brokerTopic, error) {
	if len(s.deployment.brokers) != 1 {
		return nil, fmt.Errorf("the manifests have %d Brokers; expected one", len(s.deployment.brokers))
	}
	spec := s.deployment.brokers[0]
	routes, err := s.routes(spec, o.watchers, subscribers)
	if err != nil {
		return nil, err
	}
	name := spec.Metadata.Namespace + "-" + spec.Metadata.Name
	topic, err := newBrokerTopic("knative-broker-"+name+s.suffix(o), s.servers.Getenv, s.servers.EnsureTopics)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, topic.close)
	if err := s.startIngress(o, spec, topic); err != nil {
		return nil, err
	}
	return topic, s.startTriggers(o, spec, topic, routes)
}

// suffix tells the topic and the consumer groups of this program from those of others that use the same Kafka. It is
// the same after a restart; on the Kafka of a data directory, which has no others, also at another address.
func (s *stack) suffix(o options) string {
	settings := s.settings(s.deployment.services["upload"])
	mine := []string{settings("KAFKA_TOPIC"), settings("MINIO_BUCKET")}
	if o.data == "" || o.getenv("KAFKA_BOOTSTRAP_SERVERS") != "" {
		host, _ := os.Hostname() // without one, the rest has to do
		mine = append([]string{host, o.listen}, mine...)
	}
	sum := sha256.Sum256([]byte(strings.Join(mine, "\x00")))
	return "-" + hex.EncodeToString(sum[:4])
}

func (s *stack) startIngress(o options, spec broker, topic *brokerTopic) error {
	listener, err := listen("--broker", o.broker)
	if err != nil {
		return err
	}
	path := "/" + spec.Metadata.Namespace + "/" + spec.Metadata.Name
	s.broker = "http://" + reachable(listener) + path
	server := &http.Server{
		Handler:           &ingress{path: path, put: topic.put, log: s.log},
		ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute,
	}
	stage := s.newFirstStage()
	stage.wait.Go(func() { _ = server.Serve(listener) }) // until Close
	context.AfterFunc(stage.ctx, func() { server.Close() })
	return nil
}

// startTriggers starts a consumer, with a group of its own, for each route. A reply goes back into the topic, and so
// through the filters of all Triggers.
func (s *stack) startTriggers(o options, spec broker, topic *brokerTopic, routes []route) error {
	stage, client := s.newFirstStage(), newClient()
	for _, to := range routes {
		d := &dispatcher{route: to, client: client, reply: topic.putPatiently, log: s.log}
		c, err := newConsumer(subscription{
			name: to.name, topic: topic.name, group: s.triggerGroup(o, spec, to),
		}, s.servers.Getenv, d.handleEvent, s.log)
		if err != nil {
			return err
		}
		stage.wait.Go(func() { c.run(stage.ctx) })
	}
	return nil
}

// triggerGroup is the consumer group of a Trigger, which Knative names likewise.
func (s *stack) triggerGroup(o options, spec broker, to route) string {
	return "knative-trigger-" + spec.Metadata.Namespace + "-" + to.groupName() + s.suffix(o)
}

// handleEvent delivers a record of a Broker's topic if the Trigger wants it.
func (d *dispatcher) handleEvent(ctx context.Context, record *sarama.ConsumerMessage) error {
	e, err := recordEvent(record)
	if err != nil { // the ingress stores no such record
		d.log.Error("record_ignored", "consumer", d.name, "topic", record.Topic,
			"partition", record.Partition, "offset", record.Offset, "error.message", err.Error())
		return nil
	}
	if !d.wants(e) {
		return nil
	}
	return d.dispatch(ctx, delivered(e, record))
}

// startSources sends the records of the topics, and pings, to where the manifests say.
func (s *stack) startSources(o options, broker *brokerTopic, subscribers map[string]string) error {
	stage, client := s.newFirstStage(), newClient()
	for _, spec := range s.deployment.sources {
		source, err := s.newSource(spec, s.topicOf(spec, o), s.suffix(o), client, subscribers)
		if err != nil {
			return err
		}
		stage.wait.Go(func() { source.run(stage.ctx) })
	}
	for _, spec := range s.deployment.pings {
		ping, err := newPing(spec, broker.put, s.log)
		if err != nil {
			return err
		}
		s.pings = append(s.pings, ping)
		stage.wait.Go(func() { ping.run(stage.ctx) })
	}
	return nil
}

// sweep sends the pings that a cluster sends within minutes: until the first sweep the list of images is incomplete,
// and here a person looks at it at once.
func (s *stack) sweep(ctx context.Context) {
	for _, ping := range s.pings {
		ping.send(ctx)
	}
}

// topicOf returns the topic of a source. One that the manifests set for the upload function, too, is that of the
// function, so that one setting moves both; the other is that of the component bucket-inbox.
func (s *stack) topicOf(spec kafkaSource, o options) string {
	upload := s.deployment.services["upload"]
	for _, name := range []string{"KAFKA_TOPIC", "KAFKA_BACKFILL_TOPIC"} {
		if slices.Contains(spec.Spec.Topics, s.deployment.environment(upload)[name]) {
			return s.settings(upload)(name)
		}
	}
	return o.notifications
}

// newSource returns a KafkaSource that delivers to the Broker's ingress, or to a Service. Like the real one it drops
// replies.
func (s *stack) newSource(
	spec kafkaSource, topic, suffix string, client *http.Client, subscribers map[string]string,
) (*consumer, error) {
	rules := spec.Spec.Delivery
	if rules == nil {
		rules = &sourceDelivery
	}
	sink := s.broker
	if spec.Spec.Sink.Ref.Kind != "Broker" {
		var err error
		if sink, err = addressOf(spec.Spec.Sink, subscribers); err != nil {
			return nil, fmt.Errorf("sink of KafkaSource %q: %w", spec.Metadata.Name, err)
		}
	}
	to, err := newRoute("KafkaSource "+spec.Metadata.Name, sink, rules, subscribers)
	if err != nil {
		return nil, err
	}
	d := &dispatcher{route: to, client: client, log: s.log}
	if spec.Spec.Sink.Ref.Kind == "Service" {
		d.pod = s.deployment.services[spec.Spec.Sink.Ref.Name].places()
	}
	handle := func(ctx context.Context, record *sarama.ConsumerMessage) error {
		return d.dispatch(ctx, delivered(sourceEvent(spec.Metadata, record), record))
	}
	return newConsumer(subscription{
		name: to.name, topic: topic, group: spec.Spec.ConsumerGroup + suffix,
		latest: spec.Spec.InitialOffset != "earliest", ordered: spec.Spec.Ordering != "unordered",
	}, s.servers.Getenv, handle, s.log)
}
