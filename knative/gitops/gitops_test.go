// Package gitops_test checks that the pipeline, the Argo CD resources and the manifests agree, without running any of
// them. It does not test Argo CD itself; knative/e2e does.
package gitops_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"go.yaml.in/yaml/v3"
)

// object is a document of a YAML file.
type object map[string]any

// at returns the value at a path of field names, or nil.
func (o object) at(names ...string) any {
	var value any = map[string]any(o)
	for _, name := range names {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = fields[name]
	}
	return value
}

func read(t *testing.T, file string) object {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := yaml.Unmarshal(text, &fields); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return fields
}

// commands returns the script lines of a job of the pipeline, including those that it inherits.
func commands(pipeline object, job string) (lines []string) {
	for _, part := range []string{"before_script", "script", "after_script"} {
		owner := job
		for owner != "" && pipeline.at(owner, part) == nil {
			owner, _ = pipeline.at(owner, "extends").(string)
		}
		if owner == "" {
			owner = "default"
		}
		list, _ := pipeline.at(owner, part).([]any)
		for _, line := range list {
			lines = append(lines, line.(string))
		}
	}
	return lines
}

// jobs returns the names of the jobs, without templates, in the order of their stages.
func jobs(pipeline object) (names []string) {
	stages := pipeline["stages"].([]any)
	stageOf := func(job string) any {
		for job != "" && pipeline.at(job, "stage") == nil {
			job, _ = pipeline.at(job, "extends").(string)
		}
		return pipeline.at(job, "stage")
	}
	for name, value := range pipeline {
		if _, isMap := value.(map[string]any); isMap && !strings.HasPrefix(name, ".") && stageOf(name) != nil {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if byStage := slices.Index(stages, stageOf(a)) - slices.Index(stages, stageOf(b)); byStage != 0 {
			return byStage
		}
		return strings.Compare(a, b)
	})
	return names
}

