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
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
	"go.yaml.in/yaml/v3"
)

// gitops is a namespace that Argo CD keeps in sync with a manifests repository on this machine. The test writes to the
// repository with .ci/deploy, as the pipeline does.
type gitops struct {
	*testing.T
	root       string // of this repository
	work       string
	repository string // path of the manifests repository
	namespace  string
	topic      string
	host       string // public host name of upload
}

const (
	gitopsNamespace = "image-service-gitops"
	gitopsPatience  = 5 * time.Minute
)

// TestArgoCD follows the runbook in docs/operations from installation to removal. In between it checks that Argo CD
// deploys a release, reverts manual changes, and rolls back, by commits alone.
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

	t.Run("self-heal", func(t *testing.T) { g.on(t).selfHeal() })
	t.Run("prune", func(t *testing.T) { g.on(t).prune(release) })
	t.Run("rollback", func(t *testing.T) { g.on(t).rollBack(release) })
	for _, page := range []string{
		"upgrade", "scale", "monitoring", "backup", "dead-letters", "secrets", "troubleshooting",
	} {
		t.Run(page, func(t *testing.T) { g.on(t).follow(page) })
	}
	t.Run("uninstall", func(t *testing.T) { g.on(t).uninstall() })
}

// on returns g for a subtest.
func (g *gitops) on(t *testing.T) *gitops {
	t.Helper()
	subtest := *g
	subtest.T = t
	return &subtest
}

// selfHeal checks that Argo CD reverts manual changes, except for the traffic of a Service: Git does not specify it, so
// that a person can direct it to a good revision at once.
func (g *gitops) selfHeal() {
	g.Helper()
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
	g.await("max-scale is reverted", func() bool { return maxScale() == want })
	g.Logf("a manual edit was reverted after %s", since(began))
	if got := serves(); got != good {
		g.Errorf("traffic goes to %q, want %q, as set by hand", got, good)
	}
	g.kubectl("patch", "ksvc", "upload", "--type=merge", "-p",
		`{"spec":{"traffic":[{"latestRevision":true,"percent":100}]}}`)

	began = time.Now()
	g.kubectl("delete", "trigger", "thumbnail-image-uploaded")
	g.await("the Trigger exists again", func() bool { return g.exists("trigger", "thumbnail-image-uploaded") })
	g.await("the Application is healthy again", g.isHealthy)
	g.Logf("a manually deleted Trigger was recreated after %s", since(began))
}

// prune checks that Argo CD deletes what a commit removes.
func (g *gitops) prune(release string) {
	g.Helper()
	extra := fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra, namespace: %s }\n",
		gitopsNamespace)
	g.deploy(release + extra)
	g.await("the added ConfigMap exists", func() bool { return g.exists("configmap", "extra") })
	began := time.Now()
	g.deploy(release)
	g.await("the removed ConfigMap is deleted", func() bool { return !g.exists("configmap", "extra") })
	g.Logf("a removed ConfigMap was deleted after %s", since(began))
	g.await("the Application is synced", g.isHealthy)
}

// rollBack checks that a revision that cannot start gets no request and is reported by Argo CD, and that git revert
// alone rolls it back.
func (g *gitops) rollBack(release string) {
	g.Helper()
	good := g.kubectl("get", "ksvc", "upload", "-o", "jsonpath={.status.latestReadyRevisionName}")
	failed, sent := g.startTraffic()

	began := time.Now()
	g.deploy(broken(g, release))
	g.await("the Application is Degraded", func() bool { return g.application("{.status.health.status}") == "Degraded" })
	g.Logf("a revision that cannot start was reported as Degraded after %s", since(began))
	if got := g.kubectl("get", "ksvc", "upload", "-o", "jsonpath={.status.traffic[*].revisionName}"); got != good {
		g.Errorf("traffic goes to %s, want only %s", got, good)
	}

	began = time.Now()
	g.revert()
	g.await("the Application is healthy after the revert", g.isHealthy)
	g.Logf("healthy again %s after git revert", since(began))
	if failed.Load() != 0 || sent.Load() < 10 {
		g.Errorf("%d of %d requests failed, want none of at least 10", failed.Load(), sent.Load())
	}
}

