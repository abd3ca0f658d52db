"""librdkafka, through confluent-kafka: what a producer and a consumer can do without a group."""

import time

from confluent_kafka import (
    OFFSET_BEGINNING, OFFSET_END, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer,
    KafkaError, KafkaException, Producer, TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

import confluent_admin
import suite
from suite import equal, eventually, holds

CLIENT = "confluent-kafka"


def admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap})


def create(bootstrap, topic, partitions=1, **config):
    config = {key.replace("_", "."): value for key, value in config.items()}
    new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
    maker = admin(bootstrap)  # Its futures fail once it is gone.
    for future in maker.create_topics([new]).values():
        future.result(20)


def producer(bootstrap, **config):
    base = {
        "bootstrap.servers": bootstrap, "linger.ms": 5, "message.timeout.ms": 20_000,
        "partitioner": "murmur2_random",
    }
    return Producer(base | {key.replace("_", "."): value for key, value in config.items()})


def consumer(bootstrap, **config):
    base = {
        "bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
        "auto.offset.reset": "error", "enable.partition.eof": False, "check.crcs": True,
        "fetch.wait.max.ms": 100,
    }
    return Consumer(base | {key.replace("_", "."): value for key, value in config.items()})


def send(maker, topic, records):
    """Produces (key, value, headers, timestamp[, partition]) and gives (partition, offset) of each."""
    places = [None] * len(records)

    def report(at):
        def done(error, message):
            places[at] = error or (message.partition(), message.offset())
        return done

    for at, (key, value, headers, timestamp, *partition) in enumerate(records):
        options = {"partition": partition[0]} if partition else {}
        maker.produce(topic, value, key, headers=headers, timestamp=timestamp or 0,
                      on_delivery=report(at), **options)
        maker.poll(0)
    equal(maker.flush(30), 0, "messages still unsent")
    for place in places:
        if isinstance(place, KafkaError):
            raise KafkaException(place)
    return places


def read(bootstrap, topic, count, partition=0, start=OFFSET_BEGINNING, seconds=20, **config):
    """Reads `count` messages of one partition and checks that no further one is there."""
    reader = consumer(bootstrap, **config)
    try:
        reader.assign([TopicPartition(topic, partition, start)])
        messages, deadline = [], time.monotonic() + seconds
        while len(messages) < count and time.monotonic() < deadline:
            for message in reader.consume(count - len(messages), 0.5):
                if message.error():
                    raise KafkaException(message.error())
                messages.append(message)
        equal(len(messages), count, f"messages of {topic}-{partition}")
        _, high = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        equal(high, messages[-1].offset() + 1 if messages else high, "end of the partition")
        return messages
    finally:
        reader.close()


def check_all(messages, records):
    """Compares key, value, headers, timestamp and offset of each message with what was sent."""
    for at, (message, (key, value, headers, timestamp, *_)) in enumerate(zip(messages, records)):
        equal(message.offset(), at, "offset")
        equal(message.key(), key, f"key at {at}")
        equal(message.value() or b"", value or b"", f"value at {at}")
        equal(message.headers() or [], headers, f"headers at {at}")
        equal(message.timestamp(), (TIMESTAMP_CREATE_TIME, timestamp), f"timestamp at {at}")


def codec(name):
    def feature(bootstrap):
        topic = f"{CLIENT}-codec-{name}"
        create(bootstrap, topic)
        records = list(suite.dataset(CLIENT, name))
        places = send(producer(bootstrap, compression_type=name), topic, records)
        equal(places, [(0, at) for at in range(len(records))], "acknowledged places")
        check_all(read(bootstrap, topic, len(records)), records)
    return feature


def keys(bootstrap):
    topic = f"{CLIENT}-keys"
    create(bootstrap, topic, partitions=5)
    keyed = [(b"key-%d" % (i % 40), b"%d" % i, [], None) for i in range(400)]
    places = send(producer(bootstrap), topic, keyed)
    for (key, *_), (partition, _) in zip(keyed, places):
        equal(partition, suite.partition_of(key, 5), f"partition of {key}")
    null_keyed = [(None, b"n%d" % i, [], None) for i in range(100)]
    empty_keyed = [(b"", b"e%d" % i, [], None) for i in range(10)]
    # Without sticking to a partition for a while, null keys spread over all of them.
    places += send(producer(bootstrap, sticky_partitioning_linger_ms=0), topic,
                   null_keyed + empty_keyed)
    equal(len({partition for partition, _ in places[400:500]}), 5, "partitions of null keys")
    sent = {place: record for place, record in zip(places, keyed + null_keyed + empty_keyed)}
    equal(len(sent), 510, "distinct places")
    for partition in range(5):
        count = sum(1 for place in sent if place[0] == partition)
        for message in read(bootstrap, topic, count, partition):
            want = sent[partition, message.offset()]
            equal((message.key(), message.value()), want[:2], "key and value")


