"""kafka-python: the adapter for the features, and its admin client."""

import contextlib
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors
from kafka.admin import AlterConfigOp, ConfigResource, MemberToRemove, OffsetSpec

import features
import suite
from suite import equal, eventually, holds

CLIENT = "kafka-python"
PREFIX = f"{CLIENT}-admin"


class Adapter:
    offset_error = errors.OffsetOutOfRangeError
    too_large = errors.MessageSizeTooLargeError

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def create(self, topic, partitions=1, config=None):
        with connect(self.bootstrap) as admin:
            wanted = {"num_partitions": partitions, "replication_factor": 1,
                      "configs": config or {}}
            admin.create_topics({topic: wanted}, wait_for_metadata=True)

    def send(self, topic, rows, **config):
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5,
                                 **({"acks": "all"} | config))
        try:
            futures = []
            for key, value, headers, timestamp, *partition in rows:
                futures.append(producer.send(
                    topic, value, key, headers=headers, timestamp_ms=timestamp or None,
                    partition=partition[0] if partition else None))
            producer.flush(30)
            places = [future.get(20) for future in futures]
            return [(place.partition, place.offset, place.timestamp) for place in places]
        finally:
            producer.close()

    @contextlib.contextmanager
    def consumer(self, **config):
        base = {"auto_offset_reset": "none", "enable_auto_commit": False, "fetch_max_wait_ms": 100}
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, **(base | config))
        try:
            yield consumer
        finally:
            consumer.close()

    def read(self, topic, partition, count, start=0, **config):
        place = TopicPartition(topic, partition)
        with self.consumer(**config) as consumer:
            consumer.assign([place])
            consumer.seek(place, start)
            records, deadline = [], time.monotonic() + 20
            while len(records) < count and time.monotonic() < deadline:
                for some in consumer.poll(200).values():
                    records += some
            equal(len(records), count, f"records of {place}")
            equal(consumer.end_offsets([place])[place], records[-1].offset + 1, "end")
            return records

    def offset_for_time(self, topic, partition, at):
        place = TopicPartition(topic, partition)
        with self.consumer() as consumer:
            return consumer.offsets_for_times({place: at})[place]

    def ends(self, topic, partition):
        place = TopicPartition(topic, partition)
        with self.consumer() as consumer:
            return (consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place])

    def topics(self):
        with connect(self.bootstrap) as admin:
            return admin.list_topics()


@contextlib.contextmanager
def connect(bootstrap):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        yield admin
    finally:
        admin.close()


def refused(wanted, what, action):
    try:
        answer = action()
    except wanted:
        return
    raise AssertionError(f"{what}: accepted, gave {answer!r}")


def fill(bootstrap, topic, partition, count):
    rows = [(None, b"%d" % i, [], None, partition) for i in range(count)]
    Adapter(bootstrap).send(topic, rows)


def topics(bootstrap):
    name = f"{PREFIX}-topics"
    with connect(bootstrap) as admin:
        def create(topic, **more):
            return admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1} | more})

        create(name, configs={"retention.ms": "3600000"})

        def described():
            [topic] = admin.describe_topics([name])
            return topic

        eventually("three partitions", lambda: len(described()["partitions"]) == 3)
        for partition in described()["partitions"]:
            equal((len(partition["replica_nodes"]), partition["isr_nodes"]),
                  (1, partition["replica_nodes"]), "replicas")
            equal(partition["leader_id"], partition["replica_nodes"][0], "leader")
        refused(errors.TopicAlreadyExistsError, "again", lambda: create(name))
        for topic, more, error in [
            ("bad name", {}, errors.InvalidTopicError),
            ("x" * 250, {}, errors.InvalidTopicError),
            (f"{name}-r", {"replication_factor": 7}, errors.InvalidReplicationFactorError),
            (f"{name}-c", {"configs": {"no.such": "1"}}, errors.InvalidConfigurationError),
            (f"{name}-v", {"configs": {"retention.ms": "x"}}, errors.InvalidConfigurationError),
        ]:
            refused(error, f"creating {topic[:40]}", lambda: create(topic, **more))
        admin.create_topics([f"{name}-default"])
        admin.create_topics([f"{name}-dry"], validate_only=True)
        holds(f"{name}-dry" not in admin.list_topics(), "validate_only created a topic")
        admin.create_partitions({name: 5})
        eventually("five partitions", lambda: len(described()["partitions"]) == 5)
        refused(errors.InvalidPartitionsError, "fewer", lambda: admin.create_partitions({name: 2}))
        fill(bootstrap, name, 4, 10)
        admin.delete_topics([name])
        eventually("the topic gone", lambda: name not in admin.list_topics())
        refused(errors.UnknownTopicOrPartitionError, "twice", lambda: admin.delete_topics([name]))
        wanted = {name: {"num_partitions": 5, "replication_factor": 1}}
        admin.create_topics(wanted, wait_for_metadata=True)
        place = TopicPartition(name, 4)
        ends = admin.list_partition_offsets({place: OffsetSpec.LATEST})
        equal(ends[place].offset, 0, "end of the new topic")


