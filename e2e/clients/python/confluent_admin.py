"""librdkafka's admin client: everything that is set is read back."""

from confluent_kafka import (
    OFFSET_BEGINNING, Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError,
    KafkaException, Producer, TopicCollection, TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions,
    NewTopic, OffsetSpec,
)

from suite import equal, eventually, holds

PREFIX = "confluent-kafka-admin"


def connect(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap})


def results(futures):
    return {key: future.result(20) for key, future in futures.items()}


def refused(futures, code, what):
    """The one future must fail with `code`; gives the message."""
    [future] = futures.values()
    try:
        future.result(20)
    except KafkaException as error:
        equal(error.args[0].code(), code, what)
        return error.args[0].str()
    raise AssertionError(f"{what}: accepted")


def fill(bootstrap, topic, count, partition=0):
    maker = Producer({"bootstrap.servers": bootstrap})
    for i in range(count):
        maker.produce(topic, b"%d" % i, partition=partition)
    equal(maker.flush(20), 0, "unsent")


def topics(bootstrap):
    admin, name = connect(bootstrap), f"{PREFIX}-topics"
    results(admin.create_topics([NewTopic(name, 3, 1, config={"retention.ms": "3600000"})]))
    described = results(admin.describe_topics(TopicCollection([name])))[name]
    equal((described.name, described.is_internal, len(described.partitions)), (name, False, 3),
          "described topic")
    for at, partition in enumerate(described.partitions):
        equal(partition.id, at, "partition")
        equal((len(partition.replicas), len(partition.isr)), (1, 1), "replicas and in-sync replicas")
        equal(partition.leader.id, partition.replicas[0].id, "leader")
    topic_id = str(described.topic_id)
    refused(admin.create_topics([NewTopic(name, 3, 1)]), KafkaError.TOPIC_ALREADY_EXISTS, "again")
    rows = [
        (NewTopic("bad name", 1, 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic("x" * 250, 1, 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic(f"{name}-rf", 1, 7), KafkaError.INVALID_REPLICATION_FACTOR),
        (NewTopic(f"{name}-cfg", 1, 1, config={"no.such": "1"}), KafkaError.INVALID_CONFIG),
        (NewTopic(f"{name}-val", 1, 1, config={"retention.ms": "soon"}), KafkaError.INVALID_CONFIG),
        (NewTopic(name.replace("-", ".") + "_a", 1, 1), None),
        (NewTopic(name.replace("-", ".") + ".a", 1, 1), KafkaError.TOPIC_EXCEPTION),
    ]
    for new, code in rows:
        if code is None:
            results(admin.create_topics([new]))
        else:
            refused(admin.create_topics([new]), code, f"creating {new.topic[:60]}")
    results(admin.create_topics([NewTopic(f"{name}-dry", 1, 1)], validate_only=True))
    holds(f"{name}-dry" not in admin.list_topics(timeout=10).topics, "validate_only created")

    results(admin.create_partitions([NewPartitions(name, 5)]))
    eventually("five partitions", lambda: len(
        admin.list_topics(name, timeout=10).topics[name].partitions) == 5)
    refused(admin.create_partitions([NewPartitions(name, 2)]), KafkaError.INVALID_PARTITIONS,
            "fewer partitions")
    fill(bootstrap, name, 10, partition=4)

    results(admin.delete_topics([name]))
    eventually("the topic gone", lambda: name not in admin.list_topics(timeout=10).topics)
    refused(admin.delete_topics([name]), KafkaError.UNKNOWN_TOPIC_OR_PART, "deleting twice")
    # The same name again is another topic: empty, with another id.
    results(admin.create_topics([NewTopic(name, 5, 1)]))
    eventually("the topic again", lambda: name in admin.list_topics(timeout=10).topics)
    again = results(admin.describe_topics(TopicCollection([name])))[name]
    holds(str(again.topic_id) != topic_id, "a new topic has the old one's id")

    def end():
        try:
            spec = {TopicPartition(name, 4): OffsetSpec.latest()}
            return [found.offset for found in results(admin.list_offsets(spec)).values()]
        except KafkaException as error:
            holds(error.args[0].retriable(), f"listing the end: {error}")
            return None

    equal(eventually("an end of the new topic", end), [0], "end of the new topic")


def read_config(admin, kind, name):
    return results(admin.describe_configs([ConfigResource(kind, name)])).popitem()[1]


def configs(bootstrap):
    admin, name, kind = connect(bootstrap), f"{PREFIX}-configs", ConfigResource.Type.TOPIC
    results(admin.create_topics([NewTopic(name, 1, 1, config={"cleanup.policy": "compact"})]))
    read = read_config(admin, kind, name)
    equal((read["cleanup.policy"].value, read["cleanup.policy"].source),
          ("compact", ConfigSource.DYNAMIC_TOPIC_CONFIG.value), "set at creation")
    equal((read["max.message.bytes"].value, read["max.message.bytes"].source,
           read["max.message.bytes"].is_default),
          ("1048588", ConfigSource.DEFAULT_CONFIG.value, True), "a default")

    def change(*entries):
        entries = [ConfigEntry(key, value, incremental_operation=operation)
                   for key, value, operation in entries]
        return admin.incremental_alter_configs(
            [ConfigResource(kind, name, incremental_configs=entries)])

    setting, append = AlterConfigOpType.SET, AlterConfigOpType.APPEND
    delete, subtract = AlterConfigOpType.DELETE, AlterConfigOpType.SUBTRACT
    results(change(("retention.ms", "7200000", setting), ("max.message.bytes", "2000", setting)))
    results(change(("cleanup.policy", "delete", append)))
    read = read_config(admin, kind, name)
    got = {key: read[key].value for key in ["retention.ms", "max.message.bytes", "cleanup.policy"]}
    equal(got, {"retention.ms": "7200000", "max.message.bytes": "2000",
                "cleanup.policy": "compact,delete"}, "after set and append")
    results(change(("cleanup.policy", "compact", subtract), ("max.message.bytes", None, delete)))
    read = read_config(admin, kind, name)
    equal((read["cleanup.policy"].value, read["max.message.bytes"].value), ("delete", "1048588"),
          "after subtract and delete")
    for bad in [("retention.ms", "x", setting), ("no.such.config", "1", setting),
                ("retention.ms", "1", append), ("segment.bytes", "-1", setting)]:
        refused(change(bad), KafkaError.INVALID_CONFIG, f"{bad[:2]}")
    equal(read_config(admin, kind, name)["retention.ms"].value, "7200000", "kept after refusals")
    missing = admin.describe_configs([ConfigResource(kind, f"{name}-none")])
    refused(missing, KafkaError.UNKNOWN_TOPIC_OR_PART, "configs of an unknown topic")
    node = next(iter(admin.list_topics(timeout=10).brokers))
    broker = read_config(admin, ConfigResource.Type.BROKER, str(node))
    equal((broker["node.id"].value, broker["node.id"].is_read_only), (str(node), True), "node.id")
    # The limit is in force at once, and its end too.
    results(change(("max.message.bytes", "100", setting)))
    maker = Producer({"bootstrap.servers": bootstrap})
    errors = []
    maker.produce(name, b"x" * 500, on_delivery=lambda error, _: errors.append(error))
    maker.flush(20)
    equal(errors[0].code(), KafkaError.MSG_SIZE_TOO_LARGE, "limit in force")
    results(change(("max.message.bytes", None, delete)))
    fill(bootstrap, name, 1)


def delete_records(bootstrap):
    admin, name = connect(bootstrap), f"{PREFIX}-delete-records"
    results(admin.create_topics([NewTopic(name, 2, 1)]))
    fill(bootstrap, name, 100, partition=1)
    place = TopicPartition(name, 1, 40)
    equal([d.low_watermark for d in results(admin.delete_records([place])).values()], [40], "low")
    beyond = admin.delete_records([TopicPartition(name, 1, 101)])
    refused(beyond, KafkaError.OFFSET_OUT_OF_RANGE, "deleting past the end")
    # What is gone already stays gone.
    again = results(admin.delete_records([TopicPartition(name, 1, 10)]))
    equal([d.low_watermark for d in again.values()], [40], "low watermark after a lower request")
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": name,
                       "auto.offset.reset": "earliest"})
    equal(reader.get_watermark_offsets(TopicPartition(name, 1), timeout=10), (40, 100), "ends")
    for start in [OFFSET_BEGINNING, 3]:
        reader.assign([TopicPartition(name, 1, start)])
        message = eventually("a message", lambda: reader.poll(0.5))
        equal((message.offset(), message.value()), (40, b"40"), f"first message from {start}")
    reader.close()
    whole = results(admin.delete_records([TopicPartition(name, 1, -1)]))
    equal([d.low_watermark for d in whole.values()], [100], "low watermark after deleting all")
    fill(bootstrap, name, 1, partition=1)
    spec = {TopicPartition(name, 1): OffsetSpec.earliest()}
    equal([o.offset for o in results(admin.list_offsets(spec)).values()], [100], "earliest")
    spec = {TopicPartition(name, 1): OffsetSpec.latest()}
    equal([o.offset for o in results(admin.list_offsets(spec)).values()], [101], "latest")


