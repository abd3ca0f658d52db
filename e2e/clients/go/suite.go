package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz-go: what a producer and a consumer can do without a group.
const client = "franz-go"

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func connect(bootstrap string, options ...kgo.Opt) *kgo.Client {
	base := []kgo.Opt{
		kgo.SeedBrokers(bootstrap), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}
	return must(kgo.NewClient(append(base, options...)...))
}

func create(ctx context.Context, bootstrap, topic string, partitions int32, configs ...string) {
	conn := connect(bootstrap)
	defer conn.Close()
	set := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		set[configs[i]] = &configs[i+1]
	}
	createWith(ctx, kadm.NewClient(conn), topic, partitions, set)
}

// createWith waits until the broker leads the new topic: Kafka answers before it does.
func createWith(
	ctx context.Context, admin *kadm.Client, topic string, partitions int32,
	configs map[string]*string,
) kadm.CreateTopicResponse {
	created := must(admin.CreateTopic(ctx, partitions, 1, configs, topic))
	eventually("leaders of "+topic, func() bool {
		return must(admin.ListEndOffsets(ctx, topic)).Error() == nil
	})
	return created
}

// send produces all rows to the topic; each row's partition and offset are set by it.
func send(
	ctx context.Context, bootstrap, topic string, rows []*kgo.Record, options ...kgo.Opt,
) error {
	conn := connect(bootstrap, append(options, kgo.DefaultProduceTopic(topic))...)
	defer conn.Close()
	return conn.ProduceSync(ctx, rows...).FirstErr()
}

func toPartition(partition int32, rows []*kgo.Record) []*kgo.Record {
	for _, row := range rows {
		row.Partition = partition
	}
	return rows
}

// read reads count records of one partition from its beginning and checks that it ends there.
func read(
	ctx context.Context, bootstrap, topic string, partition int32, count int, options ...kgo.Opt,
) []*kgo.Record {
	from := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	conn := connect(bootstrap, append(options, kgo.ConsumePartitions(from))...)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := conn.PollFetches(ctx)
		mustNot(fetches.Err())
		records = append(records, fetches.Records()...)
	}
	equal(len(records), count, "records of %s-%d", topic, partition)
	end, _ := must(kadm.NewClient(conn).ListEndOffsets(ctx, topic)).Lookup(topic, partition)
	equal(end.Offset, records[count-1].Offset+1, "end of the partition")
	return records
}

func checkAll(records, rows []*kgo.Record) {
	for i, want := range rows {
		got := records[i]
		equal(got.Offset, int64(i), "offset")
		equal(got.Key == nil, want.Key == nil, "null key at %d", i)
		equal(string(got.Key), string(want.Key), "key at %d", i)
		equal(got.Value == nil, want.Value == nil, "null value at %d", i)
		holds(bytes.Equal(got.Value, want.Value), "value at %d: got %.100q", i, got.Value)
		equal(got.Timestamp.UnixMilli(), want.Timestamp.UnixMilli(), "timestamp at %d", i)
		equal(got.Attrs.TimestampType(), int8(0), "timestamp type at %d", i)
		equal(len(got.Headers), len(want.Headers), "headers at %d", i)
		for j, header := range want.Headers {
			equal(got.Headers[j].Key, header.Key, "header %d at %d", j, i)
			equal(got.Headers[j].Value == nil, header.Value == nil, "null header %d at %d", j, i)
			equal(string(got.Headers[j].Value), string(header.Value), "header %d at %d", j, i)
		}
	}
}

func codec(name string) feature {
	return func(ctx context.Context, bootstrap string) {
		topic := client + "-codec-" + name
		create(ctx, bootstrap, topic, 1)
		rows := dataset(client, name)
		mustNot(send(ctx, bootstrap, topic, rows, kgo.ProducerBatchCompression(codecs[name])))
		for i, row := range rows {
			equal(row.Offset, int64(i), "acknowledged offset")
		}
		checkAll(read(ctx, bootstrap, topic, 0, len(rows)), rows)
	}
}