// Every job runs exactly one program of .ci, which exists, or go test.
func TestPipeline(t *testing.T) {
	pipeline := read(t, "../../.gitlab-ci.yml")
	want := []string{
		"examples", "faults", "stores", "test", "build", "signer", "files", "scan", "sign",
		"deploy-dev", "deploy-prod", "publish",
	}
	if got := jobs(pipeline); !slices.Equal(got, want) {
		t.Fatalf("jobs are %q, want %q", got, want)
	}
	program := regexp.MustCompile(`(?:^|[ ;&|])(\.ci/[a-z-]+|go test)`)
	for _, job := range want {
		found := 0
		for _, line := range commands(pipeline, job) {
			for _, match := range program.FindAllStringSubmatch(line, -1) {
				if found++; match[1] == "go test" {
					continue
				}
				info, err := os.Stat(filepath.Join("../..", match[1]))
				if err != nil || info.Mode()&0o111 == 0 {
					t.Errorf("%s runs %s, which is not an executable file: %v", job, match[1], err)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s runs %d programs, want 1: move longer scripts to .ci", job, found)
		}
	}
}

// Every job runs in an image that is named by its digest.
func TestPipelineImages(t *testing.T) {
	pinned := regexp.MustCompile(`^[^@]+:[^@:/]+@sha256:[0-9a-f]{64}$`)
	images := 0
	for owner, value := range read(t, "../../.gitlab-ci.yml") {
		fields, isMap := value.(map[string]any)
		if image := object(fields).at("image"); isMap && image != nil {
			if images++; !pinned.MatchString(image.(string)) {
				t.Errorf("%s: the image is %v, want one with a tag and a digest", owner, image)
			}
		}
	}
	if images == 0 {
		t.Error("there is no image")
	}
}

// The signing key is where no code of others runs but cosign: in one job, which compiles and installs nothing, has no
// cache, and takes only what three jobs before it have built; its variables belong to an environment of its own.
func TestSigningKey(t *testing.T) {
	pipeline := read(t, "../../.gitlab-ci.yml")
	for _, job := range jobs(pipeline) {
		_, hasToken := pipeline.at(job, "id_tokens").(map[string]any)
		environment := pipeline.at(job, "environment")
		if fields, isMap := environment.(map[string]any); isMap {
			environment = fields["name"]
		}
		if isSigner := job == "sign"; hasToken != isSigner || (environment == "signing") != isSigner {
			t.Errorf("%s: has a token of Sigstore: %v, is in the environment %v", job, hasToken, environment)
		}
	}
	sign := object(pipeline["sign"].(map[string]any))
	if got, want := sign["script"], []any{".ci/sign"}; !slices.Equal(got.([]any), want) {
		t.Errorf("sign runs %q, want %q", got, want)
	}
	if cache, isList := sign["cache"].([]any); !isList || len(cache) > 0 {
		t.Errorf("sign has the cache %v, which other jobs can write", sign["cache"])
	}
	var sources []string // of the files that it takes
	for _, need := range sign["needs"].([]any) {
		switch need := need.(type) {
		case string:
			sources = append(sources, need)
		case map[string]any:
			if need["artifacts"] != false {
				sources = append(sources, need["job"].(string))
			}
		}
	}
	if want := []string{"build", "signer", "files"}; !slices.Equal(sources, want) {
		t.Errorf("sign takes files of %q, want %q", sources, want)
	}
	foreign := regexp.MustCompile(`\.ci/install|\b(go|npm|npx|pip|pip3|mvn|ko|crane|apt-get|curl|wget|docker)\s`)
	text, err := os.ReadFile("../../.ci/sign")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		code, _, _ := strings.Cut(line, "#")
		if match := foreign.FindString(code); match != "" {
			t.Errorf(".ci/sign runs %q", match)
		}
	}
}

// Whatever CI compiles has a checksum.
func TestProgramsHaveChecksums(t *testing.T) {
	text, err := os.ReadFile("../../.ci/install")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile(`(?m)^  \[([a-z-]+)\]=([^' ]+)/?[^' ]*@(v\S+)$`)
	checksum := regexp.MustCompile(`(?m)^  \[([a-z-]+)\]='(\S+) h1:[A-Za-z0-9+/]{43}='$`)
	modules := map[string]string{}
	for _, match := range checksum.FindAllStringSubmatch(string(text), -1) {
		modules[match[1]] = match[2]
	}
	programs := program.FindAllStringSubmatch(string(text), -1)
	for _, match := range programs {
		if module := modules[match[1]]; module == "" || !strings.HasPrefix(match[2], module) {
			t.Errorf("%s: the program is %s, and the module with a checksum %q", match[1], match[2], module)
		}
	}
	if len(programs) < 9 || len(programs) != len(modules) {
		t.Errorf("found %d programs and %d checksums", len(programs), len(modules))
	}
}

// The deploy jobs deploy what the build job resolves, and the Application reads the path that they write.
func TestDeployments(t *testing.T) {
	pipeline := read(t, "../../.gitlab-ci.yml")
	application, project := read(t, "application.yaml"), read(t, "project.yaml")
	repository := pipeline.at("variables", "MANIFESTS_REPOSITORY")
	if got := application.at("spec", "source", "repoURL"); got != repository {
		t.Errorf("the Application reads %v, the pipeline writes to %v", got, repository)
	}
	if got := project.at("spec", "sourceRepos").([]any); !slices.Equal(got, []any{repository}) {
		t.Errorf("sourceRepos of the project are %v, want %v", got, repository)
	}
	if got, want := application.at("spec", "project"), project.at("metadata", "name"); got != want {
		t.Errorf("project of the Application is %v, want %v", got, want)
	}
	built := strings.Fields(commands(pipeline, "build")[1])[1:]
	var deployed []string
	for _, job := range []string{"deploy-dev", "deploy-prod"} {
		overlay := pipeline.at(job, "environment").(string)
		deployed = append(deployed, overlay)
		kustomization := read(t, overlay+"/Kustomization")
		if got, want := kustomization["resources"], []any{"../../overlays/" + overlay}; !slices.Equal(got.([]any), want) {
			t.Errorf("resources of %s are %v, want %v", overlay, got, want)
		}
		if got, want := kustomization["components"], []any{"../waves"}; !slices.Equal(got.([]any), want) {
			t.Errorf("components of %s are %v, want %v", overlay, got, want)
		}
	}
	if !slices.Equal(built, deployed) {
		t.Errorf("the pipeline builds %q but deploys %q", built, deployed)
	}
	if got, want := application.at("spec", "source", "path"), "image-service/prod"; got != want {
		t.Errorf("path of the Application is %v, want %v", got, want)
	}
	script, err := os.ReadFile("../../.ci/deploy")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), `"image-service/$1/manifests.yaml"`) {
		t.Error(".ci/deploy does not write image-service/$1/manifests.yaml")
	}
}

