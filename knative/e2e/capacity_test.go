//go:build e2e

package e2e_test

import (
	"flag"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

var capacity = flag.Bool("capacity", false,
	"measure the throughput of one thumbnail pod by containerConcurrency; docs/performance.md has the results")

// TestCapacity queues images on the topic, and then measures one pod that works on them.
func TestCapacity(t *testing.T) {
	if !*capacity {
		t.Log("not run: -capacity is not set")
		return
	}
	s := install(t)
	// A small cluster cannot schedule two pods with the default request; the limit is what matters.
	run(t, "", "kubectl", "--namespace", namespace, "patch", "ksvc/thumbnail", "--type=json", "--patch",
		`[{"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "10m"}]`)
	for _, work := range []struct {
		name    string
		content []byte
		images  int
	}{
		{"JPEG, 12 megapixels", photograph(t, 4000, 3000), 40},
		{"JPEG, 1 megapixel", photograph(t, 1200, 900), 100},
		{"PNG, 16 megapixels", drawing(t, 4000, 4000), 20},
	} {
		for _, concurrency := range []int{1, 4, 8, 16} {
			took, memory := s.measure(t, work.content, work.images, concurrency)
			t.Logf("%s, containerConcurrency %d: %.1f images/s, at most %.0f MB", work.name, concurrency,
				float64(work.images)/took.Seconds(), memory/1e6)
		}
	}
}

// measure returns the time that one pod takes for the images on the topic, and the peak of its memory in bytes.
func (s *installation) measure(t *testing.T, content []byte, images, concurrency int) (time.Duration, float64) {
	t.Helper()
	consumers := func(count int) {
		patch(t, "kafkasource/image-processing", map[string]any{"spec": map[string]any{"consumers": count}})
	}
	consumers(0)
	patch(t, "ksvc/thumbnail", map[string]any{"spec": map[string]any{"template": map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{
			"autoscaling.knative.dev/min-scale": "1", "autoscaling.knative.dev/max-scale": "1",
			"image-service/measured": fmt.Sprint(time.Now().UnixNano()),
		}},
		"spec": map[string]any{"containerConcurrency": concurrency},
	}}})
	await(t, patience, "one pod is ready", func() bool {
		created := field(t, "ksvc/thumbnail", "{.status.latestCreatedRevisionName}")
		return created == field(t, "ksvc/thumbnail", "{.status.latestReadyRevisionName}") &&
			field(t, "ksvc/thumbnail", `{.status.conditions[?(@.type=="Ready")].status}`) == "True"
	})
	revision := field(t, "ksvc/thumbnail", "{.status.latestReadyRevisionName}")
	ids := make([]string, images)
	var uploads sync.WaitGroup
	for i := range ids {
		uploads.Go(func() { ids[i] = s.upload(t, content) })
	}
	uploads.Wait()
	address := kubectl(t, "get", "pods", "--selector=serving.knative.dev/revision="+revision,
		"--output=jsonpath={.items[0].status.podIP}")

	consumers(1)
	await(t, patience, "the first image is in progress", func() bool {
		return s.status(t, ids[0]) != "queued" || s.status(t, ids[images-1]) != "queued"
	})
	began := time.Now()
	peak := 0.0
	for _, id := range ids { // the order does not matter: all have to be completed
		for s.status(t, id) != "completed" {
			peak = max(peak, memoryOf(t, address))
			if time.Since(began) > 5*time.Minute {
				t.Fatalf("status of %s is %s after %s, want completed\n%s", id, s.status(t, id), since(began), describe(t))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return time.Since(began), peak
}

var resident = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// memoryOf returns the resident memory of a pod in bytes, from its metrics.
func memoryOf(t *testing.T, address string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+":8080/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0 // it was killed, so that the images take longer
	}
	defer response.Body.Close()
	body := readAll(t, response)
	match := resident.FindSubmatch(body)
	if match == nil {
		t.Fatalf("process_resident_memory_bytes is not among the metrics: %s", body)
	}
	value, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
