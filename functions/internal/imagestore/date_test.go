package imagestore

import (
	"net/http"
	"testing"
	"time"
)

func TestDateOf(t *testing.T) {
	t.Parallel()
	store := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	if got := dateOf(http.Header{"Date": {"Sun, 29 Nov 2026 10:00:00 GMT"}}); !got.Equal(store) {
		t.Errorf("dateOf() = %v, want the time of the store, %v", got, store)
	}
	for name, header := range map[string]http.Header{"none": {}, "not a time": {"Date": {"today"}}} {
		t.Run(name, func(t *testing.T) {
			if got := dateOf(header); time.Since(got).Abs() > time.Hour {
				t.Errorf("dateOf() = %v, want the time of this process", got)
			}
		})
	}
}