// Every Knative kind in the manifests has a health check.
func TestHealthKinds(t *testing.T) {
	checks := read(t, "health.yaml").at("data").(map[string]any)
	group := regexp.MustCompile(`(?m)^apiVersion: ([a-z.]+\.knative\.dev)/\S+\nkind: (\S+)$`)
	files := 0
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for _, match := range group.FindAllStringSubmatch(string(text), -1) {
			if checks["resource.customizations.health."+match[1]+"_"+match[2]] == nil {
				t.Errorf("%s has a %s, for which health.yaml has no check", path, match[2])
			}
		}
		return err
	})
	if err != nil {
		t.Errorf("read the manifests: %v", err)
	}
	if files < 7 {
		t.Errorf("read %d manifests, want at least 7", files)
	}
}

// The health checks run in Lua with only the base and table libraries, as in Argo CD.
func TestHealth(t *testing.T) {
	for _, test := range []struct {
		name, object  string
		status, about string
	}{
		{"new", `{metadata: {generation: 1}}`, "Progressing", "not set yet"},
		{"without conditions", `{metadata: {generation: 1}, status: {observedGeneration: 1}}`, "Progressing", "not set yet"},
		{"ready", `{metadata: {generation: 2}, status: {observedGeneration: 2, conditions: [
			{type: Addressable, status: "True"}, {type: Ready, status: "True"}]}}`, "Healthy", ""},
		{"ready, without an optional part", `{metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [
			{type: Optional, status: "False"}, {type: Ready, status: "True"}]}}`, "Healthy", ""},
		{"ready before the last change", `{metadata: {generation: 3}, status: {observedGeneration: 2, conditions: [
			{type: Ready, status: "True"}]}}`, "Progressing", "last change"},
		{"ready, without observedGeneration", `{metadata: {generation: 3}, status: {conditions: [
			{type: Ready, status: "True"}]}}`, "Healthy", ""},
		{"reconciling", `{metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [
			{type: Ready, status: Unknown, reason: Deploying}]}}`, "Progressing", "Deploying"},
		{"failed", `{metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [
			{type: Ready, status: "False", reason: RevisionFailed, message: "LOG_LEVEL is LOUD"}]}}`, "Degraded", "LOG_LEVEL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var fields map[string]any
			if err := yaml.Unmarshal([]byte(test.object), &fields); err != nil {
				t.Fatal(err)
			}
			for key, script := range read(t, "health.yaml").at("data").(map[string]any) {
				status, message := health(t, script.(string), fields)
				if status != test.status || !strings.Contains(message, test.about) {
					t.Errorf("%s: got %s %q, want %s and a message with %q", key, status, message, test.status, test.about)
				}
			}
		})
	}
}

// health runs a check on an object.
func health(t *testing.T, script string, fields map[string]any) (status, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.SetGlobal("obj", luaValue(state, fields))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	answer, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		t.Fatalf("the check returned %s, want a table", state.Get(-1))
	}
	return answer.RawGetString("status").String(), answer.RawGetString("message").String()
}

func luaValue(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case int:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(luaValue(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, item := range value {
			table.RawSetString(name, luaValue(state, item))
		}
		return table
	}
	return lua.LNil
}
