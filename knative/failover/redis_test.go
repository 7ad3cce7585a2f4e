//go:build redis

package failover

import (
	"context"
	"net"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"gitlab.com/yourorg/image-service/functions/connect"
)

// killPrimary kills the server that has the statuses and the outbox.
func (s *service) killPrimary(t *testing.T) {
	t.Helper()
	client := s.open(t)
	text, err := s.primary(t, client).Info(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`process_id:(\d+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("INFO has no process_id: %q", text)
	}
	pid, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// closeConnections has the servers close the connections of all other clients.
func (s *service) closeConnections(t *testing.T) {
	t.Helper()
	closeOthers := func(ctx context.Context, server *redis.Client) error {
		return server.ClientKillByFilter(ctx, "TYPE", "normal").Err()
	}
	var err error
	switch client := s.open(t).(type) {
	case *redis.ClusterClient:
		err = client.ForEachMaster(t.Context(), closeOthers)
	case *redis.Client:
		err = closeOthers(t.Context(), client)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// open returns a client with the administrator's login.
func (s *service) open(t *testing.T) redis.UniversalClient {
	t.Helper()
	client := connect.OpenRedis(s.redis)
	t.Cleanup(func() { client.Close() })
	return client
}

func (s *service) primary(t *testing.T, client redis.UniversalClient) *redis.Client {
	t.Helper()
	cluster, isCluster := client.(*redis.ClusterClient)
	if !isCluster {
		return client.(*redis.Client)
	}
	node, err := cluster.MasterForKey(t.Context(), connect.Tagged(client, bucketName()))
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// A node is a primary of the cluster.
type node struct {
	id     string
	ip     string
	port   string // for TLS, if the service uses it
	client redis.UniversalClient
}

// moveSlot moves the slot of the bucket to another node, as redis-cli --cluster reshard does.
// https://redis.io/docs/latest/commands/cluster-setslot/
func (s *service) moveSlot(t *testing.T) {
	t.Helper()
	cluster := s.open(t).(*redis.ClusterClient)
	slot := int(cluster.ClusterKeySlot(t.Context(), connect.Tagged(cluster, bucketName())).Val())
	from, to := s.ends(t, cluster, slot)
	do := func(n node, arguments ...any) {
		t.Helper()
		if err := n.client.Do(t.Context(), arguments...).Err(); err != nil {
			t.Fatalf("%v: %v", arguments[:2], err)
		}
	}
	do(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id)
	do(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
	for {
		keys, err := from.client.ClusterGetKeysInSlot(t.Context(), slot, 10).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		migrate := []any{"MIGRATE", to.ip, to.port, "", 0, 5000, "AUTH2", s.redis.Username, s.redis.Password, "KEYS"}
		for _, key := range keys {
			migrate = append(migrate, key)
		}
		do(from, migrate...)
	}
	do(to, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
	do(from, "CLUSTER", "SETSLOT", slot, "NODE", to.id)
}

// ends returns the primary that has a slot, and another one.
func (s *service) ends(t *testing.T, cluster *redis.ClusterClient, slot int) (from, to node) {
	t.Helper()
	shards, err := cluster.ClusterShards(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		primary, works := s.primaryOf(t, shard)
		if !works {
			continue
		}
		has := func(r redis.SlotRange) bool { return r.Start <= int64(slot) && int64(slot) <= r.End }
		if slices.ContainsFunc(shard.Slots, has) {
			from = primary
		} else {
			to = primary
		}
	}
	if from.id == "" || to.id == "" {
		t.Fatalf("slot %d has no two ends in %+v", slot, shards)
	}
	return from, to
}

// primaryOf returns the primary of a shard, unless it has failed.
func (s *service) primaryOf(t *testing.T, shard redis.ClusterShard) (primary node, works bool) {
	t.Helper()
	for _, n := range shard.Nodes {
		if n.Role != "master" || n.Health != "online" {
			continue
		}
		port := n.Port
		if s.redis.TLS != nil {
			port = n.TLSPort
		}
		primary = node{id: n.ID, ip: n.IP, port: strconv.FormatInt(port, 10)}
		login := s.redis
		login.Cluster, login.Addresses = false, []string{net.JoinHostPort(n.Endpoint, primary.port)}
		primary.client = connect.OpenRedis(login)
		t.Cleanup(func() { primary.client.Close() })
		return primary, true
	}
	return node{}, false
}
