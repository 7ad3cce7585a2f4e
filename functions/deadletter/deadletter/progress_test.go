package deadletter

import (
	"math/rand/v2"
	"testing"
)

// In whatever order letters are redriven, progress has exactly those, and so has progress read from its committed form.
func TestProgress(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		const end = 60
		oldest := random.Int64N(5)
		p := progress{next: oldest}
		done := map[int64]bool{}
		for i := range oldest {
			done[i] = true
		}
		for _, i := range random.Perm(end)[:random.IntN(end)] {
			p.add(int64(i))
			done[int64(i)] = true
			read, err := parseProgress(p.next, p.metadata())
			if err != nil {
				t.Fatal(err)
			}
			for offset := range int64(end) {
				if p.has(offset) != done[offset] || read.has(offset) != done[offset] {
					t.Fatalf("progress %d %q has offset %d: got %t, and %t when read again, want %t",
						p.next, p.metadata(), offset, p.has(offset), read.has(offset), done[offset])
				}
			}
			if got, want := p.count(end), int64(end-len(done)); got != want {
				t.Fatalf("progress %d %q: got %d waiting, want %d", p.next, p.metadata(), got, want)
			}
		}
		p.skipTo(30)
		if p.next < 30 || len(p.beyond) > 0 && p.beyond[0].first <= p.next {
			t.Fatalf("after skipTo(30): got progress %d %q, want none before 30", p.next, p.metadata())
		}
	}
}

func TestMetadata(t *testing.T) {
	p := progress{next: 3}
	for _, offset := range []int64{9, 7, 5, 8, 12} {
		p.add(offset)
	}
	if got := p.metadata(); got != "5,7-9,12" {
		t.Errorf("got metadata %q, want 5,7-9,12", got)
	}
	p.add(3)
	p.add(4)
	if p.next != 6 || p.metadata() != "7-9,12" {
		t.Errorf("got next %d, metadata %q; want 6 and 7-9,12", p.next, p.metadata())
	}
}

func TestParseProgressRefuses(t *testing.T) {
	for _, metadata := range []string{"x", "1-", "-1", "3-2", "1,,2"} {
		t.Run(metadata, func(t *testing.T) {
			if got, err := parseProgress(0, metadata); err == nil {
				t.Errorf("got %+v, want an error", got)
			}
		})
	}
}
