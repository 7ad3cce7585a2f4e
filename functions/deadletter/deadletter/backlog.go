package deadletter

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"gitlab.com/yourorg/image-service/functions/internal/kafka"
)

const (
	// The consumer group under which Kafka keeps how far letters have been put back. Its lag is what waits, for whatever
	// watches consumer groups. Nothing joins it.
	group = "image-dead-letters"
	// What Kafka takes as an offset's metadata, by its default for offset.metadata.max.bytes.
	maxMetadata = 4096

	readTimeout = 10 * time.Second // for the next record, which is known to be there
)

// backlog is the dead letter topic with what has not been put back of it.
type backlog struct{ kafka.Settings }

// check asks Kafka whether the topic is there.
func (b backlog) check(context.Context) error {
	v, err := b.open()
	if err == nil {
		v.close()
	}
	return err
}

// view is the backlog at one time: what comes later is not in it.
type view struct {
	topic      string
	admin      sarama.ClusterAdmin
	consumer   sarama.Consumer
	partitions []*partition
	claimed    bool // Kafka knows the group
}

// partition is one of the topic's.
type partition struct {
	id   int32
	done progress
	end  int64 // one more than the last offset
}

// open connects and asks how far everything has come. The caller closes the view.
func (b backlog) open() (*view, error) {
	client, err := b.NewReader("image-service-dead-letters")
	if err != nil {
		return nil, fmt.Errorf("connect to kafka: %w", err)
	}
	v := &view{topic: b.Topic}
	if v.admin, err = sarama.NewClusterAdminFromClient(client); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to kafka: %w", err), client.Close())
	}
	if err = v.look(client); err != nil {
		v.close()
		return nil, fmt.Errorf("look at topic %q: %w", b.Topic, err)
	}
	return v, nil
}

func (v *view) look(client sarama.Client) (err error) {
	if v.consumer, err = sarama.NewConsumerFromClient(client); err != nil {
		return err
	}
	ids, err := client.Partitions(v.topic)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	committed, err := v.admin.ListConsumerGroupOffsets(group, map[string][]int32{v.topic: ids})
	if errors.Is(err, sarama.ErrGroupIDNotFound) { // Kafka has nothing of it; most versions do not say it so
		committed, err = &sarama.OffsetFetchResponse{}, nil
	}
	if err != nil {
		return fmt.Errorf("offsets of group %q: %w", group, err)
	}
	for _, id := range ids {
		block := committed.GetBlock(v.topic, id)
		p, err := partitionOf(client, v.topic, id, block)
		if err != nil {
			return fmt.Errorf("partition %d: %w", id, err)
		}
		v.partitions = append(v.partitions, p)
		v.claimed = v.claimed || block != nil && block.Offset >= 0
	}
	return nil
}

func partitionOf(client sarama.Client, topic string, id int32, committed *sarama.OffsetFetchResponseBlock) (*partition, error) {
	if committed == nil {
		committed = &sarama.OffsetFetchResponseBlock{}
	}
	if committed.Err != sarama.ErrNoError {
		return nil, committed.Err
	}
	oldest, err := client.GetOffset(topic, id, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	end, err := client.GetOffset(topic, id, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	done, err := parseProgress(committed.Offset, committed.Metadata)
	if err != nil {
		return nil, fmt.Errorf("metadata of group %q: %w", group, err)
	}
	if done.next > end { // the topic was made anew
		done = progress{}
	}
	done.skipTo(oldest)
	return &partition{id: id, done: done, end: end}, nil
}

func (v *view) close() {
	if v.consumer != nil {
		_ = v.consumer.Close()
	}
	_ = v.admin.Close() // with the client; there is nothing that could be lost
}

// count is how many letters wait.
func (v *view) count() (count int64) {
	for _, p := range v.partitions {
		count += p.done.count(p.end)
	}
	return count
}

// letters are those that wait and come after a place, a partition after the other, in the order in which they came.
// After an error there are no more.
func (v *view) letters(ctx context.Context, after place) iter.Seq2[letter, error] {
	return func(yield func(letter, error) bool) {
		for _, p := range v.partitions {
			from := p.done.next
			if p.id < after.partition {
				continue
			}
			if p.id == after.partition {
				from = max(from, after.offset+1)
			}
			if !v.read(ctx, p, from, yield) {
				return
			}
		}
	}
}

// read yields the letters of a partition from an offset on, and tells whether to go on with the next partition.
func (v *view) read(ctx context.Context, p *partition, from int64, yield func(letter, error) bool) bool {
	if from >= p.end {
		return true
	}
	records, err := v.consumer.ConsumePartition(v.topic, p.id, from)
	if err != nil {
		yield(letter{}, fmt.Errorf("read partition %d: %w", p.id, err))
		return false
	}
	defer records.AsyncClose()
	for {
		select {
		case record := <-records.Messages():
			if record.Offset < p.end && !p.done.has(record.Offset) && !yield(letterOf(record), nil) {
				return false
			}
			if record.Offset >= p.end-1 {
				return true
			}
		case err := <-records.Errors():
			yield(letter{}, fmt.Errorf("read partition %d: %w", p.id, err))
			return false
		case <-time.After(readTimeout):
			yield(letter{}, fmt.Errorf("read partition %d: nothing came within %s", p.id, readTimeout))
			return false
		case <-ctx.Done():
			yield(letter{}, fmt.Errorf("read partition %d: %w", p.id, ctx.Err()))
			return false
		}
	}
}

// markDone notes that what is at a place has been put back; commit makes that last.
func (v *view) markDone(at place) {
	for _, p := range v.partitions {
		if p.id == at.partition {
			p.done.add(at.offset)
		}
	}
}

// hasRoomFor tells whether Kafka can note that a batch has been put back, all of it or only some. There is always room
// for what closes more gaps than it makes.
func (v *view) hasRoomFor(batch []letter) bool {
	const longest = len(",9223372036854775807")
	return !slices.ContainsFunc(v.partitions, func(p *partition) bool {
		after := p.done.clone()
		for _, l := range batch {
			if l.at.partition == p.id {
				after.add(l.at.offset)
			}
		}
		length := len(after.metadata())
		return length > maxMetadata-batchSize*longest && length > len(p.done.metadata())
	})
}

// commit has Kafka keep how far everything has come.
func (v *view) commit() error {
	offsets := map[int32]sarama.OffsetAndMetadata{}
	for _, p := range v.partitions {
		offsets[p.id] = sarama.OffsetAndMetadata{Offset: p.done.next, Metadata: p.done.metadata(), LeaderEpoch: -1}
	}
	answer, err := v.admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{v.topic: offsets}, nil)
	if err != nil {
		return fmt.Errorf("commit offsets of group %q: %w", group, err)
	}
	for id, fault := range answer.Errors[v.topic] {
		if fault != sarama.ErrNoError {
			return fmt.Errorf("commit offset of group %q, partition %d: %w", group, id, fault)
		}
	}
	return nil
}
