package testservers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// A permission that the functions do not need would go unnoticed without this test.
func TestPermissions(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI_KAFKA_USERS") == "" {
		return // servers without users permit everything
	}
	getenv := testservers.Start(t, testservers.As("image-upload"))
	asFunction := withoutOwn(getenv)
	bucket := getenv("MINIO_BUCKET")
	if err := testservers.MinIO(t, getenv).MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	redis, store := testservers.Redis(t, asFunction), testservers.MinIO(t, asFunction)
	read := func() error {
		brokers, config := testservers.Kafka(t, asFunction)
		config.Consumer.Return.Errors = true
		consumer, err := sarama.NewConsumer(brokers, config)
		if err != nil {
			t.Fatal(err)
		}
		defer consumer.Close()
		records, err := consumer.ConsumePartition(getenv("KAFKA_TOPIC"), 0, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		defer records.AsyncClose()
		return <-records.Errors()
	}
	admin, err := sarama.NewClusterAdmin(testservers.Kafka(t, asFunction))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	topic := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}
	_, put := store.PutObject(t.Context(), "another", "a.png", strings.NewReader("a"), 1, minio.PutObjectOptions{})
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"another key":            {redis.Set(t.Context(), "another", "", 0).Err(), "NOPERM"},
		"all keys":               {redis.Keys(t.Context(), "image:*").Err(), "NOPERM"},
		"settings of Redis":      {redis.ConfigGet(t.Context(), "*").Err(), "NOPERM"},
		"another bucket":         {put, "Access Denied"},
		"remove the bucket":      {store.RemoveBucket(t.Context(), bucket), "Access Denied"},
		"make the bucket public": {store.SetBucketPolicy(t.Context(), bucket, "{}"), "Access Denied"},
		"read the topic":         {read(), "not authorized"},
		"create a topic":         {admin.CreateTopic("another", topic, false), "uthoriz"},
		"delete the topic":       {admin.DeleteTopic(getenv("KAFKA_TOPIC")), "uthoriz"},
		"grant permissions":      {grantEverything(admin), "uthoriz"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", test.err, test.want)
			}
		})
	}
}

// MinIO writes notifications of buckets, and can do nothing else in Kafka.
func TestPermissionsOfNotifications(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI_KAFKA_USERS") == "" {
		return // servers without users permit everything
	}
	getenv := testservers.Start(t, testservers.As("bucket-notifications"))
	brokers, config := testservers.Kafka(t, withoutOwn(getenv))
	config.Producer.Retry.Max = 0
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, topic := range []string{getenv("KAFKA_TOPIC"), getenv("KAFKA_DEAD_LETTER_TOPIC")} {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x")})
		if err == nil || !strings.Contains(err.Error(), "not authorized") {
			t.Errorf("write to %s: got error %v, want %q in it", topic, err, "not authorized")
		}
	}
}

// withoutOwn returns settings by which the test's own clients log in as the function does.
func withoutOwn(getenv func(string) string) func(string) string {
	return func(name string) string {
		if strings.HasPrefix(name, "TEST_") {
			return ""
		}
		return getenv(name)
	}
}

func grantEverything(admin sarama.ClusterAdmin) error {
	return admin.CreateACLs([]*sarama.ResourceAcls{{
		Resource: sarama.Resource{
			ResourceType: sarama.AclResourceTopic, ResourceName: "*", ResourcePatternType: sarama.AclPatternLiteral,
		},
		Acls: []*sarama.Acl{{
			Principal: "User:image-upload", Host: "*",
			Operation: sarama.AclOperationAll, PermissionType: sarama.AclPermissionAllow,
		}},
	}})
}
