// Package catalog lists the functions and their settings, for programs and tests that are about all of them: the
// generator of the reference pages, knative/local, and the tests of the manifests. The functions do not import it.
package catalog

import (
	"slices"
	"strings"

	"gitlab.com/yourorg/image-service/functions/deadletter/deadletter"
	"gitlab.com/yourorg/image-service/functions/internal/config"
	"gitlab.com/yourorg/image-service/functions/thumbnail/thumbnailer"
	upload "gitlab.com/yourorg/image-service/functions/upload/service"
	"gitlab.com/yourorg/image-service/functions/webhook/webhook"
)

// A Function is one of the service's functions.
type Function struct {
	// Name is that of its Knative Service.
	Name string
	// Package is the import path of its command, which ko builds.
	Package string
	// Component is that of the manifests which deploys it; "" for the base.
	Component string
	// Settings are those that it reads, in the order in which it reads them.
	Settings []config.Description
}

// Image is how the manifests refer to the image that ko builds.
func (f Function) Image() string { return "ko://" + f.Package }

// Reads reports whether the function reads the setting called name.
func (f Function) Reads(name string) bool {
	return slices.ContainsFunc(f.Settings, func(setting config.Description) bool { return setting.Name == name })
}

const packages = "gitlab.com/yourorg/image-service/functions/"

// Functions returns all functions, in the order of an image's life.
func Functions() []Function {
	return []Function{
		{Name: "upload", Package: packages + "upload", Settings: upload.Settings()},
		{Name: "thumbnail", Package: packages + "thumbnail", Settings: thumbnailer.Settings()},
		{Name: "dead-letters", Package: packages + "deadletter", Settings: deadletter.Settings()},
		{Name: "webhook", Package: packages + "webhook", Component: "webhooks", Settings: webhook.Settings()},
	}
}

// Settings returns the settings of all functions, each once.
func Settings() (all []config.Description) {
	for _, group := range Groups() {
		all = append(all, group.Settings...)
	}
	return all
}

// A Group is the settings that the same functions read.
type Group struct {
	// Functions are the names of those that read the settings.
	Functions []string
	// All reports whether all functions do.
	All      bool
	Settings []config.Description
}

// Title names the functions of the group, such as "upload and thumbnail".
func (g Group) Title() string {
	if g.All {
		return "All functions"
	}
	last := len(g.Functions) - 1
	if last == 0 {
		return g.Functions[0] + " only"
	}
	return strings.Join(g.Functions[:last], ", ") + " and " + g.Functions[last]
}

// Groups returns all settings, by the functions that read them. Groups of more functions come first.
func Groups() []Group {
	functions := Functions()
	var groups []Group
	seen := map[string]bool{}
	for _, function := range functions {
		for _, setting := range function.Settings {
			if seen[setting.Name] {
				continue
			}
			seen[setting.Name] = true
			readers := readersOf(functions, setting.Name)
			i := slices.IndexFunc(groups, func(g Group) bool { return slices.Equal(g.Functions, readers) })
			if i < 0 {
				i = len(groups)
				groups = append(groups, Group{Functions: readers, All: len(readers) == len(functions)})
			}
			groups[i].Settings = append(groups[i].Settings, setting)
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return len(b.Functions) - len(a.Functions) })
	return groups
}

func readersOf(functions []Function, setting string) (names []string) {
	for _, function := range functions {
		if function.Reads(setting) {
			names = append(names, function.Name)
		}
	}
	return names
}
