package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/connect"
	"go.yaml.in/yaml/v3"
)

// kafkaUser has the permissions in a KafkaUser of Strimzi.
type kafkaUser struct {
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Authorization struct {
			ACLs []struct {
				Resource struct {
					Type sarama.AclResourceType `yaml:"type"`
					Name string                 `yaml:"name"`
				} `yaml:"resource"`
				Operations []sarama.AclOperation `yaml:"operations"`
			} `yaml:"acls"`
		} `yaml:"authorization"`
	} `yaml:"spec"`
}

func provisionKafka(users string) error {
	acls, err := readACLs(users)
	if err != nil {
		return err
	}
	connection, err := connect.From(os.Getenv, connect.ReadKafka)
	if err != nil {
		return err
	}
	config := connection.Config("image-service-provision")
	config.Net.ReadTimeout = 30 * time.Second // Kafka has only just started
	admin, err := sarama.NewClusterAdmin(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateACLs(acls)
}

// readACLs makes each resource's name a prefix.
func readACLs(users string) ([]*sarama.ResourceAcls, error) {
	file, err := os.Open(users)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var acls []*sarama.ResourceAcls
	for decoder := yaml.NewDecoder(file); ; {
		var user kafkaUser
		err := decoder.Decode(&user)
		if errors.Is(err, io.EOF) {
			return acls, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", users, err)
		}
		for _, acl := range user.Spec.Authorization.ACLs {
			resource := &sarama.ResourceAcls{Resource: sarama.Resource{
				ResourceType: acl.Resource.Type, ResourceName: acl.Resource.Name, ResourcePatternType: sarama.AclPatternPrefixed,
			}}
			for _, operation := range acl.Operations {
				resource.Acls = append(resource.Acls, &sarama.Acl{
					Principal: "User:" + user.Metadata.Name, Host: "*",
					Operation: operation, PermissionType: sarama.AclPermissionAllow,
				})
			}
			acls = append(acls, resource)
		}
	}
}