// broken returns a release in which upload cannot start because a setting is invalid.
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
		if document == nil { // empty document
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

// uninstall checks that deleting the Application deletes what it deployed, except the namespace and its Secrets.
func (g *gitops) uninstall() {
	g.Helper()
	g.follow("uninstall")
	for _, kind := range []string{
		"ksvc", "broker", "trigger", "kafkasource", "revision", "configmap/image-service-config",
	} {
		if left := g.kubectl("get", kind, "--ignore-not-found", "-o", "name"); left != "" {
			g.Errorf("not deleted: %s", left)
		}
	}
	if !g.exists("secret", "image-service-secret") {
		g.Error("the Secret was deleted, want it kept")
	}
}

// follow runs the commands of a page of docs/operations, except for blocks that begin with "# $", which are for people.
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

// here replaces the namespace, files and host in the runbook's commands by those of this test.
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

// newGitops returns nil if Argo CD is not installed.
func newGitops(t *testing.T) *gitops {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	g := &gitops{T: t, root: root, work: t.TempDir(), namespace: gitopsNamespace, topic: gitopsNamespace}
	if !g.exists("crd", "applications.argoproj.io") {
		t.Log("not run: Argo CD is not installed")
		return nil
	}
	t.Cleanup(g.cleanUp)
	before := g.kubectl("get", "configmap", "-n", "argocd", "argocd-cm", "-o", "jsonpath={.data}")
	t.Cleanup(func() { g.removeHealth(before) })
	g.makeTopics()
	g.makeRepository()
	return g
}

// cleanUp runs when the context of the test is already canceled.
func (g *gitops) cleanUp() {
	g.Helper()
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

// removeHealth removes the health checks from Argo CD's settings that were not in them before.
func (g *gitops) removeHealth(before string) {
	g.Helper()
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
	command := exec.Command("kubectl", "patch", "configmap", "-n", "argocd", "argocd-cm",
		"--type=merge", "-p", string(patch))
	if output, err := command.CombinedOutput(); err != nil {
		g.Errorf("%v: %s", err, output)
	}
}

func (g *gitops) removeTopics() {
	g.Helper()
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(g.T, os.Getenv))
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
	g.Helper()
	options := minio.RemoveBucketOptions{ForceDelete: true}
	err := testservers.MinIO(g.T, os.Getenv).RemoveBucketWithOptions(context.Background(), gitopsNamespace, options)
	if err != nil && minio.ToErrorResponse(err).Code != "NoSuchBucket" {
		g.Errorf("remove bucket: %v", err)
	}
}

// topics returns those of uploads, of backfills and of dead letters.
func (g *gitops) topics() []string {
	return []string{g.topic, g.topic + "-backfill", g.topic + "-dead-letters"}
}

func (g *gitops) makeTopics() {
	g.Helper()
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(g.T, os.Getenv))
	if err != nil {
		g.Fatalf("connect to Kafka: %v", err)
	}
	defer admin.Close()
	for _, topic := range g.topics() {
		if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); err != nil {
			g.Fatalf("create topic %s: %v", topic, err)
		}
	}
}

// makeRepository creates an empty manifests repository and a clone of it.
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

