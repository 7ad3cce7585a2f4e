//go:build faults

package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// A backend is a real server that can be killed, and restarted with or without its data. The functions connect to it
// through its link; the suite connects directly.
type backend struct {
	name      string
	address   string
	link      *link
	directory string
	data      string // the directory that empty clears
	env       []string
	command   func() ([]string, error)
	probe     func(context.Context) error

	running *process
}

// startLimit bounds the time until a started server responds. Kafka takes 20 s after it was killed, on an otherwise
// idle machine.
const startLimit = 90 * time.Second

// start starts the server and waits until it responds.
func (b *backend) start() error {
	command, err := b.command()
	if err != nil {
		return fmt.Errorf("prepare %s: %w", b.name, err)
	}
	if b.running, err = launch(b.directory, filepath.Join(b.directory, "log"), b.env, command...); err != nil {
		return err
	}
	return b.awaitReady()
}

func (b *backend) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := b.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-b.running.ended:
			return fmt.Errorf("%s exited; its log is %s", b.name, filepath.Join(b.directory, "log"))
		case <-ctx.Done():
			return fmt.Errorf("%s does not respond after %v: %w", b.name, startLimit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (b *backend) kill() { b.running.kill() }

// pause stops the process without closing its connections, so that clients are not notified.
func (b *backend) pause()  { b.running.signal(syscall.SIGSTOP) }
func (b *backend) resume() { b.running.signal(syscall.SIGCONT) }

// empty removes the data of a server that was killed.
func (b *backend) empty() error {
	entries, err := os.ReadDir(b.data)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(b.data, entry.Name())))
	}
	return err
}

// filler is the name of the file that occupies the free space of a disk.
const filler = "filler"

// fill writes to the disk of the server until it is full.
func (b *backend) fill() error {
	file, err := os.Create(filepath.Join(filepath.Dir(b.data), filler))
	if err != nil {
		return err
	}
	defer file.Close()
	for block := make([]byte, 64<<10); ; {
		switch _, err := file.Write(block); {
		case err == nil:
		case len(block) > 1 && errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case errors.Is(err, syscall.ENOSPC):
			return nil
		default:
			return err
		}
	}
}

func (b *backend) unfill() error { return os.Remove(filepath.Join(filepath.Dir(b.data), filler)) }

// backends is one server of each kind, used by the functions of one system.
type backends struct {
	directory           string
	disks               *process // owns the mounts, which end with it
	redis, minio, kafka *backend
	password, secret    string // of Redis and MinIO
	minioCA             string // the path of its certificate

	redisClient *redis.Client
	minioClient *minio.Client
}

// diskSize is the size of a disk in memory: small enough to fill, large enough for everything that a test stores.
const diskSize = "3g"

func startBackends(directory string) (b *backends, err error) {
	b = &backends{directory: directory, password: "redis-password", secret: "minio-secret"}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	if err := b.mount(); err != nil {
		return nil, err
	}
	for _, prepare := range []func() error{b.prepareRedis, b.prepareMinIO, b.prepareKafka} {
		if err := prepare(); err != nil {
			return nil, err
		}
	}
	errs := make(chan error)
	for _, server := range b.servers() {
		go func() { errs <- server.start() }()
	}
	for range b.servers() {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		b.stop()
	}
	return b, err
}

func (b *backends) servers() []*backend { return []*backend{b.redis, b.minio, b.kafka} }

func (b *backends) stop() {
	for _, server := range b.servers() {
		if server.running != nil {
			server.kill()
		}
		server.link.Close()
	}
	b.disks.kill()
}

// show logs the last lines of each server's log.
func (b *backends) show(t *testing.T) {
	t.Helper()
	for _, server := range b.servers() {
		text, _ := os.ReadFile(filepath.Join(server.directory, "log"))
		t.Logf("end of the log of %s:\n%s", server.name, text[max(0, len(text)-1500):])
	}
}

