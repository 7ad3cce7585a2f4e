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

// kafkaUser is Strimzi's, as far as it is about rights.
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

func grantKafka(users string) error {
	rights, err := rightsOf(users)
	if err != nil {
		return err
	}
	way, err := connect.From(os.Getenv, connect.ReadKafka)
	if err != nil {
		return err
	}
	config := way.Config("image-service-provision")
	config.Net.ReadTimeout = 30 * time.Second // Kafka has only just started
	admin, err := sarama.NewClusterAdmin(strings.Split(os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), ","), config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateACLs(rights)
}

func rightsOf(users string) ([]*sarama.ResourceAcls, error) {
	file, err := os.Open(users)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var rights []*sarama.ResourceAcls
	for decoder := yaml.NewDecoder(file); ; {
		var user kafkaUser
		err := decoder.Decode(&user)
		if errors.Is(err, io.EOF) {
			return rights, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", users, err)
		}
		for _, to := range user.Spec.Authorization.ACLs {
			right := &sarama.ResourceAcls{Resource: sarama.Resource{
				ResourceType: to.Resource.Type, ResourceName: to.Resource.Name, ResourcePatternType: sarama.AclPatternPrefixed,
			}}
			for _, operation := range to.Operations {
				right.Acls = append(right.Acls, &sarama.Acl{
					Principal: "User:" + user.Metadata.Name, Host: "*", Operation: operation, PermissionType: sarama.AclPermissionAllow,
				})
			}
			rights = append(rights, right)
		}
	}
}
