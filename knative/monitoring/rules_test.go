//go:build prometheus

// Package monitoring_test holds that the alerts and the dashboard see what the functions report, with Debian's
// Prometheus:
//
//	go test -tags prometheus ./knative/monitoring
//
// Each alert fires on its fault and resolves after it (promtool), and each query of the dashboard finds something in
// the metrics of the running functions, scraped with the labels that the Prometheus operator gives them.
package monitoring_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

// component is the directory of what is tested.
const component = "../components/monitoring/"

// A fault is what an alert is for, as series of samples a minute apart in promtool's notation.
type fault struct {
	alert    string
	series   map[string]string
	firesAt  string
	resolved string // the time at which it does not fire anymore
}

// Series, some with a status or a bound to fill in.
const (
	upload     = `{namespace="image-service",service="upload",method="POST",endpoint="/upload",`
	uploads    = `http_requests_total` + upload + `status="%s"}`
	slowUpload = `http_request_duration_seconds_bucket` + upload + `le="%s"}`
	ages       = `image_time_to_thumbnail_seconds_%s{namespace="image-service",service="thumbnail"%s}`
	tasks      = `tasks_processed_total{namespace="image-service",service="thumbnail",status="%s"}`
	container  = `{namespace="image-service",pod="upload-1",container="user-container"`
	restarts   = `kube_pod_container_status_restarts_total` + container + `}`
	trigger    = `{consumergroup="knative-trigger-image-service-thumbnail-image-uploaded"}`
	triggerLag = `kafka_consumergroup_lag` + trigger
	offset     = `kafka_consumergroup_current_offset` + trigger
	expiry     = `certmanager_certificate_expiration_timestamp_seconds{namespace="image-service",name="image-service"}`
	webhook    = `webhook_deliveries_total{service="webhook",webhook="orders",outcome="%s"}`
	argoCD     = `argocd_app_info{name="image-service",dest_namespace="image-service"` // without its end
)

