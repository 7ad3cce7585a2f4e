package deadletter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// span is a range of offsets, both ends included.
type span struct{ first, last int64 }

// progress is the set of a partition's offsets that have been redriven: all before next, and those in beyond, which
// were redriven out of turn. Kafka stores it for a consumer group, next as the committed offset and beyond as its
// metadata.
type progress struct {
	next   int64
	beyond []span // in order; none touches another one or next
}

func (p *progress) clone() progress { return progress{p.next, slices.Clone(p.beyond)} }

// has reports whether an offset has been redriven.
func (p *progress) has(offset int64) bool {
	within := func(s span) bool { return s.first <= offset && offset <= s.last }
	return offset < p.next || slices.ContainsFunc(p.beyond, within)
}

// add notes that an offset has been redriven.
func (p *progress) add(offset int64) {
	if p.has(offset) {
		return
	}
	byFirst := func(s span, offset int64) int { return cmp.Compare(s.first, offset) }
	index, _ := slices.BinarySearchFunc(p.beyond, offset, byFirst)
	p.beyond = slices.Insert(p.beyond, index, span{offset, offset})
	p.join()
}

// skipTo drops the offsets before oldest, which the topic has deleted.
func (p *progress) skipTo(oldest int64) {
	p.next = max(p.next, oldest)
	p.join()
}

// join merges spans that touch each other, and moves next past those that touch it.
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

// count returns how many offsets before end have not been redriven.
func (p *progress) count(end int64) int64 {
	count := end - p.next
	for _, s := range p.beyond {
		count -= s.last - s.first + 1
	}
	return max(count, 0)
}

// metadata returns beyond as text, such as "7-9,12".
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

// parseProgress reads a committed offset and its metadata.
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
			return p, fmt.Errorf("%.40q is not an offset", text)
		}
		last, err := strconv.ParseInt(lastText, 10, 64)
		if err != nil || last < first {
			return p, fmt.Errorf("%.40q is not a range of offsets", text)
		}
		p.beyond = append(p.beyond, span{first, last})
	}
	slices.SortFunc(p.beyond, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	p.join()
	return p, nil
}