// mount creates the disks in the mount namespace of a process that only sleeps: no other process sees them, and they
// are unmounted when it ends.
func (b *backends) mount() (err error) {
	script := "mkdir minio kafka; for disk in minio kafka; do mount -t tmpfs -o size=" + diskSize +
		" tmpfs $disk && mkdir $disk/data || exit 1; done; echo mounted; exec sleep infinity"
	log := filepath.Join(b.directory, "disks.log")
	command := []string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script}
	if b.disks, err = launch(b.directory, log, nil, command...); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, _ := os.ReadFile(log); strings.Contains(string(text), "mounted\n") {
			return nil
		}
	}
	text, _ := os.ReadFile(log)
	return fmt.Errorf("mount disks: %s", text)
}

// growDisk makes a disk larger, by a number of bytes.
func (b *backends) growDisk(name string, by int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(b.diskPath(name), &disk); err != nil {
		return fmt.Errorf("size of the disk of %s: %w", name, err)
	}
	size := fmt.Sprintf("remount,size=%d", int64(disk.Blocks)*disk.Bsize+by)
	command := b.inMountNamespace("mount", "-o", size, name)
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("grow the disk of %s: %w: %s", name, err, out)
	}
	return nil
}

// inMountNamespace returns the command that runs another one in the mount namespace of the disks.
func (b *backends) inMountNamespace(command ...string) []string {
	namespace := "/proc/" + strconv.Itoa(b.disks.Process.Pid) + "/ns/mnt"
	return append([]string{"nsenter", "--mount=" + namespace, "--wdns=" + b.directory}, command...)
}

// diskPath returns the path of a disk as seen from outside its mount namespace.
func (b *backends) diskPath(name string) string {
	return filepath.Join("/proc", strconv.Itoa(b.disks.Process.Pid), "root", b.directory, name)
}

func (b *backends) prepare(name string) (*backend, error) {
	data := filepath.Join(b.diskPath(name), "data")
	server := &backend{name: name, address: freeAddress(), directory: b.directory, data: data}
	var err error
	server.link, err = newLink(server.address)
	return server, err
}

// prepareRedis configures Redis to append every command to its disk, so that it loses none when it is killed.
func (b *backends) prepareRedis() (err error) {
	if b.redis, err = b.prepare("redis"); err != nil {
		return err
	}
	b.redis.directory = filepath.Join(b.directory, "redis")
	b.redis.data = filepath.Join(b.redis.directory, "data")
	if err := os.MkdirAll(b.redis.data, 0o700); err != nil {
		return err
	}
	_, port, _ := strings.Cut(b.redis.address, ":")
	b.redis.command = func() ([]string, error) {
		return []string{"redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", b.redis.data,
			"--requirepass", b.password, "--save", "", "--appendonly", "yes"}, nil
	}
	b.redisClient = redis.NewClient(&redis.Options{
		Addr: b.redis.address, Password: b.password, MaxRetries: -1, DisableIdentity: true,
	})
	b.redis.probe = func(ctx context.Context) error { return b.redisClient.Ping(ctx).Err() }
	return nil
}

const minioUser = "image-service"

func (b *backends) prepareMinIO() (err error) {
	if b.minio, err = b.prepare("minio"); err != nil {
		return err
	}
	b.minio.directory = filepath.Join(b.directory, "minio-home")
	if err := os.MkdirAll(b.minio.directory, 0o700); err != nil {
		return err
	}
	b.minio.env = []string{
		"MINIO_ROOT_USER=" + minioUser, "MINIO_ROOT_PASSWORD=" + b.secret, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
	}
	certificates := filepath.Join(b.minio.directory, "certificates")
	transport, err := b.certify(certificates)
	if err != nil {
		return err
	}
	b.minio.command = func() ([]string, error) {
		return b.inMountNamespace(
			"minio", "server", "--certs-dir", certificates, "--address", b.minio.address, "minio/data"), nil
	}
	login := credentials.NewStaticV4(minioUser, b.secret, "")
	b.minioClient, err = minio.New(b.minio.address, &minio.Options{Creds: login, Secure: true, Transport: transport})
	b.minio.probe = func(ctx context.Context) error {
		_, err := b.minioClient.ListBuckets(ctx)
		if code := minio.ToErrorResponse(err).Code; code == "SignatureDoesNotMatch" || code == "InvalidAccessKeyId" {
			return nil // it responds, but has other credentials
		}
		return err
	}
	return err
}

