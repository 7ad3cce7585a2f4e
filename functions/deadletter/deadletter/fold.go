package deadletter

// fold is the entries of a page: letters with one source and ID are one entry. Letters that are not events stay alone.
type fold struct {
	limit   int // of entries
	entries []shown
	byEvent map[eventKey]int // index in entries
	letters int
}

// eventKey is what makes an event the same (CloudEvents 1.0, id).
type eventKey struct{ source, id string }

// add reports whether the letter fits the page. Letters are added in the order of the topic.
func (f *fold) add(l letter) bool {
	if f.letters == f.limit*maxFolded {
		return false
	}
	isEvent := l.raw == nil && l.fault == nil
	key := eventKey{l.event.Source(), l.event.ID()}
	if index, known := f.byEvent[key]; isEvent && known {
		f.entries[index].join(l.show())
		f.letters++
		return true
	}
	if len(f.entries) == f.limit {
		return false
	}
	if isEvent {
		if f.byEvent == nil {
			f.byEvent = map[eventKey]int{}
		}
		f.byEvent[key] = len(f.entries)
	}
	f.entries = append(f.entries, l.show())
	f.letters++
	return true
}

// all returns the entries, which are not nil: JSON has an empty list.
func (f *fold) all() []shown { return append([]shown{}, f.entries...) }

// join adds another letter of the same event. Partitions are read one after the other, so that it may be older.
func (s *shown) join(other shown) {
	s.Count += other.Count
	if other.Since.Before(s.Since) {
		s.Since = other.Since
	}
	if other.Last.Before(s.Last) {
		return
	}
	s.Last = other.Last
	s.Subscriber, s.Code, s.Answer = other.Subscriber, other.Code, other.Answer
}