def configs(bootstrap):
    name = f"{PREFIX}-configs"
    Adapter(bootstrap).create(name, 1, {"cleanup.policy": "compact"})
    with connect(bootstrap) as admin:
        def read(key, kind="TOPIC", of=name):
            answer = admin.describe_configs([ConfigResource(kind, of)], config_filter="all",
                                            include_synonyms=True)
            return answer[kind.lower()][of][key]

        def change(**entries):
            # Keys that the client does not know are for the broker to refuse.
            entries = {key.replace("_", "."): value for key, value in entries.items()}
            answer = admin.alter_configs([ConfigResource("TOPIC", name, entries)],
                                         raise_on_unknown=False)
            [result] = answer["topic"].values()
            return str(result)

        equal(read("cleanup.policy")["value"], "compact", "set at creation")
        holds("DYNAMIC_TOPIC" in str(read("cleanup.policy")), f"{read('cleanup.policy')}")
        equal(read("max.message.bytes")["value"], "1048588", "a default")
        holds("message.max.bytes" in str(read("max.message.bytes")), "no synonym")
        change(retention_ms="7200000", max_message_bytes="300")
        change(cleanup_policy=(AlterConfigOp.APPEND, "delete"))
        equal([read(key)["value"] for key in ["retention.ms", "max.message.bytes",
                                              "cleanup.policy"]],
              ["7200000", "300", "compact,delete"], "after set and append")
        change(cleanup_policy=(AlterConfigOp.SUBTRACT, "compact"))
        equal(read("cleanup.policy")["value"], "delete", "after the subtraction")
        refused(errors.MessageSizeTooLargeError, "limit in force", lambda: Adapter(bootstrap).send(
            name, [(b"k", b"x" * 500, [], None)]))
        admin.reset_configs([ConfigResource("TOPIC", name, ["max.message.bytes"])])
        equal(read("max.message.bytes")["value"], "1048588", "after the reset")
        for bad in [{"retention_ms": "x"}, {"no_such": "1"}, {"segment_bytes": "-1"}]:
            try:
                answer = change(**bad)
            except errors.InvalidConfigurationError:
                answer = "InvalidConfig"
            holds("InvalidConfig" in answer, f"{bad}: {answer}")
        equal(read("retention.ms")["value"], "7200000", "kept after refusals")
        equal(read("node.id", "BROKER", "1")["value"], "1", "node.id")


def delete_records(bootstrap):
    name = f"{PREFIX}-delete-records"
    to, place = Adapter(bootstrap), TopicPartition(name, 1)
    to.create(name, 2)
    fill(bootstrap, name, 1, 100)
    with connect(bootstrap) as admin:
        def low(before):
            return admin.delete_records({place: before})[place]["low_watermark"]

        equal(low(40), 40, "low watermark")
        refused(errors.OffsetOutOfRangeError, "past the end", lambda: low(101))
        equal(low(10), 40, "low watermark after a lower request")
        equal(to.read(name, 1, 60, start=3, auto_offset_reset="earliest")[0].offset, 40, "first")
        refused(errors.OffsetOutOfRangeError, "what is gone", lambda: to.read(name, 1, 1, start=3))
        equal(low(-1), 100, "low watermark after deleting all")
        fill(bootstrap, name, 1, 1)
        equal(to.ends(name, 1), (100, 101), "ends")
        newest = admin.list_partition_offsets({place: OffsetSpec.MAX_TIMESTAMP})[place]
        equal(newest.offset, 100, "offset of the largest time")


