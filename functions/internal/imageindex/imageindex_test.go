package imageindex

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// testIndex is an index whose client counts what it is answered.
type testIndex struct {
	*Index
	*answers
}

func open(t *testing.T) testIndex {
	t.Helper()
	getenv := testservers.StartStores(t)
	r := config.NewReader(getenv)
	client := connect.OpenRedis(connect.ReadRedis(r))
	t.Cleanup(func() { client.Close() })
	counted := &answers{}
	client.AddHook(counted)
	return testIndex{New(client, getenv("MINIO_BUCKET"), true, owns), counted}
}

// owns is ownership in the tests: the owner's initial is the last digit of the ID.
func owns(owner, imageID string) bool {
	return owner != "" && hasOwner(imageID) && imageID[35] == owner[0]
}

func newID(owner string) string {
	if owner == "" {
		return uuid.NewString()
	}
	id := []byte(uuid.NewString())
	id[14], id[35] = '8', owner[0]
	return string(id)
}

// answers counts calls of scripts, and the values in their answers. It does not count what the client sends when it
// opens a connection, as it does whenever Redis was slow.
type answers struct {
	sync.Mutex
	commands, values int
}

func (a *answers) DialHook(next redis.DialHook) redis.DialHook { return next }
func (a *answers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a *answers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		err := next(ctx, command)
		a.Lock()
		defer a.Unlock()
		if script, ok := command.(*redis.Cmd); ok {
			a.commands++
			a.values += count(script.Val())
		}
		return err
	}
}

func count(value any) int {
	list, ok := value.([]any)
	if !ok {
		return 1
	}
	sum := 0
	for _, one := range list {
		sum += count(one)
	}
	return sum
}

var enterOnly = redis.NewScript(Enter + `enter(ARGV[1], ARGV[2], 1, 3) return 1`)

// enter enters an image at a time, as the outbox does.
func (x testIndex) enter(t *testing.T, owner, imageID string, stored float64) {
	t.Helper()
	e := x.Entry(owner, imageID, stored)
	arguments := append([]any{imageID, text(stored)}, e.Arguments()...)
	if err := enterOnly.Run(t.Context(), x.client, e.Keys(), arguments...).Err(); err != nil {
		t.Fatal(err)
	}
}

