package deadletter

import (
	"errors"
	"net/http/httptest"
	"testing"
)

// A page of another site cannot redrive letters with an operator's browser.
func TestOtherSitesPutNothingBack(t *testing.T) {
	for name, header := range map[string][2]string{
		"form of another site": {"Sec-Fetch-Site", "cross-site"},
		"neighbouring site":    {"Sec-Fetch-Site", "same-site"},
		"old browser":          {"Origin", "https://evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/redrive", nil)
			r.Header.Set(header[0], header[1])
			if err := (&service{}).redrive(httptest.NewRecorder(), r); !errors.Is(err, errCrossOrigin) {
				t.Errorf("got error %v, want %v", err, errCrossOrigin)
			}
		})
	}
}

// A batch that opens gaps, because it was named out of turn or lies between records that are not events, is refused
// while Kafka can still store its progress. A batch that closes gaps is accepted.
func TestTooManyGaps(t *testing.T) {
	v := &view{partitions: []*partition{{id: 0, end: 1 << 20}, {id: 1, end: 1 << 20}}}
	batch := func(first, step int64) (letters []letter) {
		for i := range int64(batchSize) {
			letters = append(letters, letter{at: position{1, first + i*step}})
		}
		return letters
	}
	next := int64(1)
	for ; v.fits(batch(next, 2)); next += 2 * batchSize {
		for _, l := range batch(next, 2) {
			v.markDone(l.at)
		}
		if length := len(v.partitions[1].done.metadata()); length > maxMetadata {
			t.Fatalf("got %d bytes of metadata, want at most %d", length, maxMetadata)
		}
	}
	if next < 1000 {
		t.Errorf("full after %d letters, want at least 500", next/2)
	}
	if _, err := (&service{}).redriveBatch(t.Context(), v, batch(next, 2)); !errors.Is(err, errOutOfTurn) {
		t.Errorf("one more batch: got error %v, want %v", err, errOutOfTurn)
	}
	if !v.fits(batch(0, 2)) {
		t.Error("the letters between do not fit")
	}
}
