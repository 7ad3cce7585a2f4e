//go:build e2e

package e2e_test

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// apiKeys tests the component authentication. A client sees only its own images and cannot slow down others, events of
// other systems still arrive through the Broker, and keys are added and revoked without a new pod.
func (s *installation) apiKeys(t *testing.T) {
	t.Helper()
	before := s.upload(t, photograph(t, 640, 480))
	alice, aliceLine := s.newClient(t, "alice")
	bob, bobLine := s.newClient(t, "bob")
	setAPIKeys(t, aliceLine, bobLine)
	revision := field(t, "ksvc/upload", "{.status.latestReadyRevisionName}")
	deployOverlay(t, base.with("", "knative/components/authentication"))
	await(t, patience, "upload has a new revision", func() bool {
		return field(t, "ksvc/upload", "{.status.latestReadyRevisionName}") != revision
	})
	awaitReady(t)
	await(t, patience, "requests without a key are rejected", func() bool {
		status, _ := s.do(t, http.MethodGet, s.url+"/status/"+before, "", nil)
		return status == http.StatusUnauthorized
	})

	id := alice.upload(t, photograph(t, 640, 480))
	alice.completed(t, id)
	for name, request := range map[string]struct {
		client *installation
		path   string
		want   int
	}{
		"owner reads thumbnail":                {alice, "/thumbnails/" + id, http.StatusOK},
		"other client reads thumbnail":         {bob, "/thumbnails/" + id, http.StatusNotFound},
		"other client reads status":            {bob, "/status/" + id, http.StatusNotFound},
		"client reads image without owner":     {alice, "/images/" + before, http.StatusNotFound},
		"request without key reads image":      {s, "/images/" + id, http.StatusUnauthorized},
		"request without key checks health":    {s, "/health", http.StatusOK},
		"upload-events is asked for status":    {s.eventsOnly(), "/status/" + id, http.StatusNotFound},
		"upload-events is asked for thumbnail": {s.eventsOnly(), "/thumbnails/" + id, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			got, answer := request.client.do(t, http.MethodGet, request.client.url+request.path, "", nil)
			if got != request.want {
				t.Errorf("got %d %.200s, want %d", got, answer, request.want)
			}
		})
	}
	deleteOwn(t, alice, bob, id)
	s.eventToThumbnail(t)
	carol := s.addAndRevokeKeys(t, alice, bob, aliceLine)
	limitRate(t, alice, carol)
}

// deleteOwn deletes an image, which another client must not.
func deleteOwn(t *testing.T, owner, other *installation, id string) {
	t.Helper()
	for _, request := range []struct {
		client *installation
		method string
		want   int
	}{
		{other, http.MethodDelete, http.StatusNotFound},
		{owner, http.MethodGet, http.StatusOK},
		{owner, http.MethodDelete, http.StatusNoContent},
		{owner, http.MethodDelete, http.StatusNoContent},
		{owner, http.MethodGet, http.StatusGone},
	} {
		got, answer := request.client.do(t, request.method, request.client.url+"/images/"+id, "", nil)
		if got != request.want {
			t.Errorf("%s of the image: got %d %.200s, want %d", request.method, got, answer, request.want)
		}
	}
}

// newClient returns a client with a new API key, and the line of that key for the key file.
func (s *installation) newClient(t *testing.T, name string) (client *installation, line string) {
	t.Helper()
	key, line := newKey(t, name)
	return s.withKey(key), line
}

// newKey returns a new API key of a client, and its line for the key file.
func newKey(t *testing.T, client string) (key, line string) {
	t.Helper()
	var stderr strings.Builder // has the key, standard output its line
	command := exec.CommandContext(t.Context(), "go", "run", "./functions/upload/key", client)
	command.Dir, command.Stderr = root(t), &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	words := strings.Fields(stderr.String())
	return words[len(words)-1], string(output)
}

// withKey returns the client whose requests have an API key.
func (s *installation) withKey(key string) *installation {
	with := *s
	withKey := *s.http
	withKey.Transport = bearer{key, s.http.Transport}
	with.http = &withKey
	return &with
}

// bearer adds an API key to every request.
type bearer struct {
	key  string
	next http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}

// eventsOnly returns the client of upload-events, which accepts only events.
func (s *installation) eventsOnly() *installation {
	inside := *s
	inside.url = "http://upload-events." + namespace + ".svc.cluster.local"
	return &inside
}

// setAPIKeys creates or changes the Secret with the key file.
func setAPIKeys(t *testing.T, lines ...string) {
	t.Helper()
	setSecret(t, "image-service-api-keys", map[string]string{"api-keys": strings.Join(lines, "")})
}

// eventToThumbnail sends an image through the Broker. It has no owner, so its thumbnail is looked up in the bucket.
func (s *installation) eventToThumbnail(t *testing.T) {
	t.Helper()
	s.thumbnailWithoutOwner(t, "scan.jpg", func() { s.post(t, newScan(t)) })
}

// thumbnailWithoutOwner waits until the image that comes by send has its thumbnail in the bucket.
func (s *installation) thumbnailWithoutOwner(t *testing.T, name string, send func()) {
	t.Helper()
	before := s.bucket.images(t)
	send()
	await(t, patience, name+" has a thumbnail", func() bool {
		ids := slices.DeleteFunc(s.bucket.images(t), func(id string) bool { return slices.Contains(before, id) })
		return len(ids) == 1 && s.bucket.has(t, ids[0]+"/thumbnail_"+name)
	})
}

// addAndRevokeKeys adds carol's key and revokes bob's. Running pods apply both.
func (s *installation) addAndRevokeKeys(t *testing.T, alice, bob *installation, aliceLine string) *installation {
	t.Helper()
	carol, carolLine := s.newClient(t, "carol")
	answer := func(client *installation) int {
		status, _ := client.do(t, http.MethodGet, client.url+"/status/none", "", nil)
		return status
	}
	if got := [2]int{answer(bob), answer(carol)}; got != [2]int{http.StatusNotFound, http.StatusUnauthorized} {
		t.Errorf("bob and carol got %d, want 404 and 401", got)
	}
	setAPIKeys(t, aliceLine, carolLine)
	before := pods(t, "upload")
	await(t, 4*time.Minute, "the added key is valid and the revoked one is not", func() bool {
		time.Sleep(200 * time.Millisecond) // within the rate limit of a client
		return answer(carol) == http.StatusNotFound && answer(bob) == http.StatusUnauthorized
	})
	if !slices.ContainsFunc(pods(t, "upload"), func(pod string) bool { return slices.Contains(before, pod) }) {
		t.Errorf("all pods %q were replaced, want at least one of them", before)
	}
	alice.completed(t, alice.upload(t, photograph(t, 640, 480)))
	return carol
}

// limitRate checks that a client over its rate limit gets 429, while another client is served.
func limitRate(t *testing.T, alice, carol *installation) {
	t.Helper()
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
					t.Errorf("got %d %s, want 404, or 429 with rate_limited", status, answer)
					return
				}
			}
		})
	}
	await(t, patience, "the client over its limit gets 429", func() bool { return limited.Load() > 0 })
	carol.completed(t, carol.upload(t, photograph(t, 640, 480)))
	eager.Wait()
}