def member(bootstrap, name, **more):
    consumer = KafkaConsumer(
        name, bootstrap_servers=bootstrap, group_id=name, client_id="me", enable_auto_commit=False,
        auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=500, **more)
    eventually("records", lambda: consumer.poll(300))
    return consumer


def groups(bootstrap):
    name = f"{PREFIX}-groups"
    zero, one = TopicPartition(name, 0), TopicPartition(name, 1)
    Adapter(bootstrap).create(name, 2)
    fill(bootstrap, name, 1, 10)
    with connect(bootstrap) as admin:
        consumer = member(bootstrap, name)
        consumer.commit({one: OffsetAndMetadata(7, "where we are: ☃", -1)})
        listed = {group["group_id"]: group for group in admin.list_groups()}
        equal(str(listed[name]["group_state"]).split(".")[-1].upper(), "STABLE", "listed state")

        def describe():
            return admin.describe_groups([name])[name]

        group = describe()
        equal((group["protocol_data"], group["protocol_type"]), ("range", "consumer"), "group")
        [only] = group["members"]
        equal(only["client_id"], "me", "client id")
        [assigned] = only["member_assignment"]["assigned_partitions"]
        equal(sorted(assigned["partitions"]), [0, 1], "assignment")
        holds("NonEmptyGroup" in str(admin.delete_groups([name])), "deleted alive")
        consumer.close()
        eventually("an empty group", lambda: "EMPTY" in str(describe()["group_state"]).upper())
        committed = admin.list_group_offsets({name: None})[name][one]
        equal((committed.offset, committed.metadata), (7, "where we are: ☃"), "committed")
        admin.alter_group_offsets(name, {
            zero: OffsetAndMetadata(0, "", -1), one: OffsetAndMetadata(3, "", -1)})
        admin.delete_group_offsets(name, [zero])
        left = admin.list_group_offsets({name: None})[name]
        equal({place.partition: it.offset for place, it in left.items()}, {1: 3}, "offsets")
        admin.delete_groups([name])
        holds(name not in {group["group_id"] for group in admin.list_groups()}, "still listed")
        holds("GroupIdNotFound" in str(admin.delete_groups([name])), "deleted twice")


def cluster(bootstrap):
    with connect(bootstrap) as admin:
        read = admin.describe_cluster()
        holds(read["cluster_id"], "the cluster has no id")
        [broker] = read["brokers"]
        equal(f"{broker['host']}:{broker['port']}", bootstrap, "the broker's address")
        equal(read["controller_id"], broker.get("broker_id", broker.get("node_id")), "controller")


def more(bootstrap):
    name = f"{PREFIX}-more"
    one = TopicPartition(name, 1)
    Adapter(bootstrap).create(name, 2)
    fill(bootstrap, name, 1, 100)
    with connect(bootstrap) as admin:
        [broker] = admin.describe_log_dirs({name: [0, 1]})
        [log_dir] = broker["log_dirs"] if "log_dirs" in broker else broker["results"]
        [topic] = log_dir["topics"]
        sizes = {p["partition_index"]: p["partition_size"] for p in topic["partitions"]}
        holds(sizes[0] == 0 and sizes[1] > 100, f"sizes {sizes}")
        [active] = admin.describe_producers([one])[one].active_producers
        equal(active.last_sequence, 99, "last sequence of the producer")
        pages = admin.describe_topic_partitions([name])
        holds(name in str(pages), f"pages {pages}")
        holds(name in admin.list_config_resources(["TOPIC"])["topic"], "config resources")
        consumer = member(bootstrap, name, group_instance_id="fixed")
        removed = admin.remove_group_members(name, [MemberToRemove(group_instance_id="fixed")])
        holds("NoError" in str(removed), f"removal {removed}")
        eventually("an empty group", lambda: "EMPTY" in str(
            admin.describe_groups([name])[name]["group_state"]).upper())
        consumer.close()


if __name__ == "__main__":
    suite.main(features.Features(CLIENT, Adapter).table() | {
        "admin-topics": topics, "admin-configs": configs, "delete-records": delete_records,
        "admin-groups": groups, "admin-cluster": cluster, "admin-more": more,
    })
