package deadletter

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// sinkRequest is what a data plane may send to the dead letter sink.
type sinkRequest struct {
	header  []string // name: value
	body    []byte
	trailer bool // of unknown length, with a trailer after it
}

func (f *function) sink(r sinkRequest) (status int, answer []byte) {
	f.t.Helper()
	request, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url, bytes.NewReader(r.body))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, line := range r.header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header[name] = append(request.Header[name], value) // as it is, in any case
	}
	if r.trailer {
		request.ContentLength = -1
		request.Trailer = http.Header{"Checksum": {"abc"}}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// mustKeep fails the test if the request is not kept.
func (f *function) mustKeep(r sinkRequest) {
	f.t.Helper()
	if status, answer := f.sink(r); status != http.StatusOK || len(answer) > 0 {
		f.t.Fatalf("got %d %.300s, want 200 without a body", status, answer)
	}
}

// only returns the letter that waits alone.
func (f *function) only() shown {
	f.t.Helper()
	var page listed
	f.ask(http.MethodGet, "/", &page)
	if page.Waiting != 1 || len(page.Letters) != 1 {
		f.t.Fatalf("got page %+v, want one letter", page)
	}
	return page.Letters[0]
}

// records returns those of the topic that a setting names.
func (f *function) records(topic string) (records []*sarama.ConsumerMessage) {
	f.t.Helper()
	v, err := f.backlog(topic).open()
	if err != nil {
		f.t.Fatal(err)
	}
	defer v.close()
	for _, p := range v.partitions {
		for offset := p.done.next; offset < p.end; offset++ {
			consumer, err := v.consumer.ConsumePartition(v.topic, p.id, offset)
			if err != nil {
				f.t.Fatal(err)
			}
			records = append(records, <-consumer.Messages())
			_ = consumer.Close()
		}
	}
	return records
}

func headersOf(record *sarama.ConsumerMessage) (headers []string) {
	for _, header := range record.Headers {
		headers = append(headers, string(header.Key)+": "+string(header.Value))
	}
	return headers
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const structuredType = "Content-Type: application/cloudevents+json"

var required = []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: /s", "Ce-Type: t"}

const (
	structuredEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	latin1Event     = `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"K` + "\xe4" + `se"}`
)

func binaryEvent(more ...string) []string { return slices.Concat(required, more) }

// What is not a CloudEvent is kept as it came: it is listed with the reason, stays when everything is redriven, and is
// put back with the same bytes and headers when it is named.
func TestRaw(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for name, test := range map[string]struct {
		request sinkRequest
		headers []string // of the record that is put back
		data    string   // shown
	}{
		"broken structured event": {
			sinkRequest{header: []string{structuredType, "Ce-Knativeerrorcode: 400"}, body: []byte("{broken")},
			[]string{"content-type: application/cloudevents+json"}, "{broken",
		},
		"odd content type": {
			sinkRequest{header: binaryEvent("Content-Type: gar bage;;;"), body: []byte("x")},
			[]string{"ce_id: 1", "ce_source: /s", "ce_specversion: 1.0", "ce_type: t", "content-type: gar bage;;;"}, "x",
		},
		"empty request": {sinkRequest{}, nil, ""},
		"no attributes": {
			sinkRequest{header: []string{"Content-Type: text/plain"}, body: []byte("plain")},
			[]string{"content-type: text/plain"}, "plain",
		},
		"batch": {
			sinkRequest{header: []string{"Content-Type: application/cloudevents-batch+json"}, body: []byte("[]")},
			[]string{"content-type: application/cloudevents-batch+json"}, "[]",
		},
		"zipped": {
			sinkRequest{header: binaryEvent("Content-Encoding: gzip"), body: zipped(t, "hello")},
			[]string{"ce_id: 1", "ce_source: /s", "ce_specversion: 1.0", "ce_type: t", "content-encoding: gzip"},
			fmt.Sprintf("%+q", zipped(t, "hello")),
		},
		"attribute twice": {
			sinkRequest{header: binaryEvent("Ce-Region: eu", "Ce-Region: us")},
			[]string{
				"ce_id: 1", "ce_region: eu", "ce_region: us", "ce_source: /s", "ce_specversion: 1.0", "ce_type: t",
			}, "",
		},
		"name that is not one": {
			sinkRequest{header: binaryEvent("Ce-Not_a_name: x")},
			[]string{"ce_id: 1", "ce_not_a_name: x", "ce_source: /s", "ce_specversion: 1.0", "ce_type: t"}, "",
		},
		"unknown version": {
			sinkRequest{header: []string{"Ce-Specversion: 9.9", "Ce-Id: 1", "Ce-Knativeerrordest: http://thumbnail"}},
			[]string{"ce_id: 1", "ce_specversion: 9.9"}, "",
		},
		"time that is not one": {
			sinkRequest{header: binaryEvent("Ce-Time: yesterday")},
			[]string{"ce_id: 1", "ce_source: /s", "ce_specversion: 1.0", "ce_time: yesterday", "ce_type: t"}, "",
		},
		"attributes of 200 KB": {
			sinkRequest{header: []string{"Ce-Specversion: 1.0", "Ce-A: " + long}},
			[]string{"ce_a: " + long, "ce_specversion: 1.0"}, "",
		},
		// Knative's Kafka data plane sends what it cannot read as the data of an event of its own.
		"structured event as the data of another": {
			sinkRequest{header: []string{
				structuredType, "Ce-Specversion: 1.0", "Ce-Type: dev.knative.kafka.event", "Ce-Source: /s",
				"Ce-Id: partition:1/offset:2", "Ce-Knativeerrorcode: 400", "Ce-Knativekafkapartition: 1",
				"Ce-Knativekafkaoffset: 2",
			}, body: []byte(structuredEvent)},
			[]string{
				"ce_id: partition:1/offset:2", "ce_source: /s", "ce_specversion: 1.0", "ce_type: dev.knative.kafka.event",
				"content-type: application/cloudevents+json",
			}, structuredEvent,
		},
		"structured event in Latin-1": {
			sinkRequest{header: []string{structuredType}, body: []byte(latin1Event)},
			[]string{"content-type: application/cloudevents+json"}, fmt.Sprintf("%+q", latin1Event),
		},
		"structured event of many members": {
			sinkRequest{header: []string{structuredType},
				body: []byte(`{"specversion":"1.0"` + strings.Repeat(`,"a":1`, 150_000) + "}")},
			[]string{"content-type: application/cloudevents+json"},
			(`{"specversion":"1.0"` + strings.Repeat(`,"a":1`, 150_000))[:maxShown],
		},
		"trailers": {
			sinkRequest{header: []string{"Content-Type: text/plain"}, body: []byte("plain"), trailer: true},
			[]string{"content-type: text/plain"}, "plain",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFunction(t)
			f.mustKeep(test.request)
			got := f.only()
			if got.Type != typeRaw || !got.Raw || got.Cut || got.Error == "" || strings.Contains(got.Error, "\n") {
				t.Errorf("got letter %+v, want a raw one with the reason on one line", got)
			}
			if got.Bytes != int64(len(test.request.body)) || got.Data != test.data {
				t.Errorf("got %d bytes, %.200q; want %d, %.200q", got.Bytes, got.Data, len(test.request.body), test.data)
			}
			if got := f.redrive(""); got != (redriven{Waiting: 1}) {
				t.Errorf("redrive all: got %+v, want the raw letter to stay", got)
			}
			if got := f.redrive("place=" + got.Place); got != (redriven{Redriven: 1}) {
				t.Fatalf("redrive it: got %+v, want one redriven", got)
			}
			records := f.records("KAFKA_TOPIC")
			if len(records) != 1 || !bytes.Equal(records[0].Value, test.request.body) {
				t.Fatalf("got %d records, want one with the same bytes", len(records))
			}
			if got := headersOf(records[0]); !slices.Equal(got, test.headers) {
				t.Errorf("got headers %.2000q, want %.2000q", got, test.headers)
			}
		})
	}
}

// A raw letter says what its subscriber answered, in the words of any data plane.
func TestRawFailure(t *testing.T) {
	for name, prefix := range map[string]string{
		"attributes": "Ce-Knativeerror", "headers": "Knativeerror", "older headers": "Kne-Error-",
	} {
		t.Run(name, func(t *testing.T) {
			f := startFunction(t)
			f.mustKeep(sinkRequest{header: []string{
				structuredType, prefix + "dest: http://thumbnail", prefix + "code: 422", prefix + "data: bm8=",
			}})
			if got := f.only(); got.Subscriber != "http://thumbnail" || got.Code != "422" || got.Answer != "no" {
				t.Errorf("got letter %+v, want the answer 422 no of http://thumbnail", got)
			}
			_, metrics := f.ask(http.MethodGet, "/metrics", nil)
			for _, line := range []string{
				`dead_letters_kept_total{code="422"} 1`,
				`dead_letters_raw_total{kind="whole"} 1`, `dead_letters_raw_total{kind="cut"} 0`,
			} {
				if !strings.Contains(metrics, line) {
					t.Errorf("got metrics %s, want %s in them", metrics, line)
				}
			}
		})
	}
}

// Events that the service itself would refuse are kept and put back as events.
func TestUnusualEvents(t *testing.T) {
	attributes := make([]string, 300)
	for i := range attributes {
		attributes[i] = fmt.Sprintf("Ce-A%d: x", i)
	}
	large := bytes.Repeat([]byte{0}, 1<<20)
	for name, r := range map[string]sinkRequest{
		"invalid percent-encoding": {header: binaryEvent("Ce-Subject: 100%.png%zz")},
		"percent-encoding":         {header: binaryEvent("Ce-Subject: mein%20K%C3%A4se.png")},
		"bytes beyond ASCII":       {header: binaryEvent("Ce-Subject: K\xc3\xa4se")},
		"no content type":          {header: binaryEvent(), body: []byte("{}")},
		"300 attributes":           {header: binaryEvent(attributes...)},
		"950,000 bytes":            {header: binaryEvent("Content-Type: application/octet-stream"), body: large[:950_000]},
		"1 MiB":                    {header: binaryEvent("Content-Type: application/octet-stream"), body: large},
		"1 MiB and attributes": {
			header: binaryEvent("Content-Type: image/png", "Ce-Long: "+strings.Repeat("x", 200_000)), body: large,
		},
		"1 MiB, trailers": {header: binaryEvent("Content-Type: image/png"), body: large, trailer: true},
		"structured": {header: []string{structuredType},
			body: []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFunction(t)
			f.mustKeep(r)
			if got := f.only(); got.ID != "1" || got.Raw || got.Error != "" {
				t.Fatalf("got letter %+v, want event 1", got)
			}
			if got := f.redrive("id=1&source=/s"); got != (redriven{Redriven: 1}) {
				t.Fatalf("got %+v, want one redriven", got)
			}
			got := f.records("KAFKA_TOPIC")
			if len(got) != 1 {
				t.Fatalf("got %d records, want one", len(got))
			}
			headers := headersOf(got[0])
			for _, line := range r.header {
				attribute, found := strings.CutPrefix(line, "Ce-")
				if want := "ce_" + strings.ToLower(attribute[:1]) + attribute[1:]; found && !slices.Contains(headers, want) {
					t.Errorf("got headers %.2000q, want %.300q in them", headers, want)
				}
			}
			if name != "structured" && !bytes.Equal(got[0].Value, r.body) {
				t.Errorf("got %d bytes, want the same %d", len(got[0].Value), len(r.body))
			}
		})
	}
}

