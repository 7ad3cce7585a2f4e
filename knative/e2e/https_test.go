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
	if !issuesCertificates(t) {
		t.Log("not run: cert-manager is not installed")
		return
	}
	routes := build(t, overlay{components: []string{"knative/components/tls"}, patches: clusterAuthority(t)})
	apply(t, routes)
	secure := s.overHTTPS(t)
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

// issuesCertificates reports whether cert-manager is installed.
func issuesCertificates(t *testing.T) bool {
	t.Helper()
	return exists(t, "crd", "certificates.cert-manager.io")
}

// clusterAuthority returns patches of the component tls by which a CA of the cluster issues the certificate.
func clusterAuthority(t *testing.T) string {
	t.Helper()
	authority := kubectl(t, "get", "clusterissuers", "--output=jsonpath={.items[?(@.spec.ca)].metadata.name}")
	if authority == "" {
		t.Fatal("no ClusterIssuer with a CA found")
	}
	return fmt.Sprintf(`
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
`, issuer, namespace, authority)
}

// overHTTPS returns the installation as clients reach it at its public name, once it has its certificate.
func (s *installation) overHTTPS(t *testing.T) *installation {
	t.Helper()
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
	return secure
}
