//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"go.yaml.in/yaml/v3"
)

// gitops is a namespace that Argo CD keeps like a manifests repository that this test writes with .ci/deploy, as the
// pipeline does, and that Argo CD reads from this machine.
type gitops struct {
	*testing.T
	root       string // of this project
	work       string
	repository string // as this machine names it
	namespace  string
	topic      string
	host       string // of upload, as the ingress knows it
}

const (
	gitopsNamespace = "image-service-gitops"
	gitopsPatience  = 5 * time.Minute
)

// The runbook in docs/operations, from installing to uninstalling, and between them the tasks of Argo CD: a release is
// deployed, kept as it is, and rolled back, by commits alone.
func TestArgoCD(t *testing.T) {
	g := newGitops(t)
	if g == nil {
		return
	}
	release := g.resolve()
	g.deploy(release)
	g.prepare()
	g.follow("install")
	g.Logf("kinds and their health: %s", g.application(`{range .status.resources[*]}{.kind}={.health.status} {end}`))

	t.Run("heals", func(t *testing.T) { g.on(t).heals() })
	t.Run("prunes", func(t *testing.T) { g.on(t).prunes(release) })
	t.Run("goes back", func(t *testing.T) { g.on(t).goesBack(release) })
	for _, page := range []string{
		"upgrade", "scale", "monitoring", "backup", "dead-letters", "secrets", "troubleshooting",
	} {
		t.Run(page, func(t *testing.T) { g.on(t).follow(page) })
	}
	t.Run("uninstall", func(t *testing.T) { g.on(t).uninstalls() })
}

func (g *gitops) on(t *testing.T) *gitops {
	other := *g
	other.T = t
	return &other
}

// What is edited or deleted by hand comes back, but for where the traffic goes: Git has no word about that, so a person
// can send it to a good revision at once.
func (g *gitops) heals() {
	serves := func() string {
		return g.kubectl("get", "ksvc", "upload", "-o", "jsonpath={.spec.traffic[*].revisionName}")
	}
	good := g.kubectl("get", "ksvc", "upload", "-o", "jsonpath={.status.latestReadyRevisionName}")
	g.kubectl("patch", "ksvc", "upload", "--type=merge", "-p",
		fmt.Sprintf(`{"spec":{"traffic":[{"revisionName":%q,"percent":100}]}}`, good))

	annotation := `jsonpath={.spec.template.metadata.annotations.autoscaling\.knative\.dev/max-scale}`
	maxScale := func() string { return g.kubectl("get", "ksvc", "upload", "-o", annotation) }
	want := maxScale()
	began := time.Now()
	g.kubectl("patch", "ksvc", "upload", "--type=merge", "-p",
		`{"spec":{"template":{"metadata":{"annotations":{"autoscaling.knative.dev/max-scale":"77"}}}}}`)
	g.await("max-scale again", func() bool { return maxScale() == want })
	g.Logf("an edit by hand was undone after %s", since(began))
	if got := serves(); got != good {
		g.Errorf("traffic goes to %q, want %q, where it was sent by hand", got, good)
	}
	g.kubectl("patch", "ksvc", "upload", "--type=merge", "-p", `{"spec":{"traffic":[{"latestRevision":true,"percent":100}]}}`)

	began = time.Now()
	g.kubectl("delete", "trigger", "thumbnail-image-uploaded")
	g.await("the Trigger again", func() bool { return g.exists("trigger", "thumbnail-image-uploaded") })
	g.await("healthy again", g.isHealthy)
	g.Logf("a Trigger that was deleted by hand was back after %s", since(began))
}

// What a commit no longer has goes.
func (g *gitops) prunes(release string) {
	extra := fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra, namespace: %s }\n", gitopsNamespace)
	g.deploy(release + extra)
	g.await("what a commit adds", func() bool { return g.exists("configmap", "extra") })
	began := time.Now()
	g.deploy(release)
	g.await("without what a commit removes", func() bool { return !g.exists("configmap", "extra") })
	g.Logf("what a commit removes was gone after %s", since(began))
	g.await("synced", g.isHealthy)
}