// What is too large for any record is recorded as lost: its beginning, its size and its hash.
func TestCut(t *testing.T) {
	for name, test := range map[string]struct {
		size    int
		trailer bool // of unknown length
	}{
		"known length": {maxRecord, false}, "unknown length": {maxRecord, true}, "20 MB": {20_000_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFunction(t)
			content := bytes.Repeat([]byte("0123456789abcde\n"), test.size/16+1)[:test.size]
			f.mustKeep(sinkRequest{header: binaryEvent("Content-Type: text/plain"), body: content, trailer: test.trailer})
			mustBeCut(t, f, content)
		})
	}
}

func mustBeCut(t *testing.T, f *function, content []byte) {
	t.Helper()
	got, sum := f.only(), sha256.Sum256(content)
	if !got.Raw || !got.Cut || got.Bytes != int64(len(content)) || got.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("got letter %+v, want a cut one of %d bytes with their hash", got, len(content))
	}
	records := f.records("KAFKA_DEAD_LETTER_TOPIC")
	if len(records) != 1 || !bytes.Equal(records[0].Value, content[:maxCut]) {
		t.Errorf("got %d records, want one with the first %d bytes", len(records), maxCut)
	}
	if got := f.redrive("place=" + got.Place); got != (redriven{Waiting: 1}) {
		t.Errorf("redrive: got %+v, want the letter to stay", got)
	}
	_, metrics := f.ask(http.MethodGet, "/metrics", nil)
	if !strings.Contains(metrics, `dead_letters_raw_total{kind="cut"} 1`) {
		t.Errorf("got metrics %s, want one cut letter in them", metrics)
	}
}

