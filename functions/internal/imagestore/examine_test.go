package imagestore

import (
	"context"
	"errors"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// missing returns the names of the requirements that are not met, and fails if one could not be found out.
func missing(t *testing.T, verdicts []Verdict) (names []string) {
	t.Helper()
	if len(verdicts) != len(Requirements()) {
		t.Errorf("got %d verdicts, want %d", len(verdicts), len(Requirements()))
	}
	for _, v := range verdicts {
		if v.Err != nil {
			t.Errorf("%s: %v", v.Name, v.Err)
		}
		if v.Found != "" {
			t.Logf("%s: %s", v.Name, v.Found)
			names = append(names, v.Name)
		}
	}
	return names
}

// The servers of the tests, fake or real, meet all requirements, and nothing stays in the bucket.
func TestExamine(t *testing.T) {
	store, _ := open(t)
	verdicts, err := store.Examine(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if names := missing(t, verdicts); len(names) > 0 {
		t.Errorf("missing %q, want nothing", names)
	}
	for image, err := range store.Scan(t.Context(), "") {
		t.Errorf("the bucket has %+v (%v), want nothing", image, err)
	}
	aborted, err := store.AbortIncomplete(t.Context(), -time.Minute)
	if aborted != 0 || err != nil {
		t.Errorf("%d uploads in parts were left behind (%v), want none", aborted, err)
	}
}

// badServer starts a fake behind a handler that spoils it.
func badServer(t *testing.T, spoil func(http.Handler) http.Handler) *Store {
	t.Helper()
	server := httptest.NewServer(spoil(testservers.S3(t)))
	t.Cleanup(server.Close)
	return openAt(t, server.Listener.Addr().String())
}

// ignoring drops headers of requests with a method.
func ignoring(method string, headers ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, header := range headers {
				if r.Method == method {
					r.Header.Del(header)
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// racing looks whether an object exists, and only then stores it, as if there were no precondition. In a race, two look
// before one stores.
func racing(next http.Handler) http.Handler {
	var lock sync.Mutex
	looked := map[string]int{}
	race := regexp.MustCompile(`-(put|parts|mixed)-[0-9]+/`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "*" {
			head := httptest.NewRecorder()
			next.ServeHTTP(head, httptest.NewRequest(http.MethodHead, r.URL.EscapedPath(), nil))
			if head.Code == http.StatusOK {
				refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
				return
			}
			r.Header.Del("If-None-Match")
			lock.Lock()
			looked[r.URL.Path]++
			lock.Unlock()
			others := func() bool { lock.Lock(); defer lock.Unlock(); return looked[r.URL.Path] > 1 }
			for race.MatchString(r.URL.Path) && !others() {
				time.Sleep(time.Millisecond)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Amz-Request-Id", "1")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
}

// refusing answers requests that a condition selects.
func refusing(status int, code string, selects func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if selects(r) {
				_, _ = io.Copy(io.Discard, r.Body)
				refuse(w, status, code)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// withoutRequestID stands for a proxy that answers for the server.
func withoutRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host})
		proxy.Transport = handlerTransport{next}
		proxy.ModifyResponse = func(response *http.Response) error {
			response.Header.Del("X-Amz-Request-Id")
			return nil
		}
		proxy.ServeHTTP(w, r)
	})
}

type handlerTransport struct{ handler http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response := httptest.NewRecorder()
	t.handler.ServeHTTP(response, r)
	return response.Result(), nil
}

// Each fault of a server is found, and nothing else is said to be missing.
func TestExamineBadServers(t *testing.T) {
	t.Parallel()
	isOdd := func(r *http.Request) bool { return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "☃") }
	isConditional := func(r *http.Request) bool {
		return r.Header.Get("If-None-Match") != "" && r.Method == http.MethodPost
	}
	for name, test := range map[string]struct {
		spoil func(http.Handler) http.Handler
		want  string
	}{
		"ignores If-None-Match of PutObject": {ignoring(http.MethodPut, "If-None-Match"), "atomic_put atomic_mixed"},
		"ignores If-None-Match of CompleteMultipartUpload": {ignoring(http.MethodPost, "If-None-Match"),
			"atomic_parts atomic_mixed"},
		"looks, then stores": {racing, "atomic_put atomic_parts atomic_mixed"},
		"refuses If-None-Match of CompleteMultipartUpload": {
			refusing(http.StatusNotImplemented, "NotImplemented", isConditional), "bytes atomic_parts atomic_mixed"},
		"ignores If-Match":             {ignoring(http.MethodGet, "If-Match"), "ranges"},
		"ignores Range":                {ignoring(http.MethodGet, "Range"), "ranges"},
		"keeps the framing of streams": {ignoring(http.MethodPut, "X-Amz-Content-Sha256"), "bytes"},
		"forgets metadata":             {ignoring(http.MethodPut, "X-Amz-Meta-Filename"), "metadata"},
		"refuses a name":               {refusing(http.StatusBadRequest, "InvalidArgument", isOdd), "names listing"},
		"answers as a proxy does":      {withoutRequestID, "absence removal"},
		"keeps what is removed": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodDelete && !r.URL.Query().Has("uploadId") {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "removal"},
		"lists from the beginning": {func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				query := r.URL.Query()
				query.Del("start-after")
				r.URL.RawQuery = query.Encode()
				next.ServeHTTP(w, r)
			})
		}, "listing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verdicts, err := badServer(t, test.spoil).Examine(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(missing(t, verdicts), " "); got != test.want {
				t.Errorf("missing %q, want %q", got, test.want)
			}
		})
	}
}

