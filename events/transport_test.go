package events_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// TestTransports sends every type of event over every transport and wants to receive it unchanged.
func TestTransports(t *testing.T) {
	for _, k := range kinds {
		for name, send := range transports {
			t.Run(k.payload.EventType()+" "+name, func(t *testing.T) {
				sent := encode(t, k.payload, envelope)
				m := send(t, sent)
				for name, value := range m.headers {
					if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
						t.Errorf("header %s is %q, want printable ASCII", name, value)
					}
				}
				if m.inKafka && m.key != sent.Subject() {
					t.Errorf("key of the record = %q, want the image id %q", m.key, sent.Subject())
				}
				if got, want := attributes(m.event), attributes(sent); !maps.Equal(got, want) {
					t.Errorf("attributes = %q, want %q", got, want)
				}
				if got, err := k.decode(m.event); err != nil || !reflect.DeepEqual(got, k.payload) {
					t.Errorf("payload = %+v, %v, want %+v", got, err, k.payload)
				}
			})
		}
	}
}

// A message is an event as a transport carries it, and the event that is received.
type message struct {
	headers map[string]string // names in lower case
	body    []byte
	inKafka bool
	key     string
	event   event.Event
}

var transports = map[string]func(*testing.T, event.Event) message{
	"HTTP binary": func(t *testing.T, e event.Event) message {
		t.Helper()
		return overHTTP(t, binding.WithForceBinary(t.Context()), e)
	},
	"HTTP structured": func(t *testing.T, e event.Event) message {
		t.Helper()
		return overHTTP(t, binding.WithForceStructured(t.Context()), e)
	},
	"Kafka binary": func(t *testing.T, e event.Event) message {
		t.Helper()
		return overKafka(t, binding.WithForceBinary(t.Context()), e)
	},
	"Kafka structured": func(t *testing.T, e event.Event) message {
		t.Helper()
		return overKafka(t, binding.WithForceStructured(t.Context()), e)
	},
}

func overHTTP(t *testing.T, ctx context.Context, e event.Event) message {
	t.Helper()
	got := message{headers: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			got.headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got.body = body
		r.Body = io.NopCloser(bytes.NewReader(body))
		arrived, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
		if err != nil {
			t.Error(err)
			return
		}
		got.event = *arrived
	}))
	defer server.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&e), request); err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

func overKafka(t *testing.T, ctx context.Context, e event.Event) message {
	t.Helper()
	var record sarama.ProducerMessage
	if err := kafka_sarama.WriteProducerMessage(ctx, binding.ToMessage(&e), &record); err != nil {
		t.Fatal(err)
	}
	body, err := record.Value.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got := message{headers: map[string]string{}, body: body, inKafka: true}
	if record.Key != nil {
		key, err := record.Key.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got.key = string(key)
	}
	raw := map[string][]byte{}
	for _, header := range record.Headers {
		got.headers[string(header.Key)], raw[string(header.Key)] = string(header.Value), header.Value
	}
	arrived, err := binding.ToEvent(ctx, kafka_sarama.NewMessage(body, got.headers["content-type"], raw))
	if err != nil {
		t.Fatal(err)
	}
	got.event = *arrived
	return got
}
