//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// root returns the root directory of the repository.
func root(t *testing.T) string {
	t.Helper()
	directory, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return directory
}

// run runs a command in the root of the repository and returns its standard output.
func run(t *testing.T, input string, name string, args ...string) string {
	t.Helper()
	output, err := try(t.Context(), root(t), input, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// try runs a command in a directory and returns its standard output; the error has its standard error.
func try(ctx context.Context, directory, input, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	command.Dir, command.Stderr, command.Stdin = directory, &stderr, strings.NewReader(input)
	command.Env = append(os.Environ(), "KO_CONFIG_PATH=ko.yaml") // as docs/operations/install.md says
	output, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(output), err
}

// kubectl runs kubectl in the namespace, unless args name another one.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, "", "kubectl", append([]string{"--namespace", namespace}, args...)...)
}

// apply applies objects in YAML.
func apply(t *testing.T, text string, args ...string) {
	t.Helper()
	run(t, text, "kubectl", append([]string{"apply", "--filename=-"}, args...)...)
}

// exists reports whether an object, or any object of a kind, exists.
func exists(t *testing.T, args ...string) bool {
	t.Helper()
	return kubectl(t, append([]string{"get", "--ignore-not-found", "--output=name"}, args...)...) != ""
}

// field returns the value at a JSONPath of an object, or "" if the object does not exist.
func field(t *testing.T, object, path string) string {
	t.Helper()
	return kubectl(t, "get", object, "--ignore-not-found", "--output=jsonpath="+path)
}

// patch changes an object by a merge patch.
func patch(t *testing.T, object string, change any) {
	t.Helper()
	text, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "patch", object, "--type=merge", "--patch", string(text))
}

// await waits until done returns true, and logs and returns the duration.
func await(t *testing.T, limit time.Duration, what string, done func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if done() {
			t.Logf("%s after %s", what, since(began))
			return time.Since(began)
		}
		if time.Since(began) > limit {
			t.Fatalf("condition not met after %[2]s: %[1]s\n%[3]s", what, limit, describe(t))
		}
	}
}

// describe returns the state and the logs of the deployment, for failures.
func describe(t *testing.T) string {
	t.Helper()
	state, _ := try(t.Context(), ".", "", "kubectl", "--namespace", namespace,
		"get", "ksvc,revision,broker,trigger,kafkasource,pod")
	logs, _ := try(t.Context(), ".", "", "kubectl", "--namespace", namespace, "logs",
		"--selector=app.kubernetes.io/part-of=image-service", "--container=user-container", "--tail=15", "--prefix")
	return state + logs
}

// since returns the time that has passed, rounded for logs.
func since(began time.Time) time.Duration { return time.Since(began).Round(10 * time.Millisecond) }

// client returns an HTTP client that resolves host names as the cluster does: those of its services, and all others to
// the ingress. It trusts the CAs in roots; nil means those of the system.
func client(t *testing.T, roots *x509.CertPool) *http.Client {
	t.Helper()
	var addresses sync.Map
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		ip, known := addresses.Load(host)
		if !known {
			if ip, err = addressOf(ctx, host); err != nil {
				return nil, err
			}
			addresses.Store(host, ip)
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(ip.(string), port))
	}
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 100, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// addressOf returns the IP address behind a host name. A name outside svc.cluster.local is public and resolves to the
// ingress of upload.
func addressOf(ctx context.Context, host string) (string, error) {
	name, isService := strings.CutSuffix(host, ".svc.cluster.local")
	if !isService {
		ingress, err := try(ctx, ".", "", "kubectl", "--namespace", namespace,
			"get", "ingresses.networking.internal.knative.dev", "upload",
			"--output=jsonpath={.status.publicLoadBalancer.ingress[0].domainInternal}")
		if err != nil {
			return "", err
		}
		if ingress == "" {
			return "", fmt.Errorf("upload has no ingress yet")
		}
		return endpointOf(ctx, ingress)
	}
	service, in, _ := strings.Cut(name, ".")
	output, err := try(ctx, ".", "", "kubectl", "--namespace", in, "get", "service", service,
		"--output=jsonpath={.spec.externalName} {.spec.clusterIP}")
	if err != nil {
		return "", err
	}
	external, ip, _ := strings.Cut(output, " ")
	if external != "" {
		return addressOf(ctx, external)
	}
	return ip, nil
}

// machine returns the address of this machine as pods reach it: that of its route to them.
func machine(t *testing.T) string {
	t.Helper()
	service, err := addressOf(t.Context(), "kubernetes.default.svc.cluster.local")
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("udp", net.JoinHostPort(service, "443")) // which sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	return connection.LocalAddr().(*net.UDPAddr).IP.String()
}

// endpointOf returns the IP address of a pod of a service. A Service does not expose every port of the ingress.
func endpointOf(ctx context.Context, host string) (string, error) {
	service, in, _ := strings.Cut(strings.TrimSuffix(host, ".svc.cluster.local"), ".")
	return try(ctx, ".", "", "kubectl", "--namespace", in, "get", "endpointslices",
		"--selector=kubernetes.io/service-name="+service, "--output=jsonpath={.items[0].endpoints[0].addresses[0]}")
}