def groups(bootstrap):
    admin, name = connect(bootstrap), f"{PREFIX}-groups"
    results(admin.create_topics([NewTopic(name, 2, 1)]))
    fill(bootstrap, name, 10, partition=1)
    member = Consumer({"bootstrap.servers": bootstrap, "group.id": name, "client.id": "me",
                       "auto.offset.reset": "earliest", "enable.auto.commit": False,
                       "session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
    member.subscribe([name])
    eventually("messages", lambda: member.poll(0.5))
    place = TopicPartition(name, 1, 7, metadata="where we are: ☃")
    member.commit(offsets=[place], asynchronous=False)

    listed = {g.group_id: g for g in admin.list_consumer_groups().result(20).valid}
    equal(listed[name].state, ConsumerGroupState.STABLE, "listed state")
    described = results(admin.describe_consumer_groups([name]))[name]
    equal((described.state, described.partition_assignor, len(described.members)),
          (ConsumerGroupState.STABLE, "range", 1), "described group")
    [only] = described.members
    equal(only.client_id, "me", "client id")
    equal(sorted(p.partition for p in only.assignment.topic_partitions), [0, 1], "assignment")
    refused(admin.delete_consumer_groups([name]), KafkaError.NON_EMPTY_GROUP, "deleting it alive")
    member.close()

    def offsets():
        request = [ConsumerGroupTopicPartitions(name)]
        return results(admin.list_consumer_group_offsets(request))[name].topic_partitions

    eventually("an empty group", lambda: results(admin.describe_consumer_groups([name]))[name].state
               == ConsumerGroupState.EMPTY)
    [committed] = offsets()
    equal((committed.partition, committed.offset, committed.metadata), (1, 7, "where we are: ☃"),
          "committed offset")
    wanted = [TopicPartition(name, 0, 0), TopicPartition(name, 1, 3)]
    results(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, wanted)]))
    equal({p.partition: p.offset for p in offsets()}, {0: 0, 1: 3}, "altered offsets")
    results(admin.delete_consumer_groups([name]))
    holds(name not in {g.group_id for g in admin.list_consumer_groups().result(20).valid},
          "the group is still listed")
    refused(admin.delete_consumer_groups([name]), KafkaError.GROUP_ID_NOT_FOUND, "deleting twice")
    equal(results(admin.describe_consumer_groups([name]))[name].state, ConsumerGroupState.DEAD,
          "state of an unknown group")


def cluster(bootstrap):
    admin = connect(bootstrap)
    described = admin.describe_cluster().result(20)
    metadata = admin.list_topics(timeout=10)
    equal(described.cluster_id, metadata.cluster_id, "cluster id")
    holds(bool(described.cluster_id), "the cluster has no id")
    addresses = [f"{node.host}:{node.port}" for node in described.nodes]
    equal(addresses, [bootstrap], "brokers")
    equal(described.controller.id, described.nodes[0].id, "controller")
    equal(list(metadata.brokers), [described.nodes[0].id], "brokers of Metadata")