// A server that is not reached, or refuses the credentials, is not judged; one that fails is not judged by that.
func TestExamineWithoutVerdict(t *testing.T) {
	t.Parallel()
	isGet := func(r *http.Request) bool { return r.Method == http.MethodGet && strings.Count(r.URL.Path, "/") > 2 }
	if verdicts, err := openAt(t, "127.0.0.1:1").Examine(t.Context(), 1); err == nil {
		t.Errorf("without a server: got %+v, want an error", verdicts)
	}
	denied := badServer(t, refusing(http.StatusForbidden, "AccessDenied", isGet))
	if verdicts, err := denied.Examine(t.Context(), 1); err == nil {
		t.Errorf("without permission: got %+v, want an error", verdicts)
	}
	failing := badServer(t, refusing(http.StatusInternalServerError, "InternalError", isGet))
	verdicts, err := failing.Examine(t.Context(), 1)
	if err != nil || len(verdicts) != len(Requirements()) {
		t.Fatalf("of a server that fails: got %+v, %v; want all verdicts", verdicts, err)
	}
	for _, v := range verdicts {
		if v.Found != "" {
			t.Errorf("%s of a server that fails: got %q, want no verdict", v.Name, v.Found)
		}
	}
}

// A connection that breaks once, before or after the server has done what it was asked to, says nothing against the
// server.
func TestExamineOverBadConnections(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		for broken := range 12 {
			var requests atomic.Int32
			store := badServer(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					breaks := int(requests.Add(1)) == 13*broken+2
					if !breaks || after {
						next.ServeHTTP(unlessBroken(w, breaks), r)
					}
					if breaks {
						panic(http.ErrAbortHandler)
					}
				})
			})
			verdicts, err := store.Examine(t.Context(), 1)
			if err != nil {
				continue
			}
			if names := missing(t, verdicts); len(names) > 0 {
				t.Errorf("request %d, after it was served: %v; missing %q, want nothing", 13*broken+2, after, names)
			}
		}
	}
}

// unlessBroken drops the response of a request whose connection breaks.
func unlessBroken(w http.ResponseWriter, breaks bool) http.ResponseWriter {
	if breaks {
		return httptest.NewRecorder()
	}
	return w
}