// Each fault lasts for half an hour unless its alert waits longer. An alert with two conditions has a fault for each.
var faults = []fault{
	{"ImageEventsNotDelivered", map[string]string{
		`kafka_consumergroup_lag{consumergroup="image-dead-letters"}`: "0 3x30 0x60",
	}, "5m", "40m"},
	{"ImageDeadLettersRefused", map[string]string{
		`http_requests_total{service="dead-letters",method="POST",endpoint="/",status="503"}`: "0+5x30 150x60",
	}, "10m", "50m"},
	{"ImageDeadLetterCut", map[string]string{
		`dead_letters_raw_total{service="dead-letters",kind="cut"}`: "0x5 1x90",
	}, "10m", "80m"},
	{"ImageEventsDiscarded", map[string]string{
		`kn_eventing_kafka_discarded_events_1_total{kn_trigger_namespace="image-service",kn_trigger_name="a"}`: "0x5 2x60",
	}, "10m", "40m"},
	{"ImageBacklogGrows", map[string]string{triggerLag: "0+100x30 0x60"}, "25m", "40m"},
	{"ImageDeliveryStands", map[string]string{triggerLag: "5x30 0x60", offset: "7x30 12x60"}, "25m", "40m"},
	{"ImageAnnouncementsFail", map[string]string{
		`image_outbox_age_seconds{service="upload"}`: "0+60x30 0x60",
	}, "20m", "40m"},
	{"ImageAnnouncementsFail", map[string]string{
		`images_swept_total{service="upload",outcome="error"}`: "0+1x30 30x60",
	}, "20m", "60m"},
	{"ImageDeletionsWait", map[string]string{
		`image_deletion_age_seconds{service="upload"}`: "0+60x30 0x60",
	}, "25m", "40m"},
	{"ImagesWereForgotten", map[string]string{
		`images_swept_total{service="upload",outcome="found"}`: "0x5 4x60",
	}, "10m", "40m"},
	{"ImageUploadsFail", map[string]string{
		fmt.Sprintf(uploads, "200"): "0+60x90",
		fmt.Sprintf(uploads, "503"): "0+6x30 180x60",
	}, "15m", "50m"},
	{"ImageUploadBudgetBurns", map[string]string{
		fmt.Sprintf(uploads, "200"): "0+60x180",
		fmt.Sprintf(uploads, "503"): "0x30 0+2x60 120x180",
	}, "70m", "130m"},
	{"ImageUploadBudgetBurns", map[string]string{ // slowly
		fmt.Sprintf(uploads, "200"): "0+992x220",
		fmt.Sprintf(uploads, "503"): "0+8x90 720x120",
	}, "60m", "140m"},
	{"ImageUploadsSlow", map[string]string{
		fmt.Sprintf(slowUpload, "5"):    "0x30 0+60x60",
		fmt.Sprintf(slowUpload, "10"):   "0+60x90",
		fmt.Sprintf(slowUpload, "+Inf"): "0+60x90",
	}, "25m", "60m"},
	{"ImageThumbnailBudgetBurns", map[string]string{
		fmt.Sprintf(ages, "bucket", `,le="30.0"`): "0+60x30 1800+40x60 4200+60x180",
		fmt.Sprintf(ages, "count", ""):            "0+60x300",
	}, "70m", "130m"},
	{"ImageThumbnailBudgetBurns", map[string]string{ // slowly
		fmt.Sprintf(ages, "bucket", `,le="30.0"`): "0+92x90 8280+100x120",
		fmt.Sprintf(ages, "count", ""):            "0+100x220",
	}, "60m", "150m"},
	{"ImageThumbnailsFail", map[string]string{
		fmt.Sprintf(tasks, "success"): "0+60x90",
		fmt.Sprintf(tasks, "error"):   "0+20x30 600x60",
	}, "15m", "50m"},
	{"ImageFunctionRestarts", map[string]string{restarts: "0x5 1 2 3 4x80"}, "10m", "40m"},
	{"ImageFunctionOutOfMemory", map[string]string{
		restarts: "0x5 1x80",
		`kube_pod_container_status_last_terminated_reason` + container + `,reason="OOMKilled"}`: "0x5 1x80",
	}, "10m", "40m"},
	{"ImageBackfillFails", map[string]string{
		`backfill_images_total{service="thumbnail-backfill",outcome="made"}`:      "0+60x90",
		`backfill_images_total{service="thumbnail-backfill",outcome="abandoned"}`: "0x5 1x90",
	}, "15m", "40m"},
	{"ImageBackfillFails", map[string]string{
		`backfill_images_total{service="thumbnail-backfill",outcome="made"}`:  "0+1x90",
		`backfill_images_total{service="thumbnail-backfill",outcome="error"}`: "0+9x30 270x60",
	}, "15m", "60m"},
	{"ImagesCanNotWork", map[string]string{
		fmt.Sprintf(tasks, "success"): "0+60x180",
		fmt.Sprintf(tasks, "failed"):  "0+30x80 2400x100",
	}, "70m", "150m"},
	{"ImageAbandoned", map[string]string{fmt.Sprintf(tasks, "abandoned"): "0x5 1x60"}, "10m", "40m"},
	{"ImageDecoderPanics", map[string]string{
		`decoder_panics_total{service="thumbnail",format="heic"}`: "0x5 1x60",
	}, "10m", "40m"},
	{"ImageStoreUnfit", map[string]string{
		`object_store_requirement_met{service="upload",requirement="conditional_put"}`: "0x30 1x60",
	}, "5m", "40m"},
	{"ImageApiKeysBad", map[string]string{`api_keys_bad{service="upload"}`: "1x30 0x60"}, "10m", "40m"},
	{"ImageSigningKeysBad", map[string]string{`signing_keys_bad{service="upload"}`: "1x30 0x60"}, "10m", "40m"},
	{"ImageIssuerKeysBad", map[string]string{`issuer_keys_bad{service="upload"}`: "1x30 0x60"}, "10m", "40m"},
	{"ImageWebhookFails", map[string]string{
		fmt.Sprintf(webhook, "rejected"):  "0+3x30 90x60",
		fmt.Sprintf(webhook, "delivered"): "0x30 0+1x60",
	}, "25m", "50m"},
	{"ImageWebhookEndpointsBad", map[string]string{`webhook_endpoints_bad{service="webhook"}`: "1x30 0x60"}, "10m", "40m"},
	{"ImageServiceNotAsInGit", map[string]string{
		argoCD + `,sync_status="OutOfSync",health_status="Healthy"}`: "1x30 _x60",
		argoCD + `,sync_status="Synced",health_status="Healthy"}`:    "_x30 1x60",
	}, "20m", "50m"},
	{"ImageServiceNotAsInGit", map[string]string{
		argoCD + `,sync_status="Synced",health_status="Degraded"}`: "1x30 _x60",
		argoCD + `,sync_status="Synced",health_status="Healthy"}`:  "_x30 1x60",
	}, "20m", "50m"},
	{"ImageCertificateEnds", map[string]string{
		// Samples begin at time 0, so 1000000 s is less than 14 days, and 9000000 s is more.
		expiry: "1000000x90 9000000x90",
	}, "70m", "100m"},
}

