//go:build prometheus

package monitoring_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitlab.com/yourorg/image-service/functions/bench/process"
)

// Every query of the dashboard finds something while the functions work, and every label that an alert or a query
// selects by is there after the operator's relabelling, which has a label "endpoint" of its own.
func TestScrape(t *testing.T) {
	t.Parallel()
	local := startLocal(t)
	prometheus := startPrometheus(t, scrapeConfigs(t, local.metrics, startExporters(t)))
	local.keepWorking(t)
	end := time.Now().Add(5 * time.Minute) // a machine that is busy scrapes and answers late
	var expressions []string
	for _, panel := range panels(t) {
		expression := strings.ReplaceAll(panel, "$namespace", "image-service")
		expressions = append(expressions, expression)
		if !prometheus.finds(t, expression, end) {
			t.Errorf("the dashboard's query finds nothing: %s", expression)
		}
	}
	for _, alert := range alerts(t) {
		expressions = append(expressions, alert.Expr)
	}
	for _, expression := range expressions {
		for _, selector := range selectors(expression) {
			if !prometheus.finds(t, "count("+selector+")", end) {
				t.Errorf("nothing has the labels %s of %s", selector, expression)
			}
		}
	}
}

// selectors returns the selectors of the functions' metrics in an expression, reduced to the labels that say where a
// series comes from: other labels say what went wrong.
func selectors(expression string) (found []string) {
	for _, selector := range regexp.MustCompile(`(\w+)\{([^}]*)\}`).FindAllStringSubmatch(expression, -1) {
		if strings.HasPrefix(selector[1], "kn_") || strings.HasPrefix(selector[1], "kube_") {
			continue
		}
		where := regexp.MustCompile(`\b(service|endpoint|namespace)="[^"]*"`).FindAllString(selector[2], -1)
		if strings.HasPrefix(selector[1], "http_") {
			found = append(found, selector[1]+"{"+strings.Join(where, ",")+"}")
		}
	}
	return found
}

// panels returns the queries of the dashboard.
func panels(t *testing.T) (found []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	read(t, component+"image-service.json", &dashboard) // JSON is YAML
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			found = append(found, target.Expr)
		}
	}
	if len(found) < 15 {
		t.Fatalf("found %d queries in the dashboard, want at least 15", len(found))
	}
	return found
}

// A stack is local mode, which runs the functions.
type stack struct {
	upload, broker, deadLetters string
	metrics                     map[string]string // the addresses of the functions' metrics, by function
}

func startLocal(t *testing.T) stack {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "local")
	build := exec.Command("go", "build", "-tags", "grpcnotrace", "-o", binary, "../local")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build local mode: %v\n%s", err, output)
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	command := exec.Command(binary, "--listen", "127.0.0.1:0", "--webhook", endpoint.URL)
	command.Env = append(os.Environ(), "LOG_LEVEL=ERROR", "TMPDIR="+t.TempDir()) // what it cannot remove when it is killed
	output := start(t, command)
	s := stack{metrics: map[string]string{}}
	row := regexp.MustCompile(`^  (\S.*?)  +http://([^/]+)(\S*)$`)
	for lines := bufio.NewScanner(output); lines.Scan() && lines.Text() != "Press Ctrl-C to stop."; {
		found := row.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		switch name, isMetrics := strings.CutPrefix(found[1], "Metrics of "); {
		case isMetrics:
			s.metrics[name] = found[2]
		case name == "Page":
			s.upload = "http://" + found[2]
		case name == "Broker":
			s.broker = "http://" + found[2] + found[3]
		case name == "Dead letters":
			s.deadLetters = "http://" + found[2]
		}
	}
	if s.upload == "" || s.broker == "" || s.deadLetters == "" || len(s.metrics) < 3 {
		t.Fatalf("local mode printed the addresses %+v, want all", s)
	}
	return s
}

// start starts a command and returns its stdout. It ends with the test.
func start(t *testing.T, command *exec.Cmd) io.Reader {
	t.Helper()
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err == nil {
		err = process.Spawn(command)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return output
}

// keepWorking has the functions do all that they count, again and again until the test ends: an image, a file that is
// damaged, a dead letter that is redriven, results that are posted.
func (s stack) keepWorking(t *testing.T) {
	t.Helper()
	photo, err := os.ReadFile("../../docs/images/sample.jpg")
	if err != nil {
		t.Fatal(err)
	}
	damaged := append(photo[:len(photo)/2:len(photo)/2], "damaged"...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s.post(ctx, s.upload+"/upload?filename=photo.jpg", "image/jpeg", photo)
			s.post(ctx, s.upload+"/upload?filename=damaged.jpg", "image/jpeg", damaged)
			s.post(ctx, s.broker, "application/cloudevents+json", []byte(
				`{"specversion":"1.0","type":"image.uploaded","source":"/test","id":"1","data":{"image_id":"none"}}`))
			s.post(ctx, s.deadLetters+"/redrive", "", nil)
			time.Sleep(200 * time.Millisecond)
		}
	}()
}

// post sends a request. Its answer does not matter: the queries say what came of it.
func (s stack) post(ctx context.Context, address, contentType string, body []byte) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		panic(err) // cannot happen: the address is one that local mode printed
	}
	request.Header.Set("Content-Type", contentType)
	if response, err := http.DefaultClient.Do(request); err == nil {
		response.Body.Close()
	}
}