// What an examination that was killed has left behind is removed by a later one, and not by one at the same time.
func TestExamineCleansUp(t *testing.T) {
	store, _ := open(t)
	left := OriginalKey(examinationPrefix+"left", "a.png")
	if err := store.Put(t.Context(), left, []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	x := &examination{Store: store, id: examinationPrefix + "mine", age: time.Hour}
	x.clean(t.Context())
	if _, err := store.Stat(t.Context(), left); err != nil {
		t.Errorf("after another examination: Stat() = %v, want the object", err)
	}
	x.age = -time.Hour
	x.clean(t.Context())
	if _, err := store.Stat(t.Context(), left); err == nil {
		t.Error("an hour later the object is still there")
	}
}

// S3's answer to requests for one key at the same time is not an error of the put.
func TestConflict(t *testing.T) {
	t.Parallel()
	const key = imageID + "/a.png"
	isPut := func(r *http.Request) bool {
		query := r.URL.Query()
		return strings.HasSuffix(r.URL.Path, "/a.png") && !query.Has("partNumber") && !query.Has("uploads") &&
			(r.Method == http.MethodPut || r.Method == http.MethodPost)
	}
	puts := map[string]func(*Store) error{
		"whole": func(s *Store) error { return s.Put(t.Context(), key, []byte("a"), Attributes{}) },
		"in parts": func(s *Store) error {
			commit, err := (&examination{Store: s}).inParts(t.Context(), key, "a")
			if err != nil {
				return err
			}
			return commit()
		},
	}
	for name, put := range puts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conflicts atomic.Int32
			conflicts.Store(2)
			store := badServer(t, refusing(http.StatusConflict, conditionalConflict,
				func(r *http.Request) bool { return isPut(r) && conflicts.Add(-1) >= 0 }))
			if err := store.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := put(store); err != nil {
				t.Errorf("after two conflicts: %v, want the object stored", err)
			}
			if got, _ := read(t, store, key); string(got) != "a" {
				t.Errorf("got %q, want a", got)
			}
			conflicts.Store(100)
			if err := put(store); !errors.Is(err, ErrExists) {
				t.Errorf("a conflict about a key that is taken: %v, want ErrExists", err)
			}
		})
	}
	t.Run("without an object", func(t *testing.T) {
		t.Parallel()
		store := badServer(t, refusing(http.StatusConflict, conditionalConflict, isPut))
		if err := store.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, put := range puts {
			if err := put(store); err == nil || errors.Is(err, ErrExists) {
				t.Errorf("%s: %v, want a temporary error", name, err)
			}
		}
	})
}

// Only the request that makes an object visible has the precondition: AWS refuses it elsewhere.
func TestPreconditions(t *testing.T) {
	t.Parallel()
	var lock sync.Mutex
	conditional := map[string]bool{}
	store := badServer(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			query, request := r.URL.Query(), r.Method
			for _, parameter := range []string{"uploads", "uploadId", "partNumber"} {
				if query.Has(parameter) {
					request += " " + parameter
				}
			}
			lock.Lock()
			conditional[request] = conditional[request] || r.Header.Get("If-None-Match") != ""
			lock.Unlock()
			next.ServeHTTP(w, r)
		})
	})
	store.memory = newPool(32<<20, true)
	upload := store.NewUpload(io.LimitReader(zeros{}, partSize+1), -1)
	defer upload.Close()
	if _, err := upload.Put(context.Background(), imageID+"/parts", Attributes{}); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), imageID+"/whole", []byte("a"), Attributes{}); err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]bool{
		"PUT": true, "POST uploads": false, "PUT uploadId partNumber": false, "POST uploadId": true,
	} {
		if got, sent := conditional[request]; !sent || got != want {
			t.Errorf("%s: sent %v, with a precondition %v, want %v", request, sent, got, want)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
