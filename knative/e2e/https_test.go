//go:build e2e

package e2e_test

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
)

// https tests the component tls, with a CA of the cluster in place of Let's Encrypt.
func (s *installation) https(t *testing.T) {
	t.Helper()
	if !exists(t, "crd", "certificates.cert-manager.io") {
		t.Log("not run: cert-manager is not installed")
		return
	}
	authority := kubectl(t, "get", "clusterissuers", "--output=jsonpath={.items[?(@.spec.ca)].metadata.name}")
	if authority == "" {
		t.Fatal("no ClusterIssuer with a CA found")
	}
	routes := build(t, overlay{components: []string{"knative/components/tls"}, patches: fmt.Sprintf(`
  - patch: |
      apiVersion: cert-manager.io/v1
      kind: ClusterIssuer
      metadata: { name: %s }
      $patch: delete
  - patch: |
      apiVersion: cert-manager.io/v1
      kind: Certificate
      metadata: { name: image-api, namespace: %s }
      spec: { issuerRef: { name: %s } }
`, issuer, namespace, authority)})
	apply(t, routes)
	await(t, patience, "the certificate is issued", func() bool {
		return field(t, "certificate/image-api", `{.status.conditions[?(@.type=="Ready")].status}`) == "True"
	})
	certificate, err := base64.StdEncoding.DecodeString(field(t, "secret/image-api-tls", `{.data.ca\.crt}`))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		t.Fatal("the Secret has no CA certificate")
	}
	secure := &installation{http: client(t, roots), bucket: s.bucket, url: "https://" + publicName}
	await(t, patience, "HTTPS answers with the certificate of the CA", func() bool {
		response, err := secure.http.Get(secure.url + "/health")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	secure.completed(t, secure.upload(t, photograph(t, 640, 480)))

	response, err := secure.http.Get("http://" + publicName + "/status/1?a=b")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, want := response.Header.Get("Location"), "https://"+publicName+"/status/1?a=b"
	if response.StatusCode/100 != 3 || got != want {
		t.Errorf("HTTP answered %s with Location %q, want a redirect to %q", response.Status, got, want)
	}
	run(t, routes, "kubectl", "delete", "--filename=-")
}