// javaPartition is Java's murmur2 placement, computed apart from the client's own.
func javaPartition(key []byte, partitions uint32) int32 {
	const m = uint32(0x5bd1e995)
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	if len(key) > 0 {
		for i := len(key) - 1; i >= 0; i-- {
			h ^= uint32(key[i]) << (8 * i)
		}
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int32((h & 0x7fffffff) % partitions)
}

func keys(ctx context.Context, bootstrap string) {
	topic := client + "-keys"
	create(ctx, bootstrap, topic, 5)
	var keyed, nulls []*kgo.Record
	for i := 0; i < 400; i++ {
		keyed = append(keyed, row(fmt.Sprintf("key-%d", i%40), fmt.Sprint(i), 0))
	}
	mustNot(send(ctx, bootstrap, topic, keyed))
	for _, row := range keyed {
		equal(row.Partition, javaPartition(row.Key, 5), "partition of %s", row.Key)
	}
	for i := 0; i < 200; i++ {
		nulls = append(nulls, row("", fmt.Sprintf("n%d", i), 0))
	}
	empty := &kgo.Record{Key: []byte{}, Value: []byte("e"), Timestamp: at(0)}
	mustNot(send(ctx, bootstrap, topic, append(nulls, empty),
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(20, false, true, nil))))
	spread, counts := map[int32]bool{}, map[int32]int{}
	sent := map[string]*kgo.Record{}
	for _, row := range append(append(keyed, nulls...), empty) {
		counts[row.Partition]++
		sent[fmt.Sprint(row.Partition, row.Offset)] = row
		spread[row.Partition] = spread[row.Partition] || (row.Key == nil)
	}
	equal(spread, map[int32]bool{0: true, 1: true, 2: true, 3: true, 4: true}, "null keys")
	for partition, count := range counts {
		for _, got := range read(ctx, bootstrap, topic, partition, count) {
			want := sent[fmt.Sprint(partition, got.Offset)]
			equal(string(got.Value), string(want.Value), "value")
			equal(got.Key == nil, want.Key == nil, "null key of %s", got.Value)
			equal(string(got.Key), string(want.Key), "key of %s", got.Value)
		}
	}
}

func headers(ctx context.Context, bootstrap string) {
	topic := client + "-headers"
	create(ctx, bootstrap, topic, 1)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	var many []kgo.RecordHeader
	for i := 0; i < 200; i++ {
		many = append(many, header(fmt.Sprintf("h%d", i), strings.Repeat("x", i)))
	}
	all := [][]kgo.RecordHeader{
		nil,
		{header("a", "1")},
		{header("a", "1"), header("b", "2"), header("a", "3"), header("a", "1")},
		{{Key: "null"}, header("empty", ""), {Key: "", Value: binary}},
		{header("schlüssel-☃", "wert-☃")},
		many,
		{header("big", strings.Repeat("y", 100_000))},
	}
	var rows []*kgo.Record
	for i, headers := range all {
		record := row("k", "v", int64(i))
		record.Headers = headers
		rows = append(rows, record)
	}
	mustNot(send(ctx, bootstrap, topic, rows))
	checkAll(read(ctx, bootstrap, topic, 0, len(rows)), rows)
}

func sizes(ctx context.Context, bootstrap string) {
	topic := client + "-sizes"
	create(ctx, bootstrap, topic, 1)
	big := make([]byte, 1_048_000)
	for i := range big {
		big[i] = byte(i*7 + i/253)
	}
	rows := []*kgo.Record{
		row("empty", "", 1), {Key: []byte("null"), Timestamp: at(2)}, row("", "x", 3),
		{Value: big, Timestamp: at(4)}, {Key: []byte{}, Value: []byte{}, Timestamp: at(5)},
		{Timestamp: at(6)}, {Key: []byte("after"), Value: big[:500_000], Timestamp: at(7)},
	}
	mustNot(send(ctx, bootstrap, topic, rows,
		kgo.ProducerBatchMaxBytes(1_048_588), kgo.ProducerBatchCompression(kgo.NoCompression())))
	checkAll(read(ctx, bootstrap, topic, 0, len(rows)), rows)
	// A fetch limit below the record's size must not hide the record (KIP-74).
	checkAll(read(ctx, bootstrap, topic, 0, len(rows),
		kgo.FetchMaxBytes(1000), kgo.FetchMaxPartitionBytes(1000)), rows)
}