func (x testIndex) page(t *testing.T, owner string, after *Position, size int) Page {
	t.Helper()
	p, err := x.Page(t.Context(), owner, after, size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// all returns the IDs of all images of an owner, read in pages.
func (x testIndex) all(t *testing.T, owner string, size int) (ids []string) {
	t.Helper()
	var after *Position
	for {
		p := x.page(t, owner, after, size)
		for _, image := range p.Images {
			ids = append(ids, image.ImageID)
		}
		if !p.More {
			return ids
		}
		after = &p.Images[len(p.Images)-1]
	}
}

// pass goes over a bucket with images, in parts of two, and calls between after each but the last.
func (x testIndex) pass(t *testing.T, images []Position, between func()) {
	t.Helper()
	slices.SortFunc(images, func(a, b Position) int { return strings.Compare(a.ImageID, b.ImageID) })
	for cursor := ""; ; {
		p, err := x.Pass(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		part := images[:min(2, len(images))]
		images = images[len(part):]
		for _, image := range part {
			p.Add(image.ImageID, image.Stored)
		}
		cursor = ""
		if len(images) > 0 {
			cursor = part[len(part)-1].ImageID
		}
		if err := p.Save(t.Context(), cursor, len(images) == 0); err != nil {
			t.Fatal(err)
		}
		if len(images) == 0 {
			return
		}
		between()
	}
}

func nothing() {}

// Every image is on one page, in order, whatever the size of the pages, and however many have the same time.
func TestPages(t *testing.T) {
	x := open(t)
	var want, ada []string
	stored := map[string]float64{}
	for i := range 50 {
		owner := []string{"", "ada", "bob"}[i%3]
		id, time := newID(owner), 1.7e9+float64(i/10) // ten at a time
		stored[id] = time
		x.enter(t, owner, id, time)
		want = append(want, id)
	}
	slices.SortFunc(want, func(a, b string) int {
		if stored[a] != stored[b] {
			return int(stored[b] - stored[a])
		}
		return strings.Compare(b, a)
	})
	for _, id := range want {
		if owns("ada", id) {
			ada = append(ada, id)
		}
	}
	for _, size := range []int{1, 3, 10, 49, 50, 51, 100} {
		if got := x.all(t, Everybody, size); !slices.Equal(got, want) {
			t.Errorf("pages of %d have %d images %q, want %q", size, len(got), got, want)
		}
		if got := x.all(t, "ada", size); !slices.Equal(got, ada) {
			t.Errorf("pages of %d of ada have %q, want %q", size, got, ada)
		}
	}
	if got := x.all(t, "eve", 10); len(got) != 0 {
		t.Errorf("a client without images has %q", got)
	}
}

// A page goes on where the last one ended, although images came, and the one it ended with was removed.
func TestPageAfterChanges(t *testing.T) {
	x := open(t)
	var ids []string
	for i := range 9 {
		id := newID("ada")
		ids = append([]string{id}, ids...)
		x.enter(t, "ada", id, 1.7e9+float64(i))
	}
	first := x.page(t, "ada", nil, 3)
	for _, id := range ids[1:4] {
		if err := x.Remove(t.Context(), "ada", id); err != nil {
			t.Fatal(err)
		}
	}
	x.enter(t, "ada", newID("ada"), 1.8e9)
	second := x.page(t, "ada", &first.Images[2], 3)
	var got []string
	for _, image := range second.Images {
		got = append(got, image.ImageID)
	}
	if !slices.Equal(got, ids[4:7]) || !second.More {
		t.Errorf("second page has %q, more %v; want %q, true", got, second.More, ids[4:7])
	}
}

// An image that enters again keeps its place. One that its owner's name does not fit enters by a pass only.
func TestEnter(t *testing.T) {
	x := open(t)
	id := newID("ada")
	x.enter(t, "ada", id, 100)
	x.enter(t, "ada", id, 200)
	if got := x.page(t, "ada", nil, 5).Images; len(got) != 1 || got[0] != (Position{100, id}) {
		t.Errorf("set of ada has %v, want the image at 100", got)
	}
	if e := x.Entry("bob", id, 1); len(e.Keys()) != 0 || len(e.Arguments()) != 0 {
		t.Errorf("entry of an image of ada by bob is %+v, want none", e)
	}
	var off *Index
	if e := off.Entry("ada", id, 1); len(e.Keys()) != 0 || off.Remove(t.Context(), "ada", id) != nil {
		t.Error("an index that is off has entries")
	}
}

func TestRemove(t *testing.T) {
	x := open(t)
	for _, owner := range []string{"ada", Everybody, "bob"} { // who removes: the owner, somebody, another
		id := newID("ada")
		x.enter(t, "ada", id, 100)
		x.enter(t, "bob", newID("bob"), 100)
		if err := x.Remove(t.Context(), owner, id); err != nil {
			t.Fatal(err)
		}
		if got := x.all(t, "ada", 5); len(got) != 0 || slices.Contains(x.all(t, Everybody, 5), id) {
			t.Errorf("after Remove() by %q ada has %q", owner, got)
		}
	}
}

// What one page costs Redis does not depend on how many images there are, nor on their times.
func TestPageCostsTheSameInALargeIndex(t *testing.T) {
	x := open(t)
	cost := func(after *Position) [2]int {
		x.page(t, Everybody, nil, 1) // sends the script
		x.commands, x.values = 0, 0
		x.page(t, Everybody, after, 20)
		return [2]int{x.commands, x.values}
	}
	var want [2]int
	for _, size := range []int{100, 12_000} {
		var last Position
		have := len(x.all(t, Everybody, 5000))
		for i := have; i < size; i += 1000 {
			var elements []redis.Z
			for j := i; j < min(i+1000, size); j++ {
				last = Position{float64(1000 + j/5000), newID("")}
				elements = append(elements, redis.Z{Score: last.Stored, Member: last.ImageID})
			}
			if err := x.client.ZAdd(t.Context(), x.setKey(Everybody), elements...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for _, after := range []*Position{nil, {1000, "ffffffff-ffff-4fff-bfff-ffffffffffff"}} {
			got := cost(after)
			if want == [2]int{} {
				want = got
			}
			if got != want || got[0] != 1 {
				t.Errorf("a page of %d images after %v took %d commands and %d values; want %v", size, after, got[0], got[1], want)
			}
		}
	}
}

// A pass makes complete what was incomplete, and what was lost on the way is incomplete until the next.
func TestPass(t *testing.T) {
	for name, test := range map[string]struct {
		lost             func(x testIndex) string // a key
		complete, closed bool
	}{
		"nothing is lost":      {func(testIndex) string { return "no key" }, true, true},
		"all images are lost":  {func(x testIndex) string { return x.setKey(Everybody) }, false, false},
		"a client's are lost":  {func(x testIndex) string { return x.setKey("ada") }, false, true},
		"the clients are lost": {func(x testIndex) string { return x.clientsKey() }, false, false},
		"the pass itself, too": {func(x testIndex) string { return x.passKey() }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := open(t)
			var bucket []Position
			for i := range 10 {
				bucket = append(bucket, Position{float64(100 + i), newID([]string{"", "ada"}[i%2])})
			}
			x.enter(t, "ada", bucket[1].ImageID, bucket[1].Stored) // the rest was stored before there was an index
			before := x.page(t, "ada", nil, 10)
			if before.Complete || time.Since(before.Since).Abs() > time.Minute && before.Since.Unix() != 101 {
				t.Fatalf("before the pass: %+v, want an incomplete page", before)
			}
			once := true
			x.pass(t, slices.Clone(bucket), func() {
				if once {
					x.client.Del(t.Context(), test.lost(x))
				}
				once = false
				x.page(t, "ada", nil, 1) // makes the client known again
			})
			ada, all := x.page(t, "ada", nil, 20), x.page(t, Everybody, nil, 20)
			if complete := ada.Complete && all.Complete; complete != test.complete {
				t.Errorf("complete: ada %v, all %v; want %v", ada.Complete, all.Complete, test.complete)
			}
			if ada.Complete && len(ada.Images) != 5 || all.Complete && len(all.Images) != 10 {
				t.Errorf("complete sets have %d and %d images, want 5 and 10", len(ada.Images), len(all.Images))
			}
			if got := x.page(t, "new", nil, 1).Complete; got != test.closed {
				t.Errorf("set of a new client is complete: %v, want %v", got, test.closed)
			}
			x.pass(t, slices.Clone(bucket), nothing)
			ada, all = x.page(t, "ada", nil, 20), x.page(t, Everybody, nil, 20)
			if !ada.Complete || !all.Complete || len(ada.Images) != 5 || len(all.Images) != 10 {
				t.Errorf("after another pass: %d images %v, %d images %v; want 5 and 10, complete",
					len(ada.Images), ada.Complete, len(all.Images), all.Complete)
			}
		})
	}
}

// A client that becomes known while there are images of unknown clients gets its images by the next pass.
func TestPassWithUnknownClient(t *testing.T) {
	x := open(t)
	bucket := []Position{{100, newID("ada")}, {101, newID("ada")}, {102, newID("bob")}, {103, newID("")}}
	x.pass(t, slices.Clone(bucket), nothing)
	if all := x.page(t, Everybody, nil, 9); !all.Complete || len(all.Images) != 4 {
		t.Fatalf("all images: %+v, want 4, complete", all)
	}
	if got := x.page(t, "ada", nil, 9); got.Complete || len(got.Images) != 0 {
		t.Errorf("set of a client that was not known: %+v, want an incomplete one", got)
	}
	x.pass(t, slices.Clone(bucket), nothing)
	if got := x.page(t, "ada", nil, 9); !got.Complete || len(got.Images) != 2 {
		t.Errorf("after a pass: %+v, want 2 images, complete", got)
	}
}

// While the index is off, it misses images: then no set is complete when it is turned on again.
func TestOff(t *testing.T) {
	x := open(t)
	x.pass(t, nil, nothing)
	x.enter(t, "ada", newID("ada"), 100)
	if !x.page(t, "ada", nil, 9).Complete || !x.page(t, Everybody, nil, 9).Complete {
		t.Fatal("the sets are not complete")
	}
	off := *x.Index
	off.enabled = false
	if p, err := off.Pass(t.Context(), ""); p != nil || err != nil {
		t.Fatalf("Pass() = %v, %v; want none", p, err)
	}
	for _, owner := range []string{"ada", Everybody} {
		if x.page(t, owner, nil, 9).Complete {
			t.Errorf("set of %q is complete, want incomplete", owner)
		}
	}
}

func TestErrorsOfRedis(t *testing.T) {
	x := open(t)
	x.client.Close()
	for name, call := range map[string]func() error{
		"Page":   func() error { _, err := x.Page(t.Context(), "", nil, 1); return err },
		"Pass":   func() error { _, err := x.Pass(t.Context(), ""); return err },
		"Remove": func() error { return x.Remove(t.Context(), "", newID("ada")) },
		"Save":   func() error { return (&Pass{index: x.Index}).Save(t.Context(), "", true) },
	} {
		if err := call(); err == nil || fmt.Sprint(err) == "" {
			t.Errorf("%s without Redis returns %v", name, err)
		}
	}
}

// A sweep may take until the next one has begun a pass. Its listing is of a time before that pass, and makes nothing
// complete; the other pass goes on.
func TestPassOverlaps(t *testing.T) {
	x := open(t)
	begin := func() *Pass {
		t.Helper()
		p, err := x.Pass(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	save := func(p *Pass) {
		t.Helper()
		if err := p.Save(t.Context(), "", true); err != nil {
			t.Fatal(err)
		}
	}
	slow := begin()
	stored := Position{100, newID("")} // after the listing, and then Redis loses its data
	next := begin()
	save(slow)
	if x.page(t, Everybody, nil, 9).Complete {
		t.Error("a listing from before the pass has made the set complete")
	}
	next.Add(stored.ImageID, stored.Stored)
	save(next)
	if all := x.page(t, Everybody, nil, 9); !all.Complete || len(all.Images) != 1 {
		t.Errorf("after the pass: %+v, want one image, complete", all)
	}
}
