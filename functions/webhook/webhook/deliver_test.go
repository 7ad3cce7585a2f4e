package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/apierror"
)

// The specification's library verifies what an endpoint gets, by each of its secrets, and the body says what happened.
func TestDelivery(t *testing.T) {
	t.Parallel()
	to := receive(t, nil)
	before, after := NewSecret(), NewSecret()
	f := serve(t, fmt.Sprintf(
		"endpoints: [{name: orders, url: %q, secrets: [%s, %s]}]", to.URL+"/hooks?a=1", before, after), loopback)
	for i, payload := range []events.Payload{
		events.ImageThumbnailed{
			ImageID: imageID, Bucket: "images", ObjectName: imageID + "/<a>.jpg", Thumbnail: imageID + "/thumbnail_<a>.jpg",
			OriginalSize: [2]int{640, 480}, ThumbnailSize: [2]int{200, 150}, ProcessedAt: 1.5e9,
		},
		events.ImageFailed{ImageID: imageID, Reason: events.ReasonDamaged, Error: "It ends early", ProcessedAt: 1.5e9},
		events.ImageDeleted{ImageID: imageID, Reason: events.DeletionExpired, DeletedAt: 1.5e9},
	} {
		t.Run(payload.EventType(), func(t *testing.T) {
			e := encode(t, payload, "")
			if got := f.deliver("orders", e); got.status != http.StatusOK || got.body != "" {
				t.Fatalf("the Broker gets %+v, want an empty 200", got)
			}
			posts := to.got()
			if len(posts) != i+1 {
				t.Fatalf("the endpoint got %d requests, want %d", len(posts), i+1)
			}
			got := posts[i]
			for _, secret := range []string{before, after} {
				verifier, err := standardwebhooks.NewWebhook(secret)
				if err != nil {
					t.Fatal(err)
				}
				if err := verifier.Verify(got.body, got.header); err != nil {
					t.Errorf("the receiver cannot verify: %v", err)
				}
			}
			if id := got.header.Get("Webhook-Id"); id != e.ID() || got.path != "/hooks?a=1" {
				t.Errorf("%s has the ID %q, want /hooks?a=1 and %q", got.path, id, e.ID())
			}
			checkBody(t, got, payload)
		})
	}
	if got := f.count("orders", delivered); got != 3 {
		t.Errorf("%d deliveries are counted, want 3", got)
	}
}

func checkBody(t *testing.T, got post, payload events.Payload) {
	t.Helper()
	var body struct {
		Type, Timestamp string
		Data            any
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	var data any
	text, err := json.Marshal(payload)
	if err == nil {
		err = json.Unmarshal(text, &data)
	}
	if err != nil || !reflect.DeepEqual(body.Data, data) {
		t.Errorf("data is %v, want %v (%v)", body.Data, data, err)
	}
	if body.Type != payload.EventType() || body.Timestamp != "2026-11-30T08:00:00.5Z" {
		t.Errorf("got %s of %s, want %s of the time of the event", body.Type, body.Timestamp, payload.EventType())
	}
	if got := got.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("the content type is %q", got)
	}
}

// Every answer of an endpoint is one to the Broker: done, repeat, or never again. A redirect is not followed.
func TestAnswers(t *testing.T) {
	t.Parallel()
	elsewhere := receive(t, nil)
	to := receive(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", elsewhere.URL)
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	})
	for status, want := range map[int]struct {
		status  int
		code    string
		outcome outcome
	}{
		200: {200, "", delivered}, 202: {200, "", delivered}, 204: {200, "", delivered}, 299: {200, "", delivered},
		301: {503, apierror.CodeWebhookFailed, rejected}, 302: {503, apierror.CodeWebhookFailed, rejected},
		303: {503, apierror.CodeWebhookFailed, rejected}, 307: {503, apierror.CodeWebhookFailed, rejected},
		308: {503, apierror.CodeWebhookFailed, rejected}, 400: {503, apierror.CodeWebhookFailed, rejected},
		401: {503, apierror.CodeWebhookFailed, rejected}, 404: {503, apierror.CodeWebhookFailed, rejected},
		410: {410, apierror.CodeWebhookGone, gone}, 413: {503, apierror.CodeWebhookFailed, rejected},
		429: {503, apierror.CodeWebhookFailed, rejected}, 500: {503, apierror.CodeWebhookFailed, rejected},
		502: {503, apierror.CodeWebhookFailed, rejected}, 503: {503, apierror.CodeWebhookFailed, rejected},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			f := serve(t, document([3]string{"orders", fmt.Sprintf("%s/%d", to.URL, status), NewSecret()}), loopback)
			got := f.deliver("orders", thumbnailed(t))
			if got.status != want.status || got.code != want.code || f.count("orders", want.outcome) != 1 {
				t.Errorf("the Broker gets %+v, want %d %s, counted as %s", got, want.status, want.code, want.outcome)
			}
			if got.status != 200 && got.isPermanent() != (status == 410) {
				t.Errorf("permanent = %t", got.isPermanent())
			}
		})
	}
	t.Cleanup(func() {
		if got := elsewhere.got(); len(got) > 0 {
			t.Errorf("redirects were followed: %v", got)
		}
	})
}