// A topic with Kafka's default limit takes the beginning of what the function would have kept whole.
func TestTopicWithALowerLimit(t *testing.T) {
	f := startFunction(t)
	f.limitTopic("KAFKA_DEAD_LETTER_TOPIC", "1048588")
	content := bytes.Repeat([]byte("x"), 1_500_000)
	f.mustKeep(sinkRequest{header: binaryEvent("Content-Type: text/plain"), body: content})
	mustBeCut(t, f, content)
}

// A letter that is too large for the topic of the service stays, and those after it are redriven.
func TestTooLargeToRedrive(t *testing.T) {
	f := startFunction(t)
	f.limitTopic("KAFKA_TOPIC", "1048588")
	f.mustKeep(sinkRequest{header: binaryEvent("Content-Type: text/plain"), body: bytes.Repeat([]byte("x"), 1_500_000)})
	f.keep("a", "b")
	if got := f.redrive(""); got != (redriven{Redriven: 2, Waiting: 1}) {
		t.Errorf("got %+v, want two redriven and one waiting", got)
	}
}

func (f *function) limitTopic(setting, maxBytes string) {
	f.t.Helper()
	brokers, config := testservers.Kafka(f.t, f.getenv)
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		f.t.Fatal(err)
	}
	defer admin.Close()
	entries := map[string]*string{"max.message.bytes": &maxBytes}
	if err := admin.AlterConfig(sarama.TopicResource, f.getenv(setting), entries, false); err != nil {
		f.t.Fatal(err)
	}
}

