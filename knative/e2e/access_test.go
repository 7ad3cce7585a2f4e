//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// apiKeys: the component authentication. Clients see their own images only, and hold nobody up; events of other systems go on
// coming in by the Broker; keys come and go without a new pod.
func (s *installation) apiKeys(t *testing.T) {
	before := s.upload(t, photograph(t, 640, 480))
	alice, aliceLine := s.newClient(t, "alice")
	bob, bobLine := s.newClient(t, "bob")
	setAPIKeys(t, aliceLine, bobLine)
	revision := field(t, "ksvc/upload", "{.status.latestReadyRevisionName}")
	run(t, kustomize(t, fmt.Sprintf("resources: [%s]\ncomponents: [%s]\n",
		relative(t, "knative/base"), relative(t, "knative/components/authentication"))), "ko", "apply", "--filename=-")
	await(t, patience, "upload has a new revision", func() bool {
		return field(t, "ksvc/upload", "{.status.latestReadyRevisionName}") != revision
	})
	awaitReady(t)
	await(t, patience, "nobody without a key is let in", func() bool {
		status, _ := s.do(t, http.MethodGet, s.url+"/status/"+before, "", nil)
		return status == http.StatusUnauthorized
	})

	id := alice.upload(t, photograph(t, 640, 480))
	alice.completed(t, id)
	for what, request := range map[string]struct {
		who  *installation
		path string
		want int
	}{
		"alice, her thumbnail":               {alice, "/thumbnails/" + id, http.StatusOK},
		"bob, her thumbnail":                 {bob, "/thumbnails/" + id, http.StatusNotFound},
		"bob, her status":                    {bob, "/status/" + id, http.StatusNotFound},
		"alice, an image from before":        {alice, "/images/" + before, http.StatusNotFound},
		"nobody, her image":                  {s, "/images/" + id, http.StatusUnauthorized},
		"nobody, what load balancers ask":    {s, "/health", http.StatusOK},
		"who is in the cluster, her status":  {s.eventsOnly(), "/status/" + id, http.StatusNotFound},
		"who is in the cluster, a thumbnail": {s.eventsOnly(), "/thumbnails/" + id, http.StatusNotFound},
	} {
		if got, answer := request.who.do(t, http.MethodGet, request.who.url+request.path, "", nil); got != request.want {
			t.Errorf("%s: %d %.200s, want %d", what, got, answer, request.want)
		}
	}
	s.eventGoesAllTheWay(t)
	carol := s.keysComeAndGo(t, alice, bob, aliceLine)
	nobodyIsHeldUp(t, alice, carol)
}

// newClient is a caller with a key of its own, and the line for the file of keys.
func (s *installation) newClient(t *testing.T, name string) (client *installation, line string) {
	t.Helper()
	var terminal strings.Builder
	command := exec.CommandContext(t.Context(), "go", "run", "./functions/upload/key", name)
	command.Dir, command.Stderr = root(t), &terminal
	output, err := command.Output()
	if err != nil {
		t.Fatal(err, terminal.String())
	}
	words := strings.Fields(terminal.String())
	with := *s
	with.http = &http.Client{Transport: bearer{words[len(words)-1], s.http.Transport}, Timeout: s.http.Timeout, CheckRedirect: s.http.CheckRedirect}
	return &with, string(output)
}

// bearer sends a key with each request.
type bearer struct {
	key  string
	next http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}

// eventsOnly is the way in that is for events, and for nothing else.
func (s *installation) eventsOnly() *installation {
	inside := *s
	inside.url = "http://upload-events." + namespace + ".svc.cluster.local"
	return &inside
}

// setAPIKeys makes or changes the secret with the file of keys.
func setAPIKeys(t *testing.T, lines ...string) {
	t.Helper()
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"metadata":   map[string]string{"name": "image-service-api-keys", "namespace": namespace},
		"stringData": map[string]string{"api-keys": strings.Join(lines, "")},
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, string(secret))
}

// eventGoesAllTheWay: what another system brings by the Broker is no client's, so only the bucket tells.
func (s *installation) eventGoesAllTheWay(t *testing.T) {
	before := s.bucket.images(t)
	s.post(t, newScan(t))
	await(t, patience, "the event's image has a thumbnail", func() bool {
		ids := slices.DeleteFunc(s.bucket.images(t), func(id string) bool { return slices.Contains(before, id) })
		return len(ids) == 1 && s.bucket.has(t, ids[0]+"/thumbnail_scan.jpg")
	})
}

// keysComeAndGo: carol's key is added and bob's is withdrawn, and the pods that are there go by it.
func (s *installation) keysComeAndGo(t *testing.T, alice, bob *installation, aliceLine string) (carol *installation) {
	carol, carolLine := s.newClient(t, "carol")
	answer := func(who *installation) int {
		status, _ := who.do(t, http.MethodGet, who.url+"/status/none", "", nil)
		return status
	}
	if got := [2]int{answer(bob), answer(carol)}; got != [2]int{http.StatusNotFound, http.StatusUnauthorized} {
		t.Errorf("bob and carol are answered with %d, want 404 and 401", got)
	}
	setAPIKeys(t, aliceLine, carolLine)
	there := pods(t, "upload")
	await(t, 4*time.Minute, "the new key is good, and the old one is not", func() bool {
		time.Sleep(200 * time.Millisecond) // no oftener than a client may ask
		return answer(carol) == http.StatusNotFound && answer(bob) == http.StatusUnauthorized
	})
	if !slices.ContainsFunc(pods(t, "upload"), func(pod string) bool { return slices.Contains(there, pod) }) {
		t.Errorf("none of the pods %q is left", there)
	}
	alice.completed(t, alice.upload(t, photograph(t, 640, 480)))
	return carol
}

// nobodyIsHeldUp: a client that asks too often is told to wait, and another one has its answers meanwhile.
func nobodyIsHeldUp(t *testing.T, alice, carol *installation) {
	var limited atomic.Int64
	var eager sync.WaitGroup
	for range 16 {
		eager.Go(func() {
			for end := time.Now().Add(patience); limited.Load() < 100 && time.Now().Before(end); {
				status, answer := alice.do(t, http.MethodGet, alice.url+"/status/none", "", nil)
				switch {
				case status == http.StatusTooManyRequests && strings.Contains(string(answer), `"rate_limited"`):
					limited.Add(1)
				case status != http.StatusNotFound:
					t.Errorf("%d %s, want 404 or 429", status, answer)
					return
				}
			}
		})
	}
	await(t, patience, "who asks too often is told to wait", func() bool { return limited.Load() > 0 })
	carol.completed(t, carol.upload(t, photograph(t, 640, 480)))
	eager.Wait()
}