// An endpoint that hangs, or ends the connection, is asked again later.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	to := receive(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	})
	closed := receive(t, nil)
	closed.Close()
	for name, address := range map[string]string{"hangs": to.URL + "/hangs", "aborts": to.URL, "refuses": closed.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serve(t, document([3]string{"orders", address, NewSecret()}), loopback, "WEBHOOK_TIMEOUT=1s")
			got := f.deliver("orders", thumbnailed(t))
			if got.status != 503 || got.code != apierror.CodeWebhookFailed || f.count("orders", unreachable) != 1 {
				t.Errorf("the Broker gets %+v, want 503, counted as unreachable", got)
			}
		})
	}
}

// An answer counts when its header is there, however much follows it.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	to := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 4096))
		}
	})
	f := serve(t, document([3]string{"orders", to.URL, NewSecret()}), loopback)
	if got := f.deliver("orders", thumbnailed(t)); got.status != 200 {
		t.Errorf("the Broker gets %+v, want 200", got)
	}
}

// An endpoint that asks for a pause is left alone, and the others are not.
func TestPause(t *testing.T) {
	t.Parallel()
	busy := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "300")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	other := receive(t, nil)
	f := serve(t, document([3]string{"busy", busy.URL, NewSecret()}, [3]string{"other", other.URL, NewSecret()}), loopback)
	for range 3 {
		got := f.deliver("busy", thumbnailed(t))
		if left, err := strconv.Atoi(got.retryAfter); got.status != 503 || err != nil || left > 301 || left < 60 {
			t.Errorf("the Broker gets %+v, want 503 and the rest of the endpoint's Retry-After", got)
		}
		if got := f.deliver("other", thumbnailed(t)); got.status != 200 {
			t.Errorf("the Broker gets %+v for the other one, want 200", got)
		}
	}
	if got := len(busy.got()); got != 1 || f.count("busy", waiting) != 2 || f.count("busy", rejected) != 1 {
		t.Errorf("the endpoint got %d requests, want one", got)
	}
	_, state, _ := f.endpoints.find("busy")
	state.notBefore = time.Now().Add(-time.Second)
	f.deliver("busy", thumbnailed(t))
	if got := len(busy.got()); got != 2 {
		t.Errorf("the endpoint got %d requests after its pause, want two", got)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status      int
		value       string
		least, most time.Duration
	}{
		{503, "", 0, 0}, {503, "0", 0, 0}, {503, "7", 7 * time.Second, 7 * time.Second},
		{429, "120", 2 * time.Minute, 2 * time.Minute}, {503, "86400", maxPause, maxPause},
		{503, "2147483647", maxPause, maxPause}, {503, "99999999999999999999", 0, 0},
		{503, "-5", 0, 0}, {503, "1.5", 0, 0}, {503, "soon", 0, 0},
		{500, "60", 0, 0}, {404, "60", 0, 0}, {301, "60", 0, 0},
		{503, "Mon, 02 Jan 2006 15:04:05 GMT", 0, 0},
		{503, time.Now().Add(5 * time.Minute).UTC().Format(http.TimeFormat), time.Minute, 5 * time.Minute},
		{503, time.Now().Add(50 * time.Hour).UTC().Format(http.TimeFormat), maxPause, maxPause},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.value), func(t *testing.T) {
			t.Parallel()
			got := retryAfter(&http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {test.value}}})
			if got < test.least || got > test.most {
				t.Errorf("got %v, want %v to %v", got, test.least, test.most)
			}
		})
	}
}