// A revision that can not start gets no request, Argo CD says so, and git revert is all it takes.
func (g *gitops) goesBack(release string) {
	good := g.kubectl("get", "ksvc", "upload", "-o", "jsonpath={.status.latestReadyRevisionName}")
	failed, asked := g.askAllTheTime()

	began := time.Now()
	g.deploy(broken(g, release))
	g.await("Degraded", func() bool { return g.application("{.status.health.status}") == "Degraded" })
	g.Logf("a revision that can not start was shown as Degraded after %s", since(began))
	if got := g.kubectl("get", "ksvc", "upload", "-o", "jsonpath={.status.traffic[*].revisionName}"); got != good {
		g.Errorf("traffic goes to %s, want %s alone", got, good)
	}

	began = time.Now()
	g.revert()
	g.await("healthy after the revert", g.isHealthy)
	g.Logf("healthy again %s after git revert", since(began))
	if failed.Load() != 0 || asked.Load() < 10 {
		g.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
}

// broken is a release whose upload stops at once, because one of its settings is wrong.
func broken(g *gitops, release string) string {
	g.Helper()
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	decoder := yaml.NewDecoder(strings.NewReader(release))
	for {
		var document map[string]any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return text.String()
		} else if err != nil {
			g.Fatal(err)
		}
		if document == nil { // nothing between two lines of ---
			continue
		}
		if document["kind"] == "Service" && document["metadata"].(map[string]any)["name"] == "upload" {
			pod := document["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
			container := pod["containers"].([]any)[0].(map[string]any)
			container["env"] = append(container["env"].([]any), map[string]any{"name": "LOG_LEVEL", "value": "LOUD"})
		}
		if err := encoder.Encode(document); err != nil {
			g.Fatal(err)
		}
	}
}

// Deleting the Application deletes what it deployed, but for the namespace and the secrets in it.
func (g *gitops) uninstalls() {
	g.follow("uninstall")
	for _, kind := range []string{"ksvc", "broker", "trigger", "kafkasource", "revision", "configmap/image-service-config"} {
		if left := g.kubectl("get", kind, "--ignore-not-found", "-o", "name"); left != "" {
			g.Errorf("left: %s", left)
		}
	}
	if !g.exists("secret", "image-service-secret") {
		g.Error("the secret is gone, too")
	}
}

// follow runs the commands of a page of docs/operations, except for the blocks that are for a person, which begin with "# $".
func (g *gitops) follow(page string) {
	g.Helper()
	text, err := os.ReadFile(filepath.Join(g.root, "docs/operations", page+".md"))
	if err != nil {
		g.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "\n```") {
		commands, isShell := strings.CutPrefix(block, "sh\n")
		if i%2 == 0 || !isShell || strings.HasPrefix(commands, "# $") {
			continue
		}
		began := time.Now()
		command := exec.CommandContext(g.Context(), "bash", "-euo", "pipefail", "-c", g.here(commands))
		command.Dir = g.root
		command.Env = append(os.Environ(), "CURL_HOME="+g.work, "HARBOR_PULL_PASSWORD=none", "EVENT_ID=none")
		output, err := command.CombinedOutput()
		g.Logf("%s\n%s(%s)", commands, output, since(began))
		if err != nil {
			g.Fatalf("%s: %v", page, err)
		}
	}
}

// here has the runbook's commands mean this test's namespace, files and ingress.
func (g *gitops) here(commands string) string {
	return strings.NewReplacer(
		"namespace image-service", "namespace "+gitopsNamespace,
		"-n image-service", "-n "+gitopsNamespace,
		".image-service.svc", "."+gitopsNamespace+".svc",
		"application image-service", "application "+gitopsNamespace,
		"application/image-service", "application/"+gitopsNamespace,
		"appproject image-service", "appproject "+gitopsNamespace,
		"knative/gitops/project.yaml", filepath.Join(g.work, "project.yaml"),
		"knative/gitops/application.yaml", filepath.Join(g.work, "application.yaml"),
		"photo.jpg", filepath.Join(g.work, "photo.jpg"),
		"https://api.yourdomain.com", "http://"+g.host,
	).Replace(commands)
}

// newGitops is nil where there is no Argo CD.
func newGitops(t *testing.T) *gitops {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	g := &gitops{T: t, root: root, work: t.TempDir(), namespace: gitopsNamespace, topic: gitopsNamespace}
	if !g.exists("crd", "applications.argoproj.io") {
		t.Log("Argo CD is not on this cluster: nothing was tried")
		return nil
	}
	t.Cleanup(g.cleanUp)
	before := g.kubectl("get", "configmap", "-n", "argocd", "argocd-cm", "-o", "jsonpath={.data}")
	t.Cleanup(func() { g.removeHealth(before) })
	g.makeTopics()
	g.makeRepository()
	return g
}

// The context of the test is over when this runs.
func (g *gitops) cleanUp() {
	for _, args := range [][]string{
		{"delete", "application", "-n", "argocd", gitopsNamespace, "--ignore-not-found", "--timeout=3m"},
		{"delete", "appproject", "-n", "argocd", gitopsNamespace, "--ignore-not-found"},
		{"delete", "namespace", gitopsNamespace, "--ignore-not-found", "--timeout=3m"},
	} {
		if output, err := exec.Command("kubectl", args...).CombinedOutput(); err != nil {
			g.Errorf("kubectl %q: %v\n%s", args, err, output)
		}
	}
	g.removeTopics()
	g.removeBucket()
}

// removeHealth takes out of Argo CD's settings what was not in them before.
func (g *gitops) removeHealth(before string) {
	text, err := os.ReadFile(filepath.Join(g.root, "knative/gitops/health.yaml"))
	var health struct {
		Data map[string]any `yaml:"data"`
	}
	if err = errors.Join(err, yaml.Unmarshal(text, &health)); err != nil {
		g.Error(err)
		return
	}
	for key := range health.Data {
		health.Data[key] = nil
		if strings.Contains(before, `"`+key+`"`) {
			delete(health.Data, key)
		}
	}
	patch, err := json.Marshal(map[string]any{"data": health.Data})
	if err != nil {
		g.Error(err)
		return
	}
	command := exec.Command("kubectl", "patch", "configmap", "-n", "argocd", "argocd-cm", "--type=merge", "-p", string(patch))
	if output, err := command.CombinedOutput(); err != nil {
		g.Errorf("%v: %s", err, output)
	}
}

func (g *gitops) removeTopics() {
	admin, err := sarama.NewClusterAdmin(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), sarama.NewConfig())
	if err != nil {
		g.Errorf("connect to Kafka: %v", err)
		return
	}
	defer admin.Close()
	for _, topic := range g.topics() {
		if err := admin.DeleteTopic(topic); err != nil {
			g.Errorf("delete topic %s: %v", topic, err)
		}
	}
}

