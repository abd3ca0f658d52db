package main

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz-go's admin client: everything that is set is read back.
const prefix = client + "-admin"

func connectAdmin(bootstrap string) (*kadm.Client, func()) {
	conn := connect(bootstrap)
	return kadm.NewClient(conn), conn.Close
}

func fill(ctx context.Context, bootstrap, topic string, partition int32, count int) {
	var rows []*kgo.Record
	for i := 0; i < count; i++ {
		rows = append(rows, &kgo.Record{Value: fmt.Append(nil, i)})
	}
	manual := kgo.RecordPartitioner(kgo.ManualPartitioner())
	mustNot(send(ctx, bootstrap, topic, toPartition(partition, rows), manual))
}

func text(value string) *string { return &value }

func adminTopics(ctx context.Context, bootstrap string) {
	admin, done := connectAdmin(bootstrap)
	defer done()
	name := prefix + "-topics"
	configs := map[string]*string{"retention.ms": text("3600000")}
	created := createWith(ctx, admin, name, 3, configs)
	equal(created.NumPartitions, int32(3), "partitions as created")
	equal(*created.Configs["retention.ms"].Value, "3600000", "config as created")
	detail := func() kadm.TopicDetail { return must(admin.ListTopics(ctx, name))[name] }
	eventually("the topic listed", func() bool { return detail().Err == nil })
	equal(detail().ID, created.ID, "topic id")
	equal(len(detail().Partitions), 3, "partitions")
	for _, partition := range detail().Partitions.Sorted() {
		equal(len(partition.Replicas), 1, "replicas")
		equal(partition.ISR, partition.Replicas, "in-sync replicas")
		equal(partition.Leader, partition.Replicas[0], "leader")
	}
	for _, bad := range []struct {
		name       string
		partitions int32
		replicas   int16
		configs    map[string]*string
		want       *kerr.Error
	}{
		{name, 1, 1, nil, kerr.TopicAlreadyExists},
		{"bad name", 1, 1, nil, kerr.InvalidTopicException},
		{strings.Repeat("x", 250), 1, 1, nil, kerr.InvalidTopicException},
		{name + "-r", 1, 7, nil, kerr.InvalidReplicationFactor},
		{name + "-p", 0, 1, nil, kerr.InvalidPartitions},
		{name + "-c", 1, 1, map[string]*string{"no.such": text("1")}, kerr.InvalidConfig},
		{name + "-v", 1, 1, map[string]*string{"retention.ms": text("x")}, kerr.InvalidConfig},
	} {
		_, err := admin.CreateTopic(ctx, bad.partitions, bad.replicas, bad.configs, bad.name)
		refused(err, bad.want, "creating %.40s", bad.name)
	}
	must(admin.CreateTopic(ctx, -1, -1, nil, name+"-default"))
	dry := must(admin.ValidateCreateTopics(ctx, 1, 1, nil, name+"-dry"))
	mustNot(dry[name+"-dry"].Err)
	holds(!must(admin.ListTopics(ctx)).Has(name+"-dry"), "a dry run created a topic")

	mustNot(must(admin.UpdatePartitions(ctx, 5, name)).Error())
	eventually("five partitions", func() bool { return len(detail().Partitions) == 5 })
	refused(must(admin.UpdatePartitions(ctx, 2, name))[name].Err, kerr.InvalidPartitions, "fewer")
	fill(ctx, bootstrap, name, 4, 10)
	must(admin.DeleteTopic(ctx, name))
	eventually("the topic gone", func() bool { return !must(admin.ListTopics(ctx)).Has(name) })
	_, err := admin.DeleteTopic(ctx, name)
	refused(err, kerr.UnknownTopicOrPartition, "deleting twice")
	again := must(admin.CreateTopic(ctx, 5, 1, nil, name))
	holds(again.ID != created.ID, "a new topic has the old one's id")
	eventually("an empty topic", func() bool {
		end, _ := must(admin.ListEndOffsets(ctx, name)).Lookup(name, 4)
		return end.Err == nil && end.Offset == 0
	})
}