// serveRepository serves the repository to pods and returns its URL. Pods reach this machine at the address of Redis.
func (g *gitops) serveRepository() string {
	g.Helper()
	host := podAddress("REDIS_HOST")
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

// resolve returns the overlay dev as Argo CD deploys it, with the addresses of the servers of this test.
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
        KAFKA_BACKFILL_TOPIC: %q
        KAFKA_DEAD_LETTER_TOPIC: %q
  - target: { kind: KafkaSource, name: image-processing }
    patch: |
      kind: any
      metadata: { name: any }
      spec: { bootstrapServers: [%[6]q], topics: [%[7]q], consumerGroup: %[7]q }
  - target: { kind: KafkaSource, name: image-backfill }
    patch: |
      kind: any
      metadata: { name: any }
      spec: { bootstrapServers: [%[6]q], topics: [%[8]q], consumerGroup: %[8]q }
`, base, podAddress("MINIO_ENDPOINT"), gitopsNamespace, podAddress("REDIS_HOST"), os.Getenv("REDIS_PORT"),
		podAddress("KAFKA_BOOTSTRAP_SERVERS"), g.topics()[0], g.topics()[1], g.topics()[2]))
	manifests := strings.NewReplacer(
		"namespace: image-service\n", "namespace: "+gitopsNamespace+"\n",
		"  name: image-service\n", "  name: "+gitopsNamespace+"\n",
	).Replace(g.run(g.root, "kubectl", "kustomize", overlay))
	g.write(filepath.Join(g.work, "overlay.yaml"), manifests)
	return g.run(g.root, "env", "KO_CONFIG_PATH=ko.yaml", "ko", "resolve", "--base-import-paths", "--sbom=none",
		"--filename", filepath.Join(g.work, "overlay.yaml"))
}

// deploy commits a release as the deploy job of the pipeline does.
func (g *gitops) deploy(release string) {
	g.Helper()
	g.write(filepath.Join(g.work, "dev.yaml"), release)
	g.Log(g.run(g.root, "env", "CI_RELEASE="+g.work, "MANIFESTS_REPOSITORY=file://"+g.repository, ".ci/deploy", "dev"))
	g.refresh()
}

// revert reverts the last commit, as a person does.
func (g *gitops) revert() {
	g.Helper()
	clone := filepath.Join(g.work, "clone")
	g.run(clone, "git", "pull", "--quiet", "origin", "main")
	g.run(clone, "git", "revert", "--no-edit", "HEAD")
	g.run(clone, "git", "push", "--quiet", "origin", "HEAD:main")
	g.refresh()
}

// refresh makes Argo CD look for commits at once. By itself it does so every few minutes, or on a webhook.
func (g *gitops) refresh() {
	g.Helper()
	if g.exists("application", gitopsNamespace, "-n", "argocd") {
		g.kubectl("annotate", "application", "-n", "argocd", gitopsNamespace,
			"argocd.argoproj.io/refresh=normal", "--overwrite")
	}
}

// prepare writes the files that the runbook's commands use: the project and the Application for this namespace and
// repository, a photo, and a configuration of curl that connects to the ingress.
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
	curl := fmt.Sprintf("connect-to = \"%s:80:%s:80\"\nsilent\nshow-error\n", g.host, ingress)
	g.write(filepath.Join(g.work, ".curlrc"), curl)
}

// startTraffic sends requests to upload through the ingress until the test ends, and counts them.
func (g *gitops) startTraffic() (failed, sent *atomic.Int64) {
	g.Helper()
	failed, sent = new(atomic.Int64), new(atomic.Int64)
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
			return fmt.Errorf("got %s, want 200", response.Status)
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
			sent.Add(1)
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}()
	g.Cleanup(func() { stop(); <-done })
	return failed, sent
}

// isHealthy reports whether the Application is healthy and synced to the last commit.
func (g *gitops) isHealthy() bool {
	g.Helper()
	head := strings.TrimSpace(g.run(g.work, "git", "--git-dir", g.repository, "rev-parse", "main"))
	return g.application("{.status.sync.status} {.status.health.status} {.status.sync.revision}") == "Synced Healthy "+head
}

// application returns the value at a JSONPath of the Application.
func (g *gitops) application(path string) string {
	g.Helper()
	return g.kubectl("get", "application", "-n", "argocd", gitopsNamespace, "-o", "jsonpath="+path)
}

// await waits until done returns true.
func (g *gitops) await(what string, done func() bool) {
	g.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > gitopsPatience {
			var text bytes.Buffer
			_ = json.Indent(&text, []byte(g.application("{.status}")), "", "  ")
			g.Fatalf("condition not met after %s: %s; status of the Application: %s", gitopsPatience, what, text.String())
		}
		time.Sleep(200 * time.Millisecond)
	}
	g.Logf("%s after %s", what, since(began))
}

func (g *gitops) exists(args ...string) bool {
	g.Helper()
	return g.kubectl(append([]string{"get", "--ignore-not-found", "-o", "name"}, args...)...) != ""
}

// kubectl runs kubectl in the namespace, unless args name another one.
func (g *gitops) kubectl(args ...string) string {
	g.Helper()
	return g.run(g.root, "kubectl", append([]string{"--namespace", g.namespace}, args...)...)
}

// run runs a command and returns its standard output.
func (g *gitops) run(directory, name string, args ...string) string {
	g.Helper()
	command := exec.CommandContext(g.Context(), name, args...)
	var stderr bytes.Buffer
	command.Dir, command.Stderr = directory, &stderr
	output, err := command.Output()
	if err != nil {
		g.Fatalf("%s %q: %v\n%s%s", name, args, err, output, stderr.String())
	}
	return string(output)
}

func (g *gitops) write(file, text string) {
	g.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		g.Fatal(err)
	}
}
