package imagestore

import "testing"

// Images of an owner share a lane, those of others usually have another, and nobody's have none.
func TestLane(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	laneOf := func(key, owner string) string {
		t.Helper()
		attributes := Attributes{ContentType: "image/jpeg"}
		attributes.SetLane(owner)
		if err := s.Put(t.Context(), key, []byte("image"), attributes); err != nil {
			t.Fatal(err)
		}
		object, info, err := s.Get(t.Context(), s.Bucket(), key)
		if err != nil {
			t.Fatal(err)
		}
		object.Close()
		return info.Lane()
	}
	first, second, other := laneOf("1/a", "scanner"), laneOf("2/a", "scanner"), laneOf("3/a", "editor")
	if first == "" || first != second || first == other {
		t.Errorf("got %q, %q, and %q of another, want the same two and another", first, second, other)
	}
	if got := laneOf("4/a", ""); got != "" {
		t.Errorf("got %q of nobody, want none", got)
	}
	if got := (&Info{Metadata: map[string]string{"Lane": "x-very-long-lane-of-another-program"}}).Lane(); got != "" {
		t.Errorf("got %q of another program, want none", got)
	}
}