func adminConfigs(ctx context.Context, bootstrap string) {
	admin, done := connectAdmin(bootstrap)
	defer done()
	name := prefix + "-configs"
	createWith(ctx, admin, name, 1, map[string]*string{"cleanup.policy": text("compact")})
	read := func(key string) *kadm.Config {
		found := must(must(admin.DescribeTopicConfigs(ctx, name)).On(name, nil))
		mustNot(found.Err)
		for _, config := range found.Configs {
			if config.Key == key {
				return &config
			}
		}
		panic("no config " + key)
	}
	equal(read("cleanup.policy").Source, kmsg.ConfigSourceDynamicTopicConfig, "source")
	equal(read("max.message.bytes").MaybeValue(), "1048588", "a default")
	equal(read("max.message.bytes").Source, kmsg.ConfigSourceDefaultConfig, "its source")
	equal(read("max.message.bytes").Synonyms[0].Key, "message.max.bytes", "its synonym")
	change := func(op kadm.IncrementalOp, key, value string) error {
		changes := []kadm.AlterConfig{{Op: op, Name: key, Value: text(value)}}
		if op == kadm.DeleteConfig {
			changes[0].Value = nil
		}
		return must(admin.AlterTopicConfigs(ctx, changes, name))[0].Err
	}
	mustNot(change(kadm.SetConfig, "retention.ms", "7200000"))
	mustNot(change(kadm.SetConfig, "max.message.bytes", "2000"))
	mustNot(change(kadm.AppendConfig, "cleanup.policy", "delete"))
	equal(read("retention.ms").MaybeValue(), "7200000", "retention.ms")
	equal(read("cleanup.policy").MaybeValue(), "compact,delete", "after the append")
	mustNot(change(kadm.SubtractConfig, "cleanup.policy", "compact"))
	mustNot(change(kadm.DeleteConfig, "max.message.bytes", ""))
	equal(read("cleanup.policy").MaybeValue(), "delete", "after the subtraction")
	equal(read("max.message.bytes").MaybeValue(), "1048588", "after the deletion")
	refused(change(kadm.SetConfig, "retention.ms", "x"), kerr.InvalidConfig, "a bad value")
	refused(change(kadm.SetConfig, "no.such.config", "1"), kerr.InvalidConfig, "a bad name")
	refused(change(kadm.AppendConfig, "retention.ms", "1"), kerr.InvalidConfig, "a bad append")
	equal(read("retention.ms").MaybeValue(), "7200000", "kept after refusals")
	// The old way: whatever is not said is reset.
	state := []kadm.AlterConfig{{Name: "segment.ms", Value: text("60000")}}
	mustNot(must(admin.AlterTopicConfigsState(ctx, state, name))[0].Err)
	equal(read("segment.ms").MaybeValue(), "60000", "set by AlterConfigs")
	equal(read("retention.ms").Source != kmsg.ConfigSourceDynamicTopicConfig, true, "reset")
	node := must(admin.ListBrokers(ctx))[0].NodeID
	broker := must(must(admin.DescribeBrokerConfigs(ctx, node)).On(fmt.Sprint(node), nil))
	for _, config := range broker.Configs {
		if config.Key == "node.id" {
			equal(config.MaybeValue(), fmt.Sprint(node), "node.id")
		}
	}
	mustNot(change(kadm.SetConfig, "max.message.bytes", "100"))
	err := send(ctx, bootstrap, name, []*kgo.Record{row("k", strings.Repeat("x", 500), 0)},
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	refused(err, kerr.MessageTooLarge, "limit in force")
}

func deleteRecords(ctx context.Context, bootstrap string) {
	admin, done := connectAdmin(bootstrap)
	defer done()
	name := prefix + "-delete-records"
	createWith(ctx, admin, name, 2, nil)
	fill(ctx, bootstrap, name, 1, 100)
	remove := func(before int64) (int64, error) {
		var offsets kadm.Offsets
		offsets.AddOffset(name, 1, before, -1)
		answer := must(must(admin.DeleteRecords(ctx, offsets)).On(name, 1, nil))
		return answer.LowWatermark, answer.Err
	}
	equal(must(remove(40)), int64(40), "low watermark")
	_, err := remove(101)
	refused(err, kerr.OffsetOutOfRange, "past the end")
	equal(must(remove(10)), int64(40), "low watermark after a lower request")
	from := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {1: kgo.NewOffset().At(3)}})
	reader := connect(bootstrap, from, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	first := reader.PollRecords(ctx, 1).Records()[0]
	reader.Close()
	equal(string(first.Value), "40", "first value")
	equal(first.Offset, int64(40), "first offset")
	strict := connect(bootstrap, from, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	refused(strict.PollFetches(ctx).Err(), kerr.OffsetOutOfRange, "reading what is deleted")
	strict.Close()
	equal(must(remove(-1)), int64(100), "low watermark after deleting all")
	fill(ctx, bootstrap, name, 1, 1)
	start, _ := must(admin.ListStartOffsets(ctx, name)).Lookup(name, 1)
	end, _ := must(admin.ListEndOffsets(ctx, name)).Lookup(name, 1)
	newest, _ := must(admin.ListMaxTimestampOffsets(ctx, name)).Lookup(name, 1)
	equal([]int64{start.Offset, end.Offset, newest.Offset}, []int64{100, 101, 100}, "offsets")
}

func adminGroups(ctx context.Context, bootstrap string) {
	admin, done := connectAdmin(bootstrap)
	defer done()
	name := prefix + "-groups"
	createWith(ctx, admin, name, 2, nil)
	fill(ctx, bootstrap, name, 1, 10)
	member := connect(bootstrap, kgo.ConsumerGroup(name), kgo.ConsumeTopics(name),
		kgo.DisableAutoCommit(), kgo.ClientID("me"), kgo.Balancers(kgo.RangeBalancer()))
	holds(len(member.PollFetches(ctx).Records()) > 0, "no records")
	offsets := map[string]map[int32]kgo.EpochOffset{name: {1: {Epoch: 0, Offset: 7}}}
	var failed error
	member.CommitOffsetsSync(ctx, offsets, func(
		_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
		failed = err
	})
	mustNot(failed)
	equal(must(admin.ListGroups(ctx))[name].State, "Stable", "listed state")
	describe := func() kadm.DescribedGroup {
		described := must(admin.DescribeGroups(ctx, name))[name]
		mustNot(described.Err)
		return described
	}
	group := describe()
	equal([]string{group.State, group.Protocol, group.ProtocolType},
		[]string{"Stable", "range", "consumer"}, "described group")
	equal(group.Members[0].ClientID, "me", "client id")
	assigned, _ := group.Members[0].Assigned.AsConsumer()
	partitions := assigned.Topics[0].Partitions
	sort.Slice(partitions, func(i, j int) bool { return partitions[i] < partitions[j] })
	equal(partitions, []int32{0, 1}, "assignment")
	_, err := admin.DeleteGroup(ctx, name)
	refused(err, kerr.NonEmptyGroup, "deleting it alive")
	member.LeaveGroup()
	member.Close()
	eventually("an empty group", func() bool { return describe().State == "Empty" })

	one, _ := must(admin.FetchOffsets(ctx, name)).Lookup(name, 1)
	equal(one.At, int64(7), "committed offset")
	wanted := kadm.Offsets{}
	wanted.Add(kadm.Offset{Topic: name, Partition: 0, At: 0, LeaderEpoch: -1})
	wanted.Add(kadm.Offset{
		Topic: name, Partition: 1, At: 3, LeaderEpoch: -1, Metadata: "where we are: ☃",
	})
	mustNot(admin.CommitAllOffsets(ctx, name, wanted))
	zero := kadm.TopicsSet{}
	zero.Add(name, 0)
	mustNot(must(admin.DeleteOffsets(ctx, name, zero)).Error())
	left := must(admin.FetchOffsets(ctx, name))
	one, _ = left.Lookup(name, 1)
	equal(one.At, int64(3), "altered offset")
	equal(one.Metadata, "where we are: ☃", "metadata")
	_, there := left.Lookup(name, 0)
	holds(!there, "a deleted offset is still there")
	must(admin.DeleteGroup(ctx, name))
	_, there = must(admin.ListGroups(ctx))[name]
	holds(!there, "the group is still listed")
	_, err = admin.DeleteGroup(ctx, name)
	refused(err, kerr.GroupIDNotFound, "deleting twice")
}

func adminCluster(ctx context.Context, bootstrap string) {
	admin, done := connectAdmin(bootstrap)
	defer done()
	metadata := must(admin.BrokerMetadata(ctx))
	holds(metadata.Cluster != "", "the cluster has no id")
	equal(len(metadata.Brokers), 1, "brokers")
	broker := metadata.Brokers[0]
	equal(fmt.Sprintf("%s:%d", broker.Host, broker.Port), bootstrap, "the broker's address")
	equal(metadata.Controller, broker.NodeID, "controller")
	versions := must(admin.ApiVersions(ctx))
	equal(len(versions), 1, "brokers that told their versions")
	// Produce must be said to be served from 0, or librdkafka stops compressing (KAFKA-18659).
	least, _, known := func() (int16, int16, bool) {
		for _, broker := range versions {
			least, known := broker.KeyMinVersion(0)
			most, _ := broker.KeyMaxVersion(0)
			return least, most, known
		}
		return 0, 0, false
	}()
	holds(known && least == 0, "Produce is said to be served from %d", least)
}

func adminMore(ctx context.Context, bootstrap string) {
	admin, done := connectAdmin(bootstrap)
	defer done()
	name := prefix + "-more"
	createWith(ctx, admin, name, 2, nil)
	fill(ctx, bootstrap, name, 1, 100)
	set := kadm.TopicsSet{}
	set.Add(name, 0, 1)
	sizes := map[int32]int64{}
	must(admin.DescribeAllLogDirs(ctx, set)).Each(func(dir kadm.DescribedLogDir) {
		mustNot(dir.Err)
		dir.Topics.Each(func(partition kadm.DescribedLogDirPartition) {
			sizes[partition.Partition] = partition.Size
		})
	})
	holds(len(sizes) == 2 && sizes[0] == 0 && sizes[1] > 100, "sizes %v", sizes)
	count := 0
	must(admin.DescribeProducers(ctx, set)).EachProducer(func(producer kadm.DescribedProducer) {
		count++
		equal(producer.Partition, int32(1), "the producer's partition")
		equal(producer.LastSequence, int32(99), "its last sequence")
	})
	equal(count, 1, "producers")
	epochs := kadm.OffsetForLeaderEpochRequest{}
	epochs.Add(name, 1, 0)
	found := must(admin.OffsetForLeaderEpoch(ctx, epochs))[name][1]
	equal([]int64{int64(found.LeaderEpoch), found.EndOffset}, []int64{0, 100}, "end of epoch 0")

	member := connect(bootstrap, kgo.ConsumerGroup(name), kgo.ConsumeTopics(name),
		kgo.DisableAutoCommit(), kgo.InstanceID("fixed"), kgo.Balancers(kgo.RangeBalancer()))
	defer member.Close()
	holds(len(member.PollFetches(ctx).Records()) > 0, "no records")
	group := must(admin.DescribeGroups(ctx, name))[name]
	equal(*group.Members[0].InstanceID, "fixed", "instance id")
	left := must(admin.LeaveGroup(ctx, kadm.LeaveGroup(name).InstanceIDs("fixed")))
	mustNot(left.Error())
}
