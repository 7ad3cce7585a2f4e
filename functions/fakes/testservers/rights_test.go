package testservers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/minio/minio-go/v7"
	"gitlab.com/yourorg/image-service/functions/fakes/testservers"
)

// What a server lets the functions do that they do not need, nobody would notice otherwise.
func TestRights(t *testing.T) {
	t.Parallel()
	if os.Getenv("CI_KAFKA_USERS") == "" {
		return // servers without users let everybody do everything
	}
	getenv := testservers.Start(t, testservers.As("image-upload"))
	asFunction := func(name string) string {
		if strings.HasPrefix(name, "TEST_") { // who the test is itself
			return ""
		}
		return getenv(name)
	}
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
	_, put := store.PutObject(t.Context(), "another", "a.png", strings.NewReader("a"), 1, minio.PutObjectOptions{})
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"another key":       {redis.Set(t.Context(), "another", "", 0).Err(), "NOPERM"},
		"all keys":          {redis.Keys(t.Context(), "image:*").Err(), "NOPERM"},
		"settings of Redis": {redis.ConfigGet(t.Context(), "*").Err(), "NOPERM"},
		"another bucket":    {put, "Access Denied"},
		"remove the bucket": {store.RemoveBucket(t.Context(), bucket), "Access Denied"},
		"open the bucket":   {store.SetBucketPolicy(t.Context(), bucket, "{}"), "Access Denied"},
		"read the topic":    {read(), "not authorized"},
		"make a topic":      {admin.CreateTopic("another", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false), "uthoriz"},
		"delete the topic":  {admin.DeleteTopic(getenv("KAFKA_TOPIC")), "uthoriz"},
		"more rights":       {allowEverything(admin), "uthoriz"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, test.err, test.want)
		}
	}
}

func allowEverything(admin sarama.ClusterAdmin) error {
	return admin.CreateACLs([]*sarama.ResourceAcls{{
		Resource: sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: "*", ResourcePatternType: sarama.AclPatternLiteral},
		Acls:     []*sarama.Acl{{Principal: "User:image-upload", Host: "*", Operation: sarama.AclOperationAll, PermissionType: sarama.AclPermissionAllow}},
	}})
}
