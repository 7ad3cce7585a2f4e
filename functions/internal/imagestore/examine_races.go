package imagestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
)

// writers is how many requests want the same key in a race.
const writers = 16

// A writer prepares to store content under a key. commit stores it; its error is ErrExists if the key is taken.
type writer func(ctx context.Context, key, content string) (commit func() error, err error)

func (x *examination) atomicPut(ctx context.Context) error {
	return x.race(ctx, "put", []writer{x.whole})
}

func (x *examination) atomicParts(ctx context.Context) error {
	return x.race(ctx, "parts", []writer{x.inParts})
}

func (x *examination) atomicMixed(ctx context.Context) error {
	return x.race(ctx, "mixed", []writer{x.whole, x.inParts})
}

func (x *examination) whole(ctx context.Context, key, content string) (commit func() error, err error) {
	return func() error { return x.Put(ctx, key, []byte(content), Attributes{}) }, nil
}

// inParts has sent all parts of an upload, here one, when it returns.
func (x *examination) inParts(ctx context.Context, key, content string) (commit func() error, err error) {
	uploadID, err := x.beginParts(ctx, key, Attributes{})
	if err != nil {
		return nil, x.wrapPut(err, key)
	}
	part, err := x.putPart(ctx, key, uploadID, 1, x.contentOf([]byte(content)))
	if err != nil {
		x.abortParts(ctx, key, uploadID)
		return nil, x.wrapPut(err, key)
	}
	return func() error {
		err := x.completeParts(ctx, key, uploadID, []minio.CompletePart{part})
		if err != nil {
			x.abortParts(ctx, key, uploadID)
		}
		return x.wrapPut(err, key)
	}, nil
}

// race has writers of these kinds compete for a new key, and then try in vain to take it.
func (x *examination) race(ctx context.Context, name string, kinds []writer) error {
	for round := range x.rounds {
		key := OriginalKey(x.folder(fmt.Sprint(name, "-", round)), "a.png")
		commits := make([]func() error, writers)
		errs := make([]error, writers)
		x.each(func(i int) { commits[i], errs[i] = kinds[i%len(kinds)](ctx, key, contentOfWriter(i)) })
		if err := cmp.Or(errs...); err != nil {
			return err
		}
		x.each(func(i int) { errs[i] = commits[i]() })
		winner, err := winnerOf(errs)
		if err != nil {
			return err
		}
		if err := x.holds(ctx, key, contentOfWriter(winner)); err != nil {
			return err
		}
		for _, kind := range kinds {
			if err := x.late(ctx, key, kind); err != nil {
				return err
			}
		}
		if err := x.holds(ctx, key, contentOfWriter(winner)); err != nil {
			return err
		}
	}
	return nil
}

func certainly(format string, arguments ...any) error {
	return &lack{found: fmt.Sprintf(format, arguments...), certain: true}
}

// each calls f for all writers at once.
func (x *examination) each(f func(i int)) {
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// contentOfWriter has the same length for all.
func contentOfWriter(i int) string { return strings.Repeat(string(rune('a'+i)), 1000) }

// winnerOf returns the one writer that was told that it has stored its object.
func winnerOf(errs []error) (int, error) {
	var winners []int
	for i, err := range errs {
		switch {
		case err == nil:
			winners = append(winners, i)
		case !errors.Is(err, ErrExists):
			return 0, err
		}
	}
	switch len(winners) {
	case 1:
		return winners[0], nil
	case 0: // an answer was lost, and its request repeated
		return 0, fmt.Errorf("none of %d writers was told that it had stored its object", writers)
	}
	return 0, certainly("%d of %d writers that stored an object under one key at the same time with If-None-Match: * "+
		"were told that they had: all but one of these images would be lost", len(winners), writers)
}

// late checks that a taken key is refused.
func (x *examination) late(ctx context.Context, key string, kind writer) error {
	commit, err := kind(ctx, key, contentOfWriter(writers))
	if err != nil {
		return err
	}
	switch err := commit(); {
	case err == nil:
		return certainly("an object was replaced in spite of If-None-Match: *, which is ignored")
	case !errors.Is(err, ErrExists):
		return err
	}
	return nil
}
