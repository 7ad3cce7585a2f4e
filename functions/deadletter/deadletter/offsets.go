package deadletter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// span is some offsets in a row, both ends among them.
type span struct{ first, last int64 }

// progress is how far a partition has been put back: everything before next, and what is in beyond, which went out of
// turn. It is what Kafka keeps for a consumer group, next as the committed offset and beyond as its metadata.
type progress struct {
	next   int64
	beyond []span // in order, none of which touches another or next
}

func (p *progress) clone() progress { return progress{p.next, slices.Clone(p.beyond)} }

// has tells whether an offset has been put back.
func (p *progress) has(offset int64) bool {
	return offset < p.next || slices.ContainsFunc(p.beyond, func(s span) bool { return s.first <= offset && offset <= s.last })
}

// add notes that an offset has been put back.
func (p *progress) add(offset int64) {
	if p.has(offset) {
		return
	}
	place, _ := slices.BinarySearchFunc(p.beyond, offset, func(s span, offset int64) int { return cmp.Compare(s.first, offset) })
	p.beyond = slices.Insert(p.beyond, place, span{offset, offset})
	p.join()
}

// skipTo leaves out what the topic does not have any more.
func (p *progress) skipTo(oldest int64) {
	p.next = max(p.next, oldest)
	p.join()
}

// join makes one of spans that touch each other, and of those that touch next none.
func (p *progress) join() {
	joined := p.beyond[:0]
	for _, s := range p.beyond {
		switch last := len(joined) - 1; {
		case s.first <= p.next:
			p.next = max(p.next, s.last+1)
		case last >= 0 && s.first <= joined[last].last+1:
			joined[last].last = max(joined[last].last, s.last)
		default:
			joined = append(joined, s)
		}
	}
	p.beyond = joined
}

// count is how many offsets before end have not been put back.
func (p *progress) count(end int64) int64 {
	count := end - p.next
	for _, s := range p.beyond {
		count -= s.last - s.first + 1
	}
	return max(count, 0)
}

// metadata is beyond as text, such as "7-9,12".
func (p *progress) metadata() string {
	var spans []string
	for _, s := range p.beyond {
		text := strconv.FormatInt(s.first, 10)
		if s.last > s.first {
			text += "-" + strconv.FormatInt(s.last, 10)
		}
		spans = append(spans, text)
	}
	return strings.Join(spans, ",")
}

// parseProgress reads what was committed.
func parseProgress(next int64, metadata string) (progress, error) {
	p := progress{next: next}
	if metadata == "" {
		return p, nil
	}
	for text := range strings.SplitSeq(metadata, ",") {
		firstText, lastText, isRange := strings.Cut(text, "-")
		if !isRange {
			lastText = firstText
		}
		first, err := strconv.ParseInt(firstText, 10, 64)
		if err != nil {
			return p, fmt.Errorf("%.40q is no offset", text)
		}
		last, err := strconv.ParseInt(lastText, 10, 64)
		if err != nil || last < first {
			return p, fmt.Errorf("%.40q are no offsets", text)
		}
		p.beyond = append(p.beyond, span{first, last})
	}
	slices.SortFunc(p.beyond, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	p.join()
	return p, nil
}