func (g *gitops) removeBucket() {
	client, err := minio.New(os.Getenv("MINIO_ENDPOINT"), &minio.Options{
		Creds: credentials.NewStaticV4(os.Getenv("MINIO_ACCESS_KEY"), os.Getenv("MINIO_SECRET_KEY"), ""),
	})
	if err == nil {
		err = client.RemoveBucketWithOptions(context.Background(), gitopsNamespace, minio.RemoveBucketOptions{ForceDelete: true})
	}
	if err != nil && minio.ToErrorResponse(err).Code != "NoSuchBucket" {
		g.Errorf("remove bucket: %v", err)
	}
}

func (g *gitops) topics() []string { return []string{g.topic, g.topic + "-dead-letters"} }

func (g *gitops) makeTopics() {
	g.Helper()
	admin, err := sarama.NewClusterAdmin(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), sarama.NewConfig())
	if err != nil {
		g.Fatalf("connect to Kafka: %v", err)
	}
	defer admin.Close()
	for _, topic := range g.topics() {
		if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
			g.Fatalf("make topic %s: %v", topic, err)
		}
	}
}

// makeRepository makes an empty manifests repository and serves it to Argo CD.
func (g *gitops) makeRepository() {
	g.Helper()
	g.repository = filepath.Join(g.work, "git", "manifests.git")
	clone := filepath.Join(g.work, "clone")
	g.run(g.work, "git", "init", "--quiet", "--bare", "--initial-branch=main", g.repository)
	g.run(g.work, "git", "clone", "--quiet", g.repository, clone)
	for _, setting := range []string{"user.name", "user.email"} {
		g.run(clone, "git", "config", setting, "e2e@localhost")
	}
	g.run(clone, "git", "commit", "--quiet", "--allow-empty", "--message", "empty")
	g.run(clone, "git", "push", "--quiet", "origin", "HEAD:main")
}