// certify makes a certificate for MinIO, over TLS because upload then stores small bodies while they arrive. Pods whose
// clocks are wrong by hours trust it.
func (b *backends) certify(directory string) (*http.Transport, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(2 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	b.minioCA = filepath.Join(directory, "public.crt")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(authority)
	return transport, errors.Join(
		os.MkdirAll(directory, 0o700),
		os.WriteFile(b.minioCA, authority, 0o600),
		os.WriteFile(filepath.Join(directory, "private.key"), secret, 0o600))
}

func (b *backends) prepareKafka() (err error) {
	if b.kafka, err = b.prepare("kafka"); err != nil {
		return err
	}
	b.kafka.directory = filepath.Join(b.directory, "kafka-home")
	if err := os.MkdirAll(b.kafka.directory, 0o700); err != nil {
		return err
	}
	properties := filepath.Join(b.kafka.directory, "server.properties")
	if err := b.writeKafkaProperties(properties); err != nil {
		return err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	java := func(arguments ...string) []string {
		return b.inMountNamespace(append([]string{"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"-Dlog4j2.configurationFile=" + root + "/.ci/kafka/log4j2.properties",
			"-cp", cache() + "/kafka/*"}, arguments...)...)
	}
	b.kafka.command = func() ([]string, error) {
		if _, err := os.Stat(filepath.Join(b.kafka.data, "meta.properties")); errors.Is(err, fs.ErrNotExist) {
			format, err := launch(b.directory, filepath.Join(b.kafka.directory, "log"), nil,
				java("kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", "image-service-ci",
					"--config", properties)...)
			if err != nil {
				return nil, err
			}
			<-format.ended
		}
		return java("kafka.Kafka", properties), nil
	}
	b.kafka.probe = func(ctx context.Context) error {
		admin, err := b.kafkaAdmin()
		if err != nil {
			return err
		}
		defer admin.Close()
		_, err = admin.ListTopics()
		return err
	}
	return nil
}

// writeKafkaProperties writes Kafka's configuration. Kafka advertises the address of its link, so that clients use it.
func (b *backends) writeKafkaProperties(name string) error {
	common, err := os.ReadFile("../../.ci/kafka/server.properties")
	if err != nil {
		return err
	}
	controller := freeAddress()
	return os.WriteFile(name, append(common, fmt.Sprintf(`
listeners=PLAINTEXT://%s,CONTROLLER://%s
advertised.listeners=PLAINTEXT://%s,CONTROLLER://%[2]s
controller.quorum.bootstrap.servers=%[2]s
log.dirs=%[4]s
`, b.kafka.address, controller, b.kafka.link.address(), filepath.Join(b.directory, "kafka", "data"))...), 0o600)
}

func (b *backends) kafkaAdmin() (sarama.ClusterAdmin, error) {
	return sarama.NewClusterAdmin([]string{b.kafka.address}, connect.Kafka{}.Config("image-service-faults"))
}

// makeTopics creates topics, as the platform does in production. It retries while Kafka starts.
func (b *backends) makeTopics(names ...string) error {
	return retry(30*time.Second, func() error {
		admin, err := b.kafkaAdmin()
		if err != nil {
			return err
		}
		defer admin.Close()
		for _, name := range names {
			err := admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false)
			if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
				return err
			}
		}
		return nil
	})
}

func (b *backends) deleteTopic(name string) error {
	return retry(30*time.Second, func() error {
		admin, err := b.kafkaAdmin()
		if err != nil {
			return err
		}
		defer admin.Close()
		return admin.DeleteTopic(name)
	})
}

// retry calls try until it succeeds or the limit has passed, and returns its last error.
func retry(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