// startExporters returns the address of metrics that other programs export.
func startExporters(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "kafka_consumergroup_lag{consumergroup=\"image-processor-group\"} 0\n")
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

type (
	scrapeConfig struct {
		Job           string         `yaml:"job_name"`
		Interval      string         `yaml:"scrape_interval"`
		HonorLabels   bool           `yaml:"honor_labels"`
		Static        []staticConfig `yaml:"static_configs"`
		Relabel       []relabelling  `yaml:"relabel_configs,omitempty"`
		MetricRelabel []relabelling  `yaml:"metric_relabel_configs,omitempty"`
	}
	staticConfig struct {
		Targets []string          `yaml:"targets"`
		Labels  map[string]string `yaml:"labels,omitempty"`
	}
	relabelling struct {
		Source      []string `yaml:"source_labels,omitempty"`
		Target      string   `yaml:"target_label,omitempty"`
		Regex       string   `yaml:"regex,omitempty"`
		Replacement string   `yaml:"replacement,omitempty"`
		Action      string   `yaml:"action,omitempty"`
	}
	// monitored is what the operator reads of an endpoint of a PodMonitor.
	monitored struct {
		Port        string
		HonorLabels bool              `yaml:"honorLabels"`
		Relabelings []operatorRelabel `yaml:"relabelings"`
		Metric      []operatorRelabel `yaml:"metricRelabelings"`
	}
	operatorRelabel struct {
		Source      []string `yaml:"sourceLabels"`
		Target      string   `yaml:"targetLabel"`
		Regex       string
		Replacement string
		Action      string
	}
)

// scrapeConfigs returns what the Prometheus operator makes of the first endpoint of the PodMonitor, which is that of
// the functions, and the configuration for other programs. Its own relabelling comes before ours:
// https://github.com/prometheus-operator/prometheus-operator/blob/main/pkg/prometheus/promcfg.go
func scrapeConfigs(t *testing.T, functions map[string]string, exporters string) []scrapeConfig {
	t.Helper()
	var monitor struct {
		Spec struct {
			Endpoints []monitored `yaml:"podMetricsEndpoints"`
		}
	}
	read(t, component+"podmonitor.yaml", &monitor)
	endpoint := monitor.Spec.Endpoints[0]
	config := scrapeConfig{
		Job: "podMonitor/image-service/image-service/0", Interval: "1s", HonorLabels: endpoint.HonorLabels,
	}
	for function, address := range functions {
		config.Static = append(config.Static, staticConfig{[]string{address}, map[string]string{
			"__meta_kubernetes_namespace":                              "image-service",
			"__meta_kubernetes_pod_name":                               function + "-00001-deployment-1",
			"__meta_kubernetes_pod_container_name":                     "user-container",
			"__meta_kubernetes_pod_container_port_name":                "user-port",
			"__meta_kubernetes_pod_label_serving_knative_dev_service":  function,
			"__meta_kubernetes_pod_label_serving_knative_dev_revision": function + "-00001",
		}})
	}
	config.Relabel = []relabelling{
		{Source: []string{"__meta_kubernetes_pod_container_port_name"}, Regex: endpoint.Port, Action: "keep"},
		{Source: []string{"__meta_kubernetes_namespace"}, Target: "namespace"},
		{Source: []string{"__meta_kubernetes_pod_container_name"}, Target: "container"},
		{Source: []string{"__meta_kubernetes_pod_name"}, Target: "pod"},
		{Target: "job", Replacement: "image-service/image-service"},
		{Target: "endpoint", Replacement: endpoint.Port},
	}
	for _, r := range endpoint.Relabelings {
		config.Relabel = append(config.Relabel, relabelling(r))
	}
	for _, r := range endpoint.Metric {
		config.MetricRelabel = append(config.MetricRelabel, relabelling(r))
	}
	others := []staticConfig{{Targets: []string{exporters}}}
	return []scrapeConfig{config, {Job: "exporters", Interval: "1s", Static: others}}
}

// A server is Prometheus.
type server struct{ address string }

func startPrometheus(t *testing.T, scrapes []scrapeConfig) server {
	t.Helper()
	directory := t.TempDir()
	configuration := filepath.Join(directory, "prometheus.yaml")
	write(t, configuration, map[string]any{"scrape_configs": scrapes})
	s := server{freeAddress(t)}
	start(t, exec.Command("prometheus", "--config.file="+configuration, "--web.listen-address="+s.address,
		"--storage.tsdb.path="+filepath.Join(directory, "data"), "--log.level=error"))
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// finds reports whether a query finds a number, now or before end.
func (s server) finds(t *testing.T, query string, end time.Time) bool {
	t.Helper()
	for !s.findsNow(t, query) {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(200 * time.Millisecond)
	}
	return true
}

func (s server) findsNow(t *testing.T, query string) bool {
	t.Helper()
	response, err := http.Get("http://" + s.address + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil { // it is starting
		return false
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return false
	}
	if answer.Error != "" {
		t.Fatalf("query %s: %s", query, answer.Error)
	}
	for _, result := range answer.Data.Result {
		if result.Value[1] != "NaN" {
			return true
		}
	}
	return false
}
