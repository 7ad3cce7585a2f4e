package deadletter

import (
	"errors"
	"net/http/httptest"
	"testing"
)

// A page of another site can not put letters back with somebody's browser.
func TestOtherSitesPutNothingBack(t *testing.T) {
	for name, header := range map[string][2]string{
		"a form of another site": {"Sec-Fetch-Site", "cross-site"},
		"a neighbour":            {"Sec-Fetch-Site", "same-site"},
		"an old browser":         {"Origin", "https://evil.example"},
	} {
		r := httptest.NewRequest("POST", "/redrive", nil)
		r.Header.Set(header[0], header[1])
		if err := (&keeper{}).redrive(httptest.NewRecorder(), r); err != problemOtherSite {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Before Kafka could not note it any more, nothing is put back that leaves gaps, be it named out of turn or between
// records that are no events. What closes gaps is.
func TestTooManyGaps(t *testing.T) {
	v := &view{partitions: []*partition{{id: 0, end: 1 << 20}, {id: 1, end: 1 << 20}}}
	batch := func(first, step int64) (letters []letter) {
		for i := range int64(batchSize) {
			letters = append(letters, letter{at: place{1, first + i*step}})
		}
		return letters
	}
	next := int64(1)
	for ; v.hasRoomFor(batch(next, 2)); next += 2 * batchSize {
		for _, l := range batch(next, 2) {
			v.markDone(l.at)
		}
		if length := len(v.partitions[1].done.metadata()); length > maxMetadata {
			t.Fatalf("%d bytes to note", length)
		}
	}
	if next < 1000 {
		t.Errorf("no room after %d letters", next/2)
	}
	if _, err := (&keeper{}).putBackBatch(t.Context(), v, batch(next, 2)); !errors.Is(err, problemFull) {
		t.Errorf("one more batch: %v", err)
	}
	if !v.hasRoomFor(batch(0, 2)) {
		t.Error("no room for the letters between")
	}
}