func tooLarge(ctx context.Context, bootstrap string) {
	topic := client + "-too-large"
	create(ctx, bootstrap, topic, 1, "max.message.bytes", "10000")
	conn := connect(bootstrap, kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(2_000_000),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer conn.Close()
	mustNot(conn.ProduceSync(ctx, row("", "before", 1)).FirstErr())
	err := conn.ProduceSync(ctx, row("", strings.Repeat("x", 20_000), 2)).FirstErr()
	refused(err, kerr.MessageTooLarge, "a record above the limit")
	mustNot(conn.ProduceSync(ctx, row("", "after", 3)).FirstErr())
	records := read(ctx, bootstrap, topic, 0, 2)
	equal(string(records[0].Value)+string(records[1].Value), "beforeafter", "values")
}

func timestamps(ctx context.Context, bootstrap string) {
	created, appended := client+"-create-time", client+"-append-time"
	create(ctx, bootstrap, created, 1)
	create(ctx, bootstrap, appended, 1, "message.timestamp.type", "LogAppendTime")
	rows := func() (rows []*kgo.Record) {
		// Not in order: time never reorders a log.
		for _, shift := range []int64{5, 3, 9, 9, 1, 1_000_000} {
			rows = append(rows, row("", fmt.Sprint(shift), shift))
		}
		return rows
	}
	var sent []*kgo.Record
	before := time.Now().UnixMilli()
	for _, name := range []string{"none", "lz4"} {
		compression := kgo.ProducerBatchCompression(codecs[name])
		some := rows()
		mustNot(send(ctx, bootstrap, created, some, compression))
		sent = append(sent, some...)
		mustNot(send(ctx, bootstrap, appended, rows(), compression))
	}
	after := time.Now().UnixMilli()
	checkAll(read(ctx, bootstrap, created, 0, len(sent)), sent)
	for _, record := range read(ctx, bootstrap, appended, 0, len(sent)) {
		time := record.Timestamp.UnixMilli()
		equal(record.Attrs.TimestampType(), int8(1), "timestamp type")
		holds(before <= time && time <= after, "%d not in %d..%d", time, before, after)
	}
}

func acks(ctx context.Context, bootstrap string) {
	topic := client + "-acks"
	create(ctx, bootstrap, topic, 3)
	wanted := []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()}
	manual := kgo.RecordPartitioner(kgo.ManualPartitioner())
	for partition, acks := range wanted {
		var rows []*kgo.Record
		for i := 0; i < 200; i++ {
			rows = append(rows, row("", fmt.Sprint(i), int64(i)))
		}
		toPartition(int32(partition), rows)
		// With acks=0 nobody tells that a new partition is not led yet: one record goes ahead.
		mustNot(send(ctx, bootstrap, topic, rows[:1], manual))
		mustNot(send(ctx, bootstrap, topic, rows[1:], manual,
			kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite()))
		checkAll(read(ctx, bootstrap, topic, int32(partition), 200), rows)
	}
}

func idempotence(ctx context.Context, bootstrap string) {
	topic := client + "-idempotence"
	create(ctx, bootstrap, topic, 2)
	for partition := int32(0); partition < 2; partition++ {
		var rows []*kgo.Record
		for i := 0; i < 5000; i++ {
			rows = append(rows, row("", fmt.Sprint(i), int64(i)))
		}
		mustNot(send(ctx, bootstrap, topic, toPartition(partition, rows),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1000)))
		for i, row := range rows {
			equal(row.Offset, int64(i), "offset")
		}
		checkAll(read(ctx, bootstrap, topic, partition, 5000), rows)
	}
}