// serveRepository gives the address of the repository for pods. They reach this machine where they reach Redis.
func (g *gitops) serveRepository() string {
	g.Helper()
	host := os.Getenv("POD_REDIS_HOST")
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		g.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	daemon := exec.Command("git", "daemon", "--export-all", "--listen="+host, "--port="+port,
		"--base-path="+filepath.Dir(g.repository), filepath.Dir(g.repository))
	if err := daemon.Start(); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	return "git://" + net.JoinHostPort(host, port) + "/manifests.git"
}

// resolve is the development overlay as Argo CD gets it, with the addresses of the servers that this test has.
func (g *gitops) resolve() string {
	g.Helper()
	overlay := filepath.Join(g.work, "overlay")
	base, err := filepath.Rel(overlay, filepath.Join(g.root, "knative/gitops/dev"))
	if err != nil {
		g.Fatal(err)
	}
	if err := os.Mkdir(overlay, 0o755); err != nil {
		g.Fatal(err)
	}
	g.write(filepath.Join(overlay, "Kustomization"), fmt.Sprintf(`kind: Kustomization
resources: [%s]
patches:
  - target: { kind: ConfigMap, name: image-service-config }
    patch: |
      kind: any
      metadata: { name: any }
      data:
        MINIO_ENDPOINT: %q
        MINIO_BUCKET: %q
        REDIS_HOST: %q
        REDIS_PORT: %q
        KAFKA_BOOTSTRAP_SERVERS: %q
        KAFKA_TOPIC: %q
        KAFKA_DEAD_LETTER_TOPIC: %q
  - target: { kind: KafkaSource }
    patch: |
      kind: any
      metadata: { name: any }
      spec: { bootstrapServers: [%[6]q], topics: [%[7]q], consumerGroup: %[3]q }
`, base, os.Getenv("POD_MINIO_ENDPOINT"), gitopsNamespace, os.Getenv("POD_REDIS_HOST"), os.Getenv("REDIS_PORT"),
		os.Getenv("POD_KAFKA_BOOTSTRAP_SERVERS"), g.topics()[0], g.topics()[1]))
	manifests := strings.NewReplacer(
		"namespace: image-service\n", "namespace: "+gitopsNamespace+"\n",
		"  name: image-service\n", "  name: "+gitopsNamespace+"\n",
	).Replace(g.run(g.root, "kubectl", "kustomize", overlay))
	g.write(filepath.Join(g.work, "overlay.yaml"), manifests)
	return g.run(g.root, "env", "KO_CONFIG_PATH=ko.yaml", "ko", "resolve", "--base-import-paths", "--sbom=none",
		"--filename", filepath.Join(g.work, "overlay.yaml"))
}

// deploy does what the pipeline's job does.
func (g *gitops) deploy(release string) {
	g.Helper()
	g.write(filepath.Join(g.work, "dev.yaml"), release)
	g.Log(g.run(g.root, "env", "CI_RELEASE="+g.work, "MANIFESTS_REPOSITORY=file://"+g.repository, ".ci/deploy", "dev"))
	g.refresh()
}

// revert takes back the last commit, as a person does.
func (g *gitops) revert() {
	g.Helper()
	clone := filepath.Join(g.work, "clone")
	g.run(clone, "git", "pull", "--quiet", "origin", "main")
	g.run(clone, "git", "revert", "--no-edit", "HEAD")
	g.run(clone, "git", "push", "--quiet", "origin", "HEAD:main")
	g.refresh()
}

// refresh asks Argo CD to look for commits now, which it does every few minutes or when a webhook tells it to.
func (g *gitops) refresh() {
	g.Helper()
	if g.exists("application", gitopsNamespace, "-n", "argocd") {
		g.kubectl("annotate", "application", "-n", "argocd", gitopsNamespace, "argocd.argoproj.io/refresh=normal", "--overwrite")
	}
}

