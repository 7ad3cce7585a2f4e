package catalog

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab.com/yourorg/image-service/functions/internal/config"
)

// A setting that several functions read is declared once: they agree on it.
func TestOneDeclaration(t *testing.T) {
	declared := map[string]config.Description{}
	for _, function := range Functions() {
		for _, setting := range function.Settings {
			if before, known := declared[setting.Name]; known && !reflect.DeepEqual(before, setting) {
				t.Errorf("%s is declared twice: %+v and %+v", setting, before, setting)
			}
			declared[setting.Name] = setting
		}
	}
	if got := len(Settings()); got != len(declared) {
		t.Errorf("Settings() has %d settings, want %d", got, len(declared))
	}
}

// Settings that other settings turn off are declared all the same.
func TestSettingsOfFunctions(t *testing.T) {
	for _, function := range Functions() {
		t.Run(function.Name, func(t *testing.T) {
			kafka := function.Name == "upload" || function.Name == "dead-letters"
			stores := function.Name == "upload" || function.Name == "thumbnail"
			for name, want := range map[string]bool{
				"LOG_LEVEL": true, "PORT": true,
				"MINIO_ENDPOINT": stores, "REDIS_HOST": stores,
				"KAFKA_TOPIC": kafka, "KAFKA_SASL_PASSWORD": kafka, "KAFKA_CERT_FILE": kafka,
				"K_SINK": function.Name == "upload", "K_CE_OVERRIDES": function.Name == "upload",
				"RATE_LIMIT_BURST": function.Name == "upload", "IGNORE_HEIC_THUMBNAILS": function.Name == "thumbnail",
				"WEBHOOK_ALLOW_NETWORKS": function.Name == "webhook",
			} {
				if got := function.Reads(name); got != want {
					t.Errorf("Reads(%s) = %v, want %v", name, got, want)
				}
			}
		})
	}
}

// Every declaration can stand in a reference page.
func TestDescriptions(t *testing.T) {
	name := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)
	for _, setting := range Settings() {
		t.Run(setting.Name, func(t *testing.T) {
			if !name.MatchString(setting.Name) {
				t.Error("the name is not upper case with underscores")
			}
			if !strings.HasSuffix(setting.Doc, ".") || strings.ContainsAny(setting.Doc, "\n|") {
				t.Errorf("Doc = %q, want sentences on one line", setting.Doc)
			}
			if setting.Required && setting.Default != "" {
				t.Errorf("it is required, with the default %q", setting.Default)
			}
			secret := regexp.MustCompile(`(PASSWORD|SECRET_KEY|ACCESS_KEY|OTLP_HEADERS)$`).MatchString(setting.Name)
			if setting.Secret != secret {
				t.Errorf("Secret = %v, want %v by its name", setting.Secret, secret)
			}
		})
	}
}

func TestGroups(t *testing.T) {
	var titles []string
	for _, group := range Groups() {
		titles = append(titles, group.Title())
	}
	want := []string{
		"All functions", "upload and thumbnail", "upload and dead-letters",
		"upload only", "thumbnail only", "dead-letters only", "webhook only",
	}
	if !slices.Equal(titles, want) {
		t.Errorf("groups are %q, want %q", titles, want)
	}
}