// Letters of one event are one entry with their number; each letter is on one page.
func TestFolding(t *testing.T) {
	f := startFunction(t)
	for range 3 {
		f.keep("a", "b", "a")
	}
	f.mustKeep(sinkRequest{body: []byte("raw")})
	f.mustKeep(sinkRequest{body: []byte("raw")})
	var page listed
	f.ask(http.MethodGet, "/", &page)
	counts := map[string]int{}
	for _, l := range page.Letters {
		counts[l.ID] += l.Count
		if l.Last.Before(l.Since) {
			t.Errorf("got letter %+v, want last not before since", l)
		}
	}
	want := map[string]int{"a": 6, "b": 3, "": 2}
	if !maps.Equal(counts, want) || len(page.Letters) != 4 || page.Next != "" {
		t.Errorf("got %v in %d entries, want %v in 4 on one page", counts, len(page.Letters), want)
	}

	counts = map[string]int{}
	for next := "/?limit=1"; next != ""; {
		var page listed
		f.ask(http.MethodGet, next, &page)
		for _, l := range page.Letters {
			counts[l.ID] += l.Count
		}
		next = page.Next
	}
	if !maps.Equal(counts, want) {
		t.Errorf("on pages of one entry: got %v, want %v", counts, want)
	}
	if got := f.redrive("raw=true"); got != (redriven{Redriven: 2, Waiting: 9}) {
		t.Errorf("redrive raw letters: got %+v, want 2 and 9 waiting", got)
	}
}

// A page reads a bounded number of letters, also if they are all of one event.
func TestFoldIsBounded(t *testing.T) {
	entries, began := fold{limit: 2}, time.Unix(1000, 0)
	for i := range 2 * maxFolded {
		if !entries.add(letter{event: undelivered(t, "a"), since: began.Add(time.Duration(-i) * time.Second)}) {
			t.Fatalf("letter %d does not fit, want %d on a page", i, 2*maxFolded)
		}
	}
	if entries.add(letter{event: undelivered(t, "a")}) {
		t.Error("one more letter fits, want the page to end")
	}
	got := entries.all()
	if len(got) != 1 || got[0].Count != 2*maxFolded || !got[0].Last.Equal(began) ||
		!got[0].Since.Equal(began.Add(time.Duration(1-2*maxFolded)*time.Second)) {
		t.Errorf("got %+v, want one entry with the times of all", got)
	}
}

// While other requests have all memory, a letter is refused with 503, so that Knative retries.
func TestMemoryIsTaken(t *testing.T) {
	m := newMemory()
	release, err := m.acquire(t.Context(), memoryLimit)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.acquire(ended, 1); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("got error %v, want one about memory", err)
	}
	release()
	if _, err := m.acquire(t.Context(), memoryLimit); err != nil {
		t.Errorf("after the others: got error %v", err)
	}
	for name, r := range map[string]*http.Request{
		"unknown length":   {ContentLength: -1, Header: http.Header{"Content-Type": {"application/cloudevents+json"}}},
		"largest declared": {ContentLength: maxBody, Header: http.Header{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := costOf(r); got < 3*maxRecord || got > memoryLimit/2 {
				t.Errorf("got cost %d, want several times a record and less than half the budget", got)
			}
		})
	}
}