// prepare writes the files that the runbook's commands name: the project and the Application for this namespace and
// repository, a photo, and where curl finds the Service.
func (g *gitops) prepare() {
	g.Helper()
	replacer := strings.NewReplacer(
		"https://gitlab.com/yourorg/k8s-manifests.git", g.serveRepository(),
		"path: image-service/prod", "path: image-service/dev",
		"name: image-service\n", "name: "+gitopsNamespace+"\n",
		"project: image-service\n", "project: "+gitopsNamespace+"\n",
		"namespace: image-service\n", "namespace: "+gitopsNamespace+"\n",
	)
	for _, file := range []string{"project.yaml", "application.yaml"} {
		text, err := os.ReadFile(filepath.Join(g.root, "knative/gitops", file))
		if err != nil {
			g.Fatal(err)
		}
		g.write(filepath.Join(g.work, file), replacer.Replace(string(text)))
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 640, 480)), nil); err != nil {
		g.Fatal(err)
	}
	g.write(filepath.Join(g.work, "photo.jpg"), photo.String())
	domain := g.run(g.root, "kubectl", "-n", "knative-serving", "get", "configmap", "config-domain",
		"-o", `go-template={{range $name, $_ := .data}}{{if ne $name "_example"}}{{$name}}{{end}}{{end}}`)
	g.host = "upload." + gitopsNamespace + "." + domain
	ingress := strings.TrimPrefix(os.Getenv("INGRESS"), "http://")
	g.write(filepath.Join(g.work, ".curlrc"), fmt.Sprintf("connect-to = \"%s:80:%s:80\"\nsilent\nshow-error\n", g.host, ingress))
}

// askAllTheTime has requests go to upload, through the ingress, until the test ends.
func (g *gitops) askAllTheTime() (failed, asked *atomic.Int64) {
	g.Helper()
	failed, asked = new(atomic.Int64), new(atomic.Int64)
	ask := func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("INGRESS")+"/health", nil)
		if err != nil {
			return err
		}
		request.Host = g.host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", response.Status)
		}
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ticker := time.NewTicker(100 * time.Millisecond); ; {
			if err := ask(ctx); err != nil && ctx.Err() == nil {
				g.Logf("a request failed: %v", err)
				failed.Add(1)
			}
			asked.Add(1)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	g.Cleanup(func() { stop(); <-done })
	return failed, asked
}

// isHealthy tells whether everything is as the last commit has it, and well.
func (g *gitops) isHealthy() bool {
	g.Helper()
	head := strings.TrimSpace(g.run(g.work, "git", "--git-dir", g.repository, "rev-parse", "main"))
	return g.application("{.status.sync.status} {.status.health.status} {.status.sync.revision}") == "Synced Healthy "+head
}

func (g *gitops) application(path string) string {
	g.Helper()
	return g.kubectl("get", "application", "-n", "argocd", gitopsNamespace, "-o", "jsonpath="+path)
}

func (g *gitops) await(what string, done func() bool) {
	g.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > gitopsPatience {
			var text bytes.Buffer
			_ = json.Indent(&text, []byte(g.application("{.status}")), "", "  ")
			g.Fatalf("not %s after %s: %s", what, gitopsPatience, text.String())
		}
		time.Sleep(200 * time.Millisecond)
	}
	g.Logf("%s after %s", what, since(began))
}

func since(began time.Time) time.Duration { return time.Since(began).Round(100 * time.Millisecond) }

func (g *gitops) exists(args ...string) bool {
	g.Helper()
	return g.kubectl(append([]string{"get", "--ignore-not-found", "-o", "name"}, args...)...) != ""
}

// kubectl works in the namespace unless args name another one.
func (g *gitops) kubectl(args ...string) string {
	g.Helper()
	return g.run(g.root, "kubectl", append([]string{"--namespace", g.namespace}, args...)...)
}

// run gives what a command writes to its standard output.
func (g *gitops) run(directory, name string, args ...string) string {
	g.Helper()
	command := exec.CommandContext(g.Context(), name, args...)
	var faults bytes.Buffer
	command.Dir, command.Stderr = directory, &faults
	output, err := command.Output()
	if err != nil {
		g.Fatalf("%s %q: %v\n%s%s", name, args, err, output, faults.String())
	}
	return string(output)
}

func (g *gitops) write(file, text string) {
	g.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		g.Fatal(err)
	}
}
