package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz-go's `member` and `feed`; clients/python/roles.py says what they speak.

var saying sync.Mutex

func say(format string, words ...any) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Printf(format+"\n", words...)
}

func listed(partitions []int32) string {
	if len(partitions) == 0 {
		return "-"
	}
	sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(partitions), " ", ","), "[]")
}

func input() <-chan string {
	lines := make(chan string, 100_000)
	go func() {
		scanner := bufio.NewScanner(os.Stdin)
		for scanner.Scan() {
			lines <- strings.TrimSpace(scanner.Text())
		}
		lines <- "leave"
	}()
	return lines
}

func unpadded(value []byte) string { return string(bytes.TrimRight(value, ".")) }

// code is the protocol's name of an error, where it has one.
func code(err error) string {
	var known *kerr.Error
	if errors.As(err, &known) {
		return known.Message
	}
	return strings.ReplaceAll(err.Error(), " ", "_")
}

type groupMember struct {
	sync.Mutex
	topic     string
	owned     map[int32]bool
	positions map[int32]kgo.EpochOffset
}

func (m *groupMember) assigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	m.Lock()
	defer m.Unlock()
	for _, partition := range added[m.topic] {
		m.owned[partition] = true
	}
	var all []int32
	for partition := range m.owned {
		all = append(all, partition)
	}
	say("assigned %s", listed(all))
}

func (m *groupMember) revoked(ctx context.Context, conn *kgo.Client, gone map[string][]int32) {
	m.commit(ctx, conn)
	m.released("revoked", gone)
}

func (m *groupMember) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	m.released("lost", gone)
}

func (m *groupMember) released(word string, gone map[string][]int32) {
	m.Lock()
	defer m.Unlock()
	for _, partition := range gone[m.topic] {
		delete(m.owned, partition)
		delete(m.positions, partition)
	}
	say("%s %s", word, listed(gone[m.topic]))
}

func (m *groupMember) commit(ctx context.Context, conn *kgo.Client) {
	m.Lock()
	places := map[int32]kgo.EpochOffset{}
	var told []string
	for partition, place := range m.positions {
		places[partition] = place
		told = append(told, fmt.Sprintf("%d:%d", partition, place.Offset))
	}
	m.Unlock()
	if len(places) == 0 {
		say("committed -")
		return
	}
	var failed error
	conn.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.topic: places}, func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		failed = err
		if err == nil {
			for _, partition := range answer.Topics[0].Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(partition.ErrorCode))
			}
		}
	})
	if failed != nil {
		say("commit-failed %s", code(failed))
		return
	}
	say("committed %s", strings.Join(told, ","))
}

func member(bootstrap, group, topic string, options map[string]string) {
	m := &groupMember{
		topic: topic, owned: map[int32]bool{}, positions: map[int32]kgo.EpochOffset{},
	}
	session := must(strconv.Atoi(or(options["session-ms"], "6000")))
	balancer := kgo.RangeBalancer()
	if strings.HasPrefix(options["assignor"], "cooperative") {
		balancer = kgo.CooperativeStickyBalancer()
	}
	set := []kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ClientID(or(options["name"], "member")), kgo.Balancers(balancer),
		kgo.SessionTimeout(time.Duration(session) * time.Millisecond),
		kgo.HeartbeatInterval(300 * time.Millisecond), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(m.assigned), kgo.OnPartitionsRevoked(m.revoked),
		kgo.OnPartitionsLost(m.lost), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if instance := options["instance"]; instance != "" {
		set = append(set, kgo.InstanceID(instance))
	}
	conn := connect(bootstrap, set...)
	commands := input()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		fetches := conn.PollFetches(ctx)
		cancel()
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				say("error %s", code(err))
			}
		})
		m.Lock()
		fetches.EachRecord(func(r *kgo.Record) {
			m.positions[r.Partition] = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}
			say("record %d %d %s", r.Partition, r.Offset, unpadded(r.Value))
		})
		m.Unlock()
		conn.AllowRebalance()
		select {
		case command := <-commands:
			m.commit(context.Background(), conn)
			if command == "leave" {
				conn.CloseAllowingRebalance()
				say("left")
				return
			}
		default:
		}
	}
}

func or(value, standard string) string {
	if value == "" {
		return standard
	}
	return value
}

func feed(bootstrap, topic string, options map[string]string) {
	pad := must(strconv.Atoi(or(options["pad"], "0")))
	linger := must(strconv.Atoi(or(options["linger-ms"], "5")))
	conn := connect(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(), kgo.RecordDeliveryTimeout(300*time.Second),
		kgo.ProducerLinger(time.Duration(linger)*time.Millisecond),
		kgo.ProducerBatchCompression(codecs[or(options["codec"], "none")]),
		kgo.ProduceRequestTimeout(3*time.Second), kgo.RequestTimeoutOverhead(3*time.Second),
		kgo.UnknownTopicRetries(-1), kgo.MaxBufferedRecords(20_000),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
	for line := range input() {
		if line == "leave" {
			break
		}
		where, value, _ := strings.Cut(line, " ")
		padded := value + strings.Repeat(".", max(0, pad-len(value)))
		conn.Produce(context.Background(), &kgo.Record{
			Topic: topic, Partition: int32(must(strconv.Atoi(where))), Value: []byte(padded),
		}, func(r *kgo.Record, err error) {
			if err != nil {
				say("failed %s %s", code(err), unpadded(r.Value))
				return
			}
			say("acked %d %d %s", r.Partition, r.Offset, unpadded(r.Value))
		})
	}
	mustNot(conn.Flush(context.Background()))
	conn.Close()
	say("left")
}