func autoCreate(ctx context.Context, bootstrap string) {
	topic := client + "-auto-create"
	rows := []*kgo.Record{row("k", "v", 1)}
	mustNot(send(ctx, bootstrap, topic, rows, kgo.AllowAutoTopicCreation()))
	checkAll(read(ctx, bootstrap, topic, 0, 1), rows)
	err := send(ctx, bootstrap, topic+"-never", []*kgo.Record{row("k", "v", 1)},
		kgo.UnknownTopicRetries(1))
	refused(err, kerr.UnknownTopicOrPartition, "producing to an unknown topic")
	conn := connect(bootstrap)
	defer conn.Close()
	topics := must(kadm.NewClient(conn).ListTopics(ctx))
	holds(topics.Has(topic) && !topics.Has(topic+"-never"), "topics %v", topics.Names())
}

func seekTime(ctx context.Context, bootstrap string) {
	topic := client + "-seek-time"
	create(ctx, bootstrap, topic, 1)
	for part, name := range []string{"none", "gzip"} {
		var rows []*kgo.Record
		for i := 0; i < 100; i++ {
			rows = append(rows, row("", fmt.Sprint(i), int64(part*1000+i*10)))
		}
		mustNot(send(ctx, bootstrap, topic, rows,
			kgo.ProducerBatchCompression(codecs[name]), kgo.ProducerBatchMaxBytes(512)))
	}
	conn := connect(bootstrap)
	defer conn.Close()
	admin := kadm.NewClient(conn)
	for shift, want := range map[int64][2]int64{
		-baseMs: {0, 0}, 0: {0, 0}, 1: {1, 10}, 555: {56, 560}, 1000: {100, 1000}, 1990: {199, 1990},
		1991: {200, -1},
	} {
		found, _ := must(admin.ListOffsetsAfterMilli(ctx, baseMs+shift, topic)).Lookup(topic, 0)
		equal(found.Offset, want[0], "offset of time base%+d", shift)
		if want[1] >= 0 {
			equal(found.Timestamp, baseMs+want[1], "timestamp of time base%+d", shift)
		}
	}
	from := kgo.NewOffset().AfterMilli(baseMs + 555)
	reader := connect(bootstrap,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: from}}))
	defer reader.Close()
	first := reader.PollRecords(ctx, 1).Records()[0]
	equal(first.Offset, int64(56), "first offset after the seek")
}

func seekOffsets(ctx context.Context, bootstrap string) {
	topic := client + "-seek-offsets"
	create(ctx, bootstrap, topic, 1)
	var rows []*kgo.Record
	for i := 0; i < 100; i++ {
		rows = append(rows, row("", fmt.Sprint(i), int64(i)))
	}
	mustNot(send(ctx, bootstrap, topic, rows))
	for _, isolation := range []kgo.IsolationLevel{kgo.ReadUncommitted(), kgo.ReadCommitted()} {
		for from, want := range map[kgo.Offset]int64{
			kgo.NewOffset().AtStart(): 0, kgo.NewOffset().At(37): 37, kgo.NewOffset().At(99): 99,
			kgo.NewOffset().AtEnd().Relative(-10): 90,
		} {
			reader := connect(bootstrap, kgo.FetchIsolationLevel(isolation),
				kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: from}}))
			first := reader.PollRecords(ctx, 1).Records()[0]
			equal(first.Offset, want, "first offset from %v", from)
			equal(string(first.Value), fmt.Sprint(want), "first value from %v", from)
			reader.Close()
		}
		past := kgo.NewOffset().At(1000)
		reader := connect(bootstrap, kgo.ConsumeResetOffset(kgo.NoResetOffset()),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: past}}))
		refused(reader.PollFetches(ctx).Err(), kerr.OffsetOutOfRange, "reading past the end")
		reader.Close()
	}
}

func readsOthers(ctx context.Context, bootstrap string) {
	conn := connect(bootstrap)
	defer conn.Close()
	topics := must(kadm.NewClient(conn).ListTopics(ctx))
	for _, writer := range writers {
		for _, name := range codecNames {
			if topic := writer + "-codec-" + name; topics.Has(topic) {
				rows := dataset(writer, name)
				checkAll(read(ctx, bootstrap, topic, 0, len(rows)), rows)
			}
		}
	}
}