// What this service would not send is refused for good, and posted nowhere.
func TestInvalidEvents(t *testing.T) {
	t.Parallel()
	to := receive(t, nil)
	f := serve(t, document([3]string{"orders", to.URL, NewSecret()}), loopback)
	for name, id := range map[string]string{
		"a time in it": "image.failed/1.1614265330.{}", "a digit after a full stop": "a.5", "two full stops": "a..5",
		"too long": strings.Repeat("a", 201), "a brace": "{", "a quote": `"`, "a comma": "a,b", "not ASCII": "ä",
	} {
		t.Run(name, func(t *testing.T) {
			e := thumbnailed(t)
			e.SetID(id)
			if _, err := newMessage(e); err == nil {
				t.Fatalf("newMessage() of the ID %q succeeds", id)
			}
			if name == "not ASCII" { // the SDK does not encode it as a header
				return
			}
			if got := f.deliver("orders", e); got.status != 400 || got.code != apierror.CodeInvalidEvent || !got.isPermanent() {
				t.Errorf("the Broker gets %+v, want 400", got)
			}
		})
	}
	t.Run("no time", func(t *testing.T) {
		e := thumbnailed(t)
		e.SetTime(time.Time{})
		if got := f.deliver("orders", e); got.status != 400 {
			t.Errorf("the Broker gets %+v, want 400", got)
		}
	})
	t.Run("bad data", func(t *testing.T) {
		e := thumbnailed(t)
		if err := e.SetData("application/json", map[string]string{"image_id": "none"}); err != nil {
			t.Fatal(err)
		}
		if got := f.deliver("orders", e); got.status != 400 || !strings.Contains(got.text, "image_id") {
			t.Errorf("the Broker gets %+v, want 400 with the reason", got)
		}
	})
	t.Run("too large", func(t *testing.T) {
		e := thumbnailed(t)
		if err := e.SetData("application/json", strings.Repeat("x", 65<<10)); err != nil {
			t.Fatal(err)
		}
		if got := f.deliver("orders", e); got.status != 413 || !got.isPermanent() {
			t.Errorf("the Broker gets %+v, want 413", got)
		}
	})
	t.Run("not an event", func(t *testing.T) {
		request, err := http.NewRequest(http.MethodPost, f.url+"/webhooks/orders", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.send(request); got.status != 400 {
			t.Errorf("the Broker gets %+v, want 400", got)
		}
	})
	if got := to.got(); len(got) > 0 {
		t.Errorf("the endpoint got %v, want nothing", got)
	}
}

// An endpoint gets the types that it has chosen. Others are done, as a Trigger may select too much.
func TestTypes(t *testing.T) {
	t.Parallel()
	to := receive(t, nil)
	f := serve(t, fmt.Sprintf(
		"endpoints: [{name: orders, url: %q, secrets: [%s], types: [image.failed]}]", to.URL, NewSecret()), loopback)
	uploaded := thumbnailed(t)
	uploaded.SetType(events.TypeImageUploaded)
	failed := encode(t, events.ImageFailed{ImageID: imageID, Reason: events.ReasonDamaged, Error: "E", ProcessedAt: 1}, "")
	if got := f.deliver("orders", thumbnailed(t)); got.status != 200 {
		t.Errorf("the Broker gets %+v, want 200", got)
	}
	if got := f.deliver("orders", uploaded); got.status != 200 {
		t.Errorf("the Broker gets %+v, want 200", got)
	}
	if got := f.deliver("orders", failed); got.status != 200 {
		t.Errorf("the Broker gets %+v, want 200", got)
	}
	got := to.got()
	if len(got) != 1 || got[0].header.Get("Webhook-Id") != failed.ID() || f.count("orders", skipped) != 2 {
		t.Errorf("the endpoint got %v, want image.failed alone", got)
	}
}

// Knative repeats what an unknown webhook gets, as the file may follow.
func TestUnknownWebhook(t *testing.T) {
	t.Parallel()
	f := serve(t, "endpoints: []\n")
	for _, name := range []string{"orders", "metrics", "..%2Fhealth"} {
		got := f.deliver(name, thumbnailed(t))
		if got.status != 404 || got.code != apierror.CodeWebhookUnknown || got.isPermanent() {
			t.Errorf("%s: the Broker gets %+v, want 404", name, got)
		}
	}
	if got := f.deliver("orders/more", thumbnailed(t)); got.status != 404 || got.code != apierror.CodeNotFound {
		t.Errorf("the Broker gets %+v, want 404", got)
	}
}

// An endpoint gets 16 requests at a time, and the rest wait for them.
func TestPostsAreBounded(t *testing.T) {
	t.Parallel()
	const deliveries = maxPosts + 8
	arrived, release := make(chan struct{}, deliveries), make(chan struct{})
	to := receive(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	f := serve(t, document([3]string{"orders", to.URL, NewSecret()}), loopback)
	var all sync.WaitGroup
	for range deliveries {
		all.Go(func() {
			if got := f.deliver("orders", thumbnailed(t)); got.status != 200 {
				t.Errorf("the Broker gets %+v, want 200", got)
			}
		})
	}
	for range maxPosts {
		<-arrived
	}
	if _, state, _ := f.endpoints.find("orders"); state.posts.TryAcquire(1) {
		t.Errorf("more than %d requests are allowed", maxPosts)
	}
	close(release)
	all.Wait()
	if got := len(to.got()); got != deliveries {
		t.Errorf("the endpoint got %d requests, want %d", got, deliveries)
	}
}

// The secrets and the URL of an endpoint, which may have a token in it, are in no error, and so in no log.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	closed := receive(t, nil)
	closed.Close()
	secret := NewSecret()
	f := serve(t, document([3]string{"orders", closed.URL + "/T0KEN", secret}), loopback)
	to, state, _ := f.endpoints.find("orders")
	_, err := f.service.deliver(t.Context(), to, state, thumbnailed(t))
	if err == nil {
		t.Fatal("a delivery to nobody succeeds")
	}
	key := strings.TrimPrefix(secret, secretPrefix)
	shown := err.Error() + fmt.Sprintf("%v %+v %#v", to.signers, to.signers, to.signers)
	if strings.Contains(shown, "T0KEN") || strings.Contains(shown, key) {
		t.Errorf("the error is %s", shown)
	}
}
