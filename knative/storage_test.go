//go:build kustomize

package knative_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pinned matches an image with a tag and a digest, or one that ko builds from this module.
var pinned = regexp.MustCompile(`^(ko://gitlab\.com/yourorg/image-service/.*|[^@]+:[^@:/]+@sha256:[0-9a-f]{64})$`)

// Every image that is deployed has a tag and a digest, or is built by us.
func TestImagesArePinned(t *testing.T) {
	for _, overlay := range []string{"dev", "prod"} {
		images := 0
		for _, o := range build(t, overlay, together(componentsFor(t, overlay))...) {
			walk(map[string]any(o), func(fields map[string]any) {
				image, isImage := fields["image"].(string)
				if !isImage {
					return
				}
				if images++; !pinned.MatchString(image) {
					t.Errorf("%s: %v uses the image %s, want one with a tag and a digest", overlay, o.at("metadata", "name"), image)
				}
			})
		}
		if images < 6 {
			t.Errorf("%s: found %d images, want at least 6", overlay, images)
		}
	}
}

// In each namespace of the component, nothing is reached unless a policy says so.
func TestStoragePolicies(t *testing.T) {
	for _, components := range [][]string{{"storage"}, {"storage", "servers-tls", "storage-tls"}} {
		objects := build(t, "prod", components...)
		var namespaces []string
		for _, o := range ofKind(objects, "Namespace") {
			namespaces = append(namespaces, o.at("metadata", "name").(string))
		}
		slices.Sort(namespaces)
		if want := []string{"image-service", "kafka", "minio", "redis"}; !slices.Equal(namespaces, want) {
			t.Errorf("the namespaces are %q, want %q", namespaces, want)
		}
		for _, namespace := range namespaces {
			policies := ofKind(objects, "NetworkPolicy")
			i := slices.IndexFunc(policies, func(o object) bool {
				selector, _ := o.at("spec", "podSelector").(map[string]any)
				types := fmt.Sprint(o.at("spec", "policyTypes"))
				return o.at("metadata", "namespace") == namespace && len(selector) == 0 && strings.Contains(types, "Ingress") &&
					o.at("spec", "ingress") == nil && o.at("spec", "egress") == nil
			})
			if i < 0 {
				t.Errorf("%s has no policy that denies what is not allowed", namespace)
				continue
			}
			types := fmt.Sprint(policies[i].at("spec", "policyTypes"))
			if namespace != "kafka" && types != "[Ingress Egress]" {
				t.Errorf("%s denies %s, want both directions", namespace, types)
			}
		}
	}
}

// Store and Redis let the functions in at the ports that the functions are configured with.
func TestStorageLetsFunctionsIn(t *testing.T) {
	objects := build(t, "prod", "storage")
	for namespace, port := range map[string]int{"minio": 9000, "redis": 6379} {
		allowed := false
		for _, o := range ofKind(objects, "NetworkPolicy") {
			if o.at("metadata", "namespace") != namespace || o.at("spec", "ingress") == nil {
				continue
			}
			from := fmt.Sprint(o.at("spec", "ingress", "from"))
			allowed = o.at("spec", "ingress", "ports", "port") == port && strings.Contains(from, "image-service") &&
				strings.Contains(from, "upload-events")
			pods, _ := o.at("spec", "podSelector", "matchLabels").(map[string]any)
			if !runs(objects, namespace, pods) {
				t.Errorf("%s: no workload has the labels %v", namespace, pods)
			}
		}
		if !allowed {
			t.Errorf("%s does not let the functions in at %d", namespace, port)
		}
	}
}

// runs reports whether a workload in a namespace has pods with these labels.
func runs(objects []object, namespace string, labels map[string]any) bool {
	workloads := append(ofKind(objects, "StatefulSet"), ofKind(objects, "Deployment")...)
	return slices.ContainsFunc(workloads, func(o object) bool {
		got, _ := o.at("spec", "template", "metadata", "labels").(map[string]any)
		for name, value := range labels {
			if got[name] != value {
				return false
			}
		}
		return o.at("metadata", "namespace") == namespace && len(labels) > 0
	})
}

// The functions have users of their own: no administrator's credentials are in their namespace, Redis has no default
// user, and the policy of the bucket grants what the tests with MinIO run with, but for making the bucket.
func TestStorageUsers(t *testing.T) {
	for _, components := range [][]string{{"storage"}, {"storage", "servers-tls", "storage-tls"}} {
		objects := build(t, "prod", components...)
		for _, o := range objects {
			text := fmt.Sprint(map[string]any(o))
			inFunctions := o.at("metadata", "namespace") == "image-service"
			if inFunctions && (strings.Contains(text, "store-admin") || strings.Contains(strings.ToUpper(text), "ROOT_")) {
				t.Errorf("%s %v has an administrator's credentials", o["kind"], o.at("metadata", "name"))
			}
			if o["kind"] == "Deployment" && o.at("metadata", "name") == "redis-master" {
				arguments := fmt.Sprint(o.at("spec", "template", "spec", "containers", "args"))
				for _, want := range []string{"user default off", "user image-service on", "/rights/redis.acl"} {
					if !strings.Contains(arguments, want) {
						t.Errorf("%v: Redis is started with %s, want %q in it", components, arguments, want)
					}
				}
			}
			if o["kind"] == "ConfigMap" && o.at("metadata", "name") == "image-service-config" {
				if user := o.at("data", "REDIS_USERNAME"); user != "image-service" {
					t.Errorf("%v: the functions log in to Redis as %v, want image-service", components, user)
				}
			}
		}
	}
	user, want := grants(t, "storage/bucket-policy.json"), grants(t, "storage-tls/minio-policy.json")
	want = slices.DeleteFunc(want, func(grant string) bool {
		return grant == "s3:CreateBucket arn:aws:s3:::images" || strings.Contains(grant, ":::scans")
	})
	if !slices.Equal(user, want) {
		t.Errorf("the policy of the bucket grants %q, want %q", user, want)
	}
}

// grants returns the actions of a policy with their resources.
func grants(t *testing.T, name string) (grants []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("components", name))
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct {
			Effect           string
			Principal        map[string]string
			Action, Resource []string
		}
	}
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	for _, statement := range policy.Statement {
		if user := statement.Principal["AWS"]; statement.Effect != "Allow" || user != "" && user != "image-service" {
			t.Errorf("%s has %+v", name, statement)
		}
		for _, action := range statement.Action {
			for _, resource := range statement.Resource {
				grants = append(grants, action+" "+resource)
			}
		}
	}
	slices.Sort(grants)
	return grants
}

// What the store has answered for is on the disk: versitygw does not flush its files itself.
func TestStoreIsDurable(t *testing.T) {
	objects := build(t, "prod", "storage")
	for _, store := range ofKind(objects, "StatefulSet") {
		claim := store.at("spec", "volumeClaimTemplates", "spec", "storageClassName")
		for _, class := range ofKind(objects, "StorageClass") {
			options, _ := class["mountOptions"].([]any)
			if class.at("metadata", "name") == claim && !slices.Contains(options, any("sync")) {
				t.Errorf("the volume of %v is mounted with %v, want sync", store.at("metadata", "name"), options)
			}
		}
	}
}
