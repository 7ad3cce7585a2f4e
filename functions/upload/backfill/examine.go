package main

import (
	"context"
	"slices"
	"time"

	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/rendition"
	"gitlab.com/yourorg/image-service/functions/internal/status"
)

// A state is what the objects of an image say about it.
type state int

const (
	complete state = iota // it has all renditions that count
	lacking               // it is completed, and renditions are missing, or of an older engine
	failed                // it can have none
	waiting               // its first event makes those that are configured then
	orphaned              // it has no original
	unknown               // the store answers for other images, but not for this one
	states                // their number
)

// A finding is what was found out about an image.
type finding struct {
	state state
	names []string // of the renditions that are to be made, and what else is missing
	cause error    // of unknown
}

// An examiner finds out what images lack.
type examiner struct {
	images   *imagestore.Store
	statuses *status.Store
	specs    []rendition.Spec // that count
	engine   int              // renditions of an earlier one are lacking, too
	// placeholder and color report whether every image should have them.
	placeholder, color bool
	patience           patience
}

// An image for which the store fails is tried this often, if the store can list its objects.
const attempts, attemptPause = 5, 200 * time.Millisecond

// examine returns an error if the store fails for too long. If it fails for an image only, the image is unknown.
func (e *examiner) examine(ctx context.Context, imageID string, objects imagestore.Objects) (found finding, err error) {
	cause, err := e.insist(ctx, imageID, objects, func(objects imagestore.Objects) (err error) {
		found, err = e.look(ctx, objects)
		return err
	})
	if cause != nil {
		found = finding{state: unknown, cause: cause}
	}
	return found, err
}

// insist calls attempt until it succeeds. The store may fail for an image while it answers for others, such as for an
// object that it cannot read: after some attempts, between which it lists the image, cause is the error, so that an
// image does not keep others waiting. err is not nil if the store fails for too long.
func (e *examiner) insist(
	ctx context.Context, imageID string, objects imagestore.Objects, attempt func(imagestore.Objects) error,
) (cause, err error) {
	for i := 1; ; i++ {
		failure := attempt(objects)
		if failure == nil || isFinal(failure) {
			return nil, failure
		}
		err := e.patience.try(ctx, func() (err error) {
			objects, err = e.images.Find(ctx, imageID)
			return err
		})
		switch {
		case err != nil:
			return nil, err
		case i == attempts:
			return failure, nil
		}
		if err := sleep(ctx, time.Duration(i)*attemptPause); err != nil {
			return nil, err
		}
	}
}

func (e *examiner) look(ctx context.Context, objects imagestore.Objects) (finding, error) {
	if objects.Result == nil {
		return finding{state: withoutResult(objects)}, nil
	}
	result, err := e.images.Stat(ctx, objects.Result.Key) // the listing has neither content type nor metadata
	switch {
	case err != nil:
		return finding{}, err
	case result.ContentType == status.NoteType:
		return finding{state: failed}, nil
	case objects.Original == nil:
		return finding{state: orphaned}, nil
	}
	names, err := e.toBeMade(ctx, objects, result)
	if err != nil || len(names) == 0 {
		return finding{}, err
	}
	return finding{state: lacking, names: names}, nil
}

// toBeMade returns the names of the renditions that are missing or of an older engine, and of what else is missing.
func (e *examiner) toBeMade(
	ctx context.Context, objects imagestore.Objects, result *imagestore.Info,
) (names []string, err error) {
	missing, err := e.statuses.Missing(ctx, e.specs, objects, result)
	if err != nil {
		return nil, err
	}
	var outdated []string
	if e.engine > 0 {
		if outdated, err = e.statuses.Outdated(ctx, e.specs, objects, result, e.engine); err != nil {
			return nil, err
		}
	}
	for _, spec := range e.specs {
		if slices.Contains(missing, spec.Name) || slices.Contains(outdated, spec.Name) {
			names = append(names, spec.Name)
		}
	}
	if e.placeholder && status.LacksPlaceholder(result) {
		names = append(names, "the placeholder")
	}
	if e.color && status.LacksColor(result) {
		names = append(names, "the colour")
	}
	return names, nil
}

func withoutResult(objects imagestore.Objects) state {
	if objects.Original == nil {
		return orphaned
	}
	return waiting
}