def headers(bootstrap):
    topic = f"{CLIENT}-headers"
    create(bootstrap, topic)
    records = [
        (b"k", b"none", [], 1),
        (b"k", b"one", [("a", b"1")], 2),
        (b"k", b"again", [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"1")], 3),
        (b"k", b"odd", [("null", None), ("empty", b""), ("binary", bytes(range(256)))], 4),
        (None, b"utf-8", [("schlüssel-☃", "wert-☃".encode())], 5),
        (None, b"many", [(f"h{i}", b"x" * i) for i in range(200)], 6),
        (None, b"big", [("big", b"y" * 100_000)], 7),
    ]
    send(producer(bootstrap), topic, records)
    check_all(read(bootstrap, topic, len(records)), records)


def sizes(bootstrap):
    topic = f"{CLIENT}-sizes"
    create(bootstrap, topic)
    big = bytes((i * 7 + i // 253) % 256 for i in range(1_048_000))
    records = [
        (b"empty", b"", [], 1), (b"null", None, [], 2), (None, b"x", [], 3), (None, big, [], 4),
        (b"", b"", [], 5), (None, None, [], 6), (b"after", big[:500_000], [], 7),
    ]
    send(producer(bootstrap, message_max_bytes=2_000_000), topic, records)
    # A fetch limit below the record's size must not hide the record (KIP-74).
    small = {"max_partition_fetch_bytes": 1000, "fetch_max_bytes": 1000, "message_max_bytes": 1000}
    for options in [{}, small]:
        messages = read(bootstrap, topic, len(records), **options)
        check_all(messages, records)
        equal([message.value() is None for message in messages],
              [value is None for _, value, *_ in records], "null values")


def too_large(bootstrap):
    topic = f"{CLIENT}-too-large"
    create(bootstrap, topic, max_message_bytes="10000")
    maker = producer(bootstrap, message_max_bytes=2_000_000)
    send(maker, topic, [(None, b"before", [], 1)])
    try:
        send(maker, topic, [(None, b"x" * 20_000, [], 2)])
        raise AssertionError("a record above max.message.bytes was accepted")
    except KafkaException as error:
        equal(error.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE, "error code")
    equal(send(maker, topic, [(None, b"after", [], 3)]), [(0, 1)], "place after the refusal")
    equal([m.value() for m in read(bootstrap, topic, 2)], [b"before", b"after"], "values")


def timestamps(bootstrap):
    created, appended = f"{CLIENT}-create-time", f"{CLIENT}-append-time"
    create(bootstrap, created)
    create(bootstrap, appended, message_timestamp_type="LogAppendTime")
    # Not in order: time never reorders a log.
    times = [suite.BASE_MS + shift for shift in (5, 3, 9, 9, 1, 1_000_000)]
    records = [(None, b"%d" % at, [], at) for at in times]
    for compression in ["none", "lz4"]:
        send(producer(bootstrap, compression_type=compression), created, records)
    messages = read(bootstrap, created, 2 * len(times))
    equal([m.timestamp() for m in messages],
          [(TIMESTAMP_CREATE_TIME, at) for at in times * 2], "create times")
    before = int(time.time() * 1000)
    for compression in ["none", "lz4"]:
        send(producer(bootstrap, compression_type=compression), appended, records)
    after = int(time.time() * 1000)
    for message in read(bootstrap, appended, 2 * len(times)):
        kind, at = message.timestamp()
        equal(kind, TIMESTAMP_LOG_APPEND_TIME, "timestamp type")
        holds(before <= at <= after, f"append time {at} outside of {before}..{after}")


def acks(bootstrap):
    topic = f"{CLIENT}-acks"
    create(bootstrap, topic, partitions=3)
    for partition, wanted in enumerate(["0", "1", "all"]):
        records = [(None, b"%d" % i, [], i + 1, partition) for i in range(200)]
        # With acks=0 nobody tells that a new partition is not led yet: one record goes ahead.
        send(producer(bootstrap), topic, records[:1])
        maker = producer(bootstrap, acks=wanted, enable_idempotence=False)
        places = send(maker, topic, records[1:])
        if wanted != "0":
            equal(places, [(partition, at) for at in range(1, 200)], f"places with acks={wanted}")
        check_all(read(bootstrap, topic, 200, partition), records)


def idempotence(bootstrap):
    topic = f"{CLIENT}-idempotence"
    create(bootstrap, topic, partitions=2)
    maker = producer(bootstrap, enable_idempotence=True, batch_num_messages=50)
    records = [(None, b"%d" % i, [], i + 1, i % 2) for i in range(5000)]
    places = send(maker, topic, records)
    equal(places, [(i % 2, i // 2) for i in range(5000)], "places")
    for partition in range(2):
        values = [int(m.value()) for m in read(bootstrap, topic, 2500, partition)]
        equal(values, list(range(partition, 5000, 2)), "values in order, once each")


def auto_create(bootstrap):
    topic = f"{CLIENT}-auto-create"
    equal(send(producer(bootstrap), topic, [(b"k", b"v", [], 1)]), [(0, 0)], "place")
    check_all(read(bootstrap, topic, 1), [(b"k", b"v", [], 1)])
    # A consumer that may not create a topic gets an error and creates none.
    reader = consumer(bootstrap, allow_auto_create_topics=False, group_id=topic)
    reader.subscribe([f"{topic}-never"])
    message = eventually("an error", lambda: reader.poll(0.5))
    equal(message.error().code(), KafkaError.UNKNOWN_TOPIC_OR_PART, "error of an unknown topic")
    reader.close()
    names = admin(bootstrap).list_topics(timeout=10).topics
    holds(topic in names and f"{topic}-never" not in names, f"topics {sorted(names)}")


def seek_time(bootstrap):
    topic = f"{CLIENT}-seek-time"
    create(bootstrap, topic)
    base = suite.BASE_MS
    for compression in ["none", "gzip"]:
        maker = producer(bootstrap, compression_type=compression, batch_num_messages=10)
        start = base if compression == "none" else base + 1000
        send(maker, topic, [(None, b"%d" % i, [], start + i * 10) for i in range(100)])
    reader = consumer(bootstrap)
    rows = [(0, 0), (base, 0), (base + 1, 1), (base + 10, 1), (base + 555, 56),
            (base + 1000, 100), (base + 1991, -1), (base + 1990, 199)]
    for at, want in rows:
        [found] = reader.offsets_for_times([TopicPartition(topic, 0, at)], timeout=10)
        end = OFFSET_END if want == -1 else want
        equal(found.offset, end, f"offset of time base{at - base:+}")
    reader.assign([TopicPartition(topic, 0, 0)])
    eventually("a first message", lambda: reader.poll(0.5))
    reader.seek(TopicPartition(topic, 0, 56))
    message = eventually("the message at 56", lambda: reader.poll(0.5))
    equal((message.offset(), message.timestamp()[1]), (56, base + 560), "message after the seek")
    reader.close()


def seek_offsets(bootstrap):
    topic = f"{CLIENT}-seek-offsets"
    create(bootstrap, topic)
    maker = producer(bootstrap)
    send(maker, topic, [(None, b"%d" % i, [], 1) for i in range(100)])
    for isolation in ["read_uncommitted", "read_committed"]:
        reader = consumer(bootstrap, isolation_level=isolation, enable_partition_eof=True)
        equal(reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=10), (0, 100), "ends")
        for start, want in [(OFFSET_BEGINNING, 0), (37, 37), (99, 99)]:
            reader.assign([TopicPartition(topic, 0, start)])
            message = eventually(f"a message at {want}", lambda: reader.poll(0.5))
            equal((message.offset(), message.value()), (want, b"%d" % want), "message")
        reader.assign([TopicPartition(topic, 0, OFFSET_END)])
        message = eventually("the end", lambda: reader.poll(0.5))
        equal(message.error().code(), KafkaError._PARTITION_EOF, "end of partition")
        reader.assign([TopicPartition(topic, 0, 1000)])
        message = eventually("an error", lambda: reader.poll(0.5))
        equal(message.error().code(), KafkaError._AUTO_OFFSET_RESET, "reading past the end")
        reader.close()


def reads_others(bootstrap):
    for writer, codecs in suite.WRITERS.items():
        for name in codecs:
            topic = f"{writer}-codec-{name}"
            if topic not in admin(bootstrap).list_topics(timeout=10).topics:
                continue
            records = list(suite.dataset(writer, name))
            check_all(read(bootstrap, topic, len(records)), records)


if __name__ == "__main__":
    suite.main({
        **{f"codec-{name}": codec(name) for name in suite.CODECS},
        "keys": keys, "headers": headers, "sizes": sizes, "too-large": too_large,
        "timestamps": timestamps, "acks": acks, "idempotence": idempotence,
        "auto-create": auto_create, "seek-time": seek_time, "seek-offsets": seek_offsets,
        "reads-others": reads_others,
        "admin-topics": confluent_admin.topics, "admin-configs": confluent_admin.configs,
        "delete-records": confluent_admin.delete_records,
        "admin-groups": confluent_admin.groups, "admin-cluster": confluent_admin.cluster,
    })