// A healthy service has none of these alerts, whatever its load.
var healthy = map[string]string{
	fmt.Sprintf(uploads, "200"):             "0+600x90",
	fmt.Sprintf(uploads, "400"):             "0+600x90",
	fmt.Sprintf(slowUpload, "5"):            "0+1200x90",
	fmt.Sprintf(slowUpload, "+Inf"):         "0+1200x90",
	fmt.Sprintf(tasks, "success"):           "0+600x90",
	fmt.Sprintf(tasks, "failed"):            "0+60x90",
	triggerLag:                              "20x90",
	offset:                                  "0+600x90",
	`image_outbox_age_seconds`:              "2x90",
	`image_deletion_age_seconds`:            "200x90",
	`object_store_requirement_met`:          "1x90",
	`api_keys_bad`:                          "0x90",
	`issuer_keys_bad`:                       "0x90",
	`dead_letters_raw_total`:                "3x90",
	`webhook_endpoints_bad`:                 "0x90",
	fmt.Sprintf(webhook, "delivered"):       "0+60x90",
	fmt.Sprintf(webhook, "rejected"):        "0+6x90",
	restarts:                                "1x90",
	`images_swept_total{outcome="a"}`:       "0+5x90",
	fmt.Sprintf(ages, "bucket", `,le="30"`): "0+600x90",
	fmt.Sprintf(ages, "count", ""):          "0+603x90",
}

type (
	testFile struct {
		RuleFiles []string   `yaml:"rule_files"`
		Tests     []testCase `yaml:"tests"`
	}
	testCase struct {
		Name        string           `yaml:"name"`
		Interval    string           `yaml:"interval"`
		Series      []inputSeries    `yaml:"input_series"`
		Expressions []expressionTest `yaml:"promql_expr_test"`
	}
	inputSeries struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	expressionTest struct {
		Expr    string   `yaml:"expr"`
		At      string   `yaml:"eval_time"`
		Samples []sample `yaml:"exp_samples"`
	}
	sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
)

func TestAlertsFire(t *testing.T) {
	t.Parallel()
	file := testFile{RuleFiles: []string{"rules.yaml"}, Tests: []testCase{{
		Name: "healthy", Interval: "1m", Series: seriesOf(healthy),
		Expressions: []expressionTest{{Expr: `count(ALERTS{alertstate="firing"})`, At: "80m"}},
	}}}
	tested := map[string]bool{}
	for _, f := range faults {
		tested[f.alert] = true
		firing := fmt.Sprintf(`count by (alertname) (ALERTS{alertname=%q, alertstate="firing"})`, f.alert)
		file.Tests = append(file.Tests, testCase{
			Name: f.alert, Interval: "1m", Series: seriesOf(f.series),
			Expressions: []expressionTest{
				{Expr: firing, At: f.firesAt, Samples: []sample{{fmt.Sprintf("{alertname=%q}", f.alert), 1}}},
				{Expr: firing, At: f.resolved},
			},
		})
	}
	for _, alert := range alerts(t) {
		if !tested[alert.Alert] {
			t.Errorf("no fault has the alert %s fire", alert.Alert)
		}
	}
	directory := t.TempDir()
	write(t, filepath.Join(directory, "rules.yaml"), map[string]any{"groups": rules(t).Spec.Groups})
	write(t, filepath.Join(directory, "tests.yaml"), file)
	command := exec.Command("promtool", "test", "rules", "tests.yaml")
	command.Dir = directory
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, output)
	}
}

func seriesOf(values map[string]string) (series []inputSeries) {
	for name, value := range values {
		series = append(series, inputSeries{name, value})
	}
	return series
}

// A rule is one of rules.yaml.
type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

type ruleFile struct {
	Spec struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
}

func rules(t *testing.T) (file ruleFile) {
	t.Helper()
	read(t, component+"rules.yaml", &file)
	return file
}

func alerts(t *testing.T) (found []rule) {
	t.Helper()
	for _, group := range rules(t).Spec.Groups {
		for _, r := range group.Rules {
			if r.Alert != "" {
				found = append(found, r)
			}
		}
	}
	return found
}

func read(t *testing.T, name string, value any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Unmarshal(text, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name string, value any) {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err == nil {
		err = os.WriteFile(name, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
