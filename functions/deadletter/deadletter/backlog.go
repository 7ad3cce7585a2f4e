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
	// maxMetadata bounds an offset's metadata in bytes: Kafka's default for offset.metadata.max.bytes.
	maxMetadata = 4096

	readTimeout = 10 * time.Second // for the next record, which is known to exist
)

// backlog is the letters on the dead letter topic that have not been redriven.
type backlog struct {
	kafka.Settings
	group string // whose offsets are the progress of redriving
}

// check returns an error if Kafka does not respond or does not have the topic.
func (b backlog) check(context.Context) error {
	v, err := b.open()
	if err == nil {
		v.close()
	}
	return err
}

// claim commits the group's offsets as they are if it has none.
func (b backlog) claim() error {
	v, err := b.open()
	if err != nil {
		return err
	}
	defer v.close()
	if v.claimed { // a commit could undo that of another process
		return nil
	}
	return v.commit()
}

// view is the backlog at one time, without the letters that arrive later.
type view struct {
	topic      string
	group      string
	admin      sarama.ClusterAdmin
	consumer   sarama.Consumer
	partitions []*partition
	claimed    bool // the group has committed offsets
}

// partition is one of the topic's partitions.
type partition struct {
	id   int32
	done progress
	end  int64 // the last offset + 1
}

// open connects and reads the progress of every partition. The caller closes the view.
func (b backlog) open() (*view, error) {
	client, err := b.NewReader("image-service-dead-letters")
	if err != nil {
		return nil, fmt.Errorf("connect to kafka: %w", err)
	}
	v := &view{topic: b.Topic, group: b.group}
	if v.admin, err = sarama.NewClusterAdminFromClient(client); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to kafka: %w", err), client.Close())
	}
	if err = v.load(client); err != nil {
		v.close()
		return nil, fmt.Errorf("read topic %q: %w", b.Topic, err)
	}
	return v, nil
}

func (v *view) load(client sarama.Client) (err error) {
	if v.consumer, err = sarama.NewConsumerFromClient(client); err != nil {
		return err
	}
	ids, err := client.Partitions(v.topic)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	committed, err := v.admin.ListConsumerGroupOffsets(v.group, map[string][]int32{v.topic: ids})
	if errors.Is(err, sarama.ErrGroupIDNotFound) { // no offsets yet; most versions of Kafka return none instead
		committed, err = &sarama.OffsetFetchResponse{}, nil
	}
	if err != nil {
		return fmt.Errorf("offsets of group %q: %w", v.group, err)
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

func partitionOf(
	client sarama.Client, topic string, id int32, committed *sarama.OffsetFetchResponseBlock,
) (*partition, error) {
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
		return nil, fmt.Errorf("metadata of its offset: %w", err)
	}
	if done.next > end { // the topic was deleted and created again
		done = progress{}
	}
	done.skipTo(oldest)
	return &partition{id: id, done: done, end: end}, nil
}

func (v *view) close() {
	if v.consumer != nil {
		_ = v.consumer.Close()
	}
	_ = v.admin.Close() // closes the client, too; nothing can be lost
}

// count returns how many letters wait.
func (v *view) count() (count int64) {
	for _, p := range v.partitions {
		count += p.done.count(p.end)
	}
	return count
}

// letters yields the waiting letters after a position, one partition after the other, in the order of their offsets. It
// ends at the first error.
func (v *view) letters(ctx context.Context, after position) iter.Seq2[letter, error] {
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

// read yields the letters of a partition from an offset on and reports whether to go on with the next partition.
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
			yield(letter{}, fmt.Errorf("read partition %d: nothing arrived within %s", p.id, readTimeout))
			return false
		case <-ctx.Done():
			yield(letter{}, fmt.Errorf("read partition %d: %w", p.id, ctx.Err()))
			return false
		}
	}
}

// markDone notes that a letter has been redriven; commit makes that durable.
func (v *view) markDone(at position) {
	for _, p := range v.partitions {
		if p.id == at.partition {
			p.done.add(at.offset)
		}
	}
}

// fits reports whether the progress fits an offset's metadata after any part of a batch has been redriven. A batch that
// closes more gaps than it opens always fits.
func (v *view) fits(batch []letter) bool {
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

// commit stores the progress of every partition in Kafka.
func (v *view) commit() error {
	offsets := map[int32]sarama.OffsetAndMetadata{}
	for _, p := range v.partitions {
		offsets[p.id] = sarama.OffsetAndMetadata{Offset: p.done.next, Metadata: p.done.metadata(), LeaderEpoch: -1}
	}
	topics := map[string]map[int32]sarama.OffsetAndMetadata{v.topic: offsets}
	answer, err := v.admin.AlterConsumerGroupOffsets(v.group, topics, nil)
	if err != nil {
		return fmt.Errorf("commit offsets of group %q: %w", v.group, err)
	}
	for id, fault := range answer.Errors[v.topic] {
		if fault != sarama.ErrNoError {
			return fmt.Errorf("commit offset of group %q, partition %d: %w", v.group, id, fault)
		}
	}
	return nil
}
