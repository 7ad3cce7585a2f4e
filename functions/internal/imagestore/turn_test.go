package imagestore

import (
	"context"
	"net/http"
	"slices"
	"testing"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// A request waits for its turn if its context says so.
func TestTurns(t *testing.T) {
	var order []string
	transport := turns{roundTripper(func(*http.Request) (*http.Response, error) {
		order = append(order, "request")
		return &http.Response{Body: http.NoBody}, nil
	})}
	for _, ctx := range []context.Context{
		t.Context(), WithTurns(t.Context(), func(context.Context) { order = append(order, "wait") }),
	} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://minio", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if want := []string{"request", "wait", "request"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
}
