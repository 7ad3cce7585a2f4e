package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gitlab.com/yourorg/image-service/functions/internal/rendition"
)

var idPrefix = regexp.MustCompile(`^[0-9a-f-]{0,36}$`)

// check returns what is wrong with the flags by themselves.
func (f flags) check() error {
	isBackfill := f.Rate != 0 || f.EngineOlderThan != 0 || f.Wait != 0
	switch {
	case !idPrefix.MatchString(f.Prefix):
		return fmt.Errorf("--prefix is %q; expected the beginning of an ID: up to 36 of 0-9, a-f and hyphen", f.Prefix)
	case f.Rate < 0:
		return fmt.Errorf("--rate is %g; expected a number of images a second above 0", f.Rate)
	case f.EngineOlderThan < 0:
		return fmt.Errorf("--engine-older-than is %d; expected a version above 0", f.EngineOlderThan)
	case f.Wait < 0:
		return fmt.Errorf("--wait is %s; expected a time above 0", f.Wait)
	case f.Prune && isBackfill:
		return errors.New("--rate, --engine-older-than and --wait are not for --prune")
	case f.Yes && !f.Prune:
		return errors.New("--yes is for --prune")
	case f.DryRun && f.Wait != 0:
		return errors.New("--wait is not for --dry-run, which has nothing made")
	}
	return nil
}

// specs returns the renditions that count: those which are configured, or of them those of --rendition.
func (f flags) specs(set *rendition.Set) ([]rendition.Spec, error) {
	if len(f.Rendition) == 0 {
		return set.Renditions, nil
	}
	var specs []rendition.Spec
	for _, name := range f.Rendition {
		spec := set.Find(name)
		if spec == nil {
			return nil, fmt.Errorf("--rendition is %q; expected one of those that are configured: %s",
				name, strings.Join(set.Names(), ", "))
		}
		specs = append(specs, *spec)
	}
	return specs, nil
}

// run names what a cursor is of: a run with the same text goes on at it. All that is configured counts, because images
// may lack a placeholder, and a prune goes by all renditions.
func (f flags) run(bucket string, set *rendition.Set) string {
	text := "backfill " + bucket
	if f.Prune {
		text = "prune " + bucket
	}
	if f.Prefix != "" {
		text += " " + f.Prefix
	}
	if f.EngineOlderThan > 0 {
		text += fmt.Sprintf(" engine-%d", f.EngineOlderThan)
	}
	for _, name := range f.Rendition {
		text += " --rendition=" + name
	}
	return text + " " + describe(set) + set.Hash()
}

// resume returns the command that goes on at a cursor.
func (f flags) resume(cursor string) string {
	words := []string{command}
	add := func(flag, value string, given bool) {
		if given {
			words = append(words, "--"+flag+"="+quote(value))
		}
	}
	add("prefix", f.Prefix, f.Prefix != "")
	for _, name := range f.Rendition {
		add("rendition", name, true)
	}
	add("engine-older-than", strconv.Itoa(f.EngineOlderThan), f.EngineOlderThan > 0)
	add("rate", strconv.FormatFloat(f.Rate, 'g', -1, 64), f.Rate > 0)
	add("wait", f.Wait.String(), f.Wait > 0)
	for flag, given := range map[string]bool{"--prune": f.Prune, "--dry-run": f.DryRun, "--yes": f.Yes} {
		if given {
			words = append(words, flag)
		}
	}
	slices.Sort(words[1:])
	add("cursor-file", f.CursorFile, f.CursorFile != "")
	add("cursor", cursor, f.CursorFile == "" && cursor != "")
	return strings.Join(words, " ")
}

// plain matches what a shell leaves as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:~-]+$`)

func quote(value string) string {
	if plain.MatchString(value) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
