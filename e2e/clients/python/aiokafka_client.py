"""aiokafka: the adapter for the features, and its admin client (each call on a loop of its own)."""

import asyncio
import contextlib

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.admin import (
    AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete,
)
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

import features
import suite
from suite import equal, holds

CLIENT = "aiokafka"
PREFIX = f"{CLIENT}-admin"


class Adapter:
    offset_error = errors.OffsetOutOfRangeError
    too_large = errors.MessageSizeTooLargeError

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def create(self, topic, partitions=1, config=None):
        async def run():
            async with connect(self.bootstrap) as admin:
                await make(admin, topic, partitions, config)
        asyncio.run(run())

    def send(self, topic, rows, **config):
        return asyncio.run(send(self.bootstrap, topic, rows, **config))

    def read(self, topic, partition, count, start=0, **config):
        return asyncio.run(read(self.bootstrap, topic, partition, count, start, **config))

    def offset_for_time(self, topic, partition, at):
        async def run():
            async with consume(self.bootstrap) as consumer:
                place = TopicPartition(topic, partition)
                return (await consumer.offsets_for_times({place: at}))[place]
        return asyncio.run(run())

    def ends(self, topic, partition):
        return asyncio.run(ends(self.bootstrap, topic, partition))

    def topics(self):
        async def run():
            async with connect(self.bootstrap) as admin:
                return await admin.list_topics()
        return asyncio.run(run())


@contextlib.asynccontextmanager
async def connect(bootstrap):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def consume(bootstrap, **config):
    base = {"auto_offset_reset": "none", "enable_auto_commit": False, "fetch_max_wait_ms": 100}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, **(base | config))
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def eventually(what, check, seconds=20.0):
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        answer = await check()
        if answer:
            return answer
        holds(asyncio.get_running_loop().time() < deadline, f"after {seconds} s still not: {what}")
        await asyncio.sleep(0.05)


def code(answer):
    """The error of the one row in an answer, by its class."""
    rows = getattr(answer, "topic_errors", None) or getattr(answer, "topic_error_codes", None) \
        or getattr(answer, "resources", None)
    number = next(value for value in rows[0] if isinstance(value, int))
    return errors.for_code(number)


async def make(admin, topic, partitions=1, config=None, replicas=1):
    new = NewTopic(topic, partitions, replicas, topic_configs=config or {})
    equal(code(await admin.create_topics([new])), errors.NoError, f"creating {topic}")

    async def led():
        [found] = await admin.describe_topics([topic])
        return found["error_code"] == 0 and len(found["partitions"]) == partitions and all(
            partition["leader"] >= 0 for partition in found["partitions"])

    await eventually(f"leaders of {topic}", led)


async def send(bootstrap, topic, rows, **config):
    base = {"linger_ms": 5, "acks": "all"}
    if config.get("acks") == 0:
        base["request_timeout_ms"] = 5000
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **(base | config))
    await producer.start()
    try:
        futures = []
        for key, value, headers, timestamp, *partition in rows:
            futures.append(await producer.send(
                topic, value, key, headers=headers, timestamp_ms=timestamp or None,
                partition=partition[0] if partition else None))
        await asyncio.wait_for(producer.flush(), 30)
        places = [await future for future in futures]
        # With acks=0 there is no place to tell.
        return [place and (place.partition, place.offset, place.timestamp) for place in places]
    finally:
        await producer.stop()


async def read(bootstrap, topic, partition, count, start, **config):
    place, records = TopicPartition(topic, partition), []
    async with consume(bootstrap, **config) as consumer:
        consumer.assign([place])
        consumer.seek(place, start)
        deadline = asyncio.get_running_loop().time() + 20
        while len(records) < count and asyncio.get_running_loop().time() < deadline:
            for some in (await consumer.getmany(timeout_ms=200)).values():
                records += some
        equal(len(records), count, f"records of {place}")
        end = (await consumer.end_offsets([place]))[place]
        equal(end, records[-1].offset + 1, "end")
    return records


async def ends(bootstrap, topic, partition):
    place = TopicPartition(topic, partition)
    async with consume(bootstrap) as consumer:
        return ((await consumer.beginning_offsets([place]))[place],
                (await consumer.end_offsets([place]))[place])


async def fill(bootstrap, topic, partition, count):
    await send(bootstrap, topic, [(None, b"%d" % i, [], None, partition) for i in range(count)])


def feature(run):
    # The client waits for ever for some answers.
    return lambda bootstrap: asyncio.run(asyncio.wait_for(run(bootstrap), 60))


async def topics(bootstrap):
    name = f"{PREFIX}-topics"
    async with connect(bootstrap) as admin:
        await make(admin, name, 3, {"retention.ms": "3600000"})
        [found] = await admin.describe_topics([name])
        for partition in found["partitions"]:
            equal((partition["replicas"], partition["isr"]),
                  ([partition["leader"]], [partition["leader"]]), "replicas")
        for new, error in [
            (NewTopic(name, 3, 1), errors.TopicAlreadyExistsError),
            (NewTopic("bad name", 1, 1), errors.InvalidTopicError),
            (NewTopic("x" * 250, 1, 1), errors.InvalidTopicError),
            (NewTopic(f"{name}-r", 1, 7), errors.InvalidReplicationFactorError),
            (NewTopic(f"{name}-c", 1, 1, topic_configs={"no.such": "1"}),
             errors.InvalidConfigurationError),
        ]:
            equal(code(await admin.create_topics([new])), error, f"creating {new.name[:40]}")
        dry = NewTopic(f"{name}-dry", 1, 1)
        equal(code(await admin.create_topics([dry], validate_only=True)), errors.NoError, "dry run")
        holds(dry.name not in await admin.list_topics(), "validate_only created a topic")
        grown = await admin.create_partitions({name: NewPartitions(5)})
        equal(code(grown), errors.NoError, "growing")

        async def five():
            return len((await admin.describe_topics([name]))[0]["partitions"]) == 5

        await eventually("five partitions", five)
        try:
            await admin.create_partitions({name: NewPartitions(2)})
            raise AssertionError("fewer partitions were accepted")
        except errors.InvalidPartitionsError:
            pass
        await fill(bootstrap, name, 4, 10)
        equal(code(await admin.delete_topics([name])), errors.NoError, "deleting")

        async def gone():
            return name not in await admin.list_topics()

        await eventually("the topic gone", gone)
        equal(code(await admin.delete_topics([name])), errors.UnknownTopicOrPartitionError, "twice")
        await make(admin, name, 5)
        equal(await ends(bootstrap, name, 4), (0, 0), "ends of the new topic")


async def configs(bootstrap):
    name = f"{PREFIX}-configs"
    async with connect(bootstrap) as admin:
        await make(admin, name, 1, {"cleanup.policy": "compact"})

        async def read(kind=ConfigResourceType.TOPIC, of=name):
            [answer, *_] = [
                answer for answer in await admin.describe_configs([ConfigResource(kind, of)])
                if answer.resources]
            [(error, message, _, _, entries)] = answer.resources
            equal(error, 0, f"describing: {message}")
            return {entry[0]: entry for entry in entries}

        # Of an entry: name, value, read-only, then default or source, sensitive.
        entries = await read()
        equal(entries["cleanup.policy"][1], "compact", "set at creation")
        equal(entries["max.message.bytes"][1], "1048588", "a default")

        async def change(**config):
            config = {key.replace("_", "."): value for key, value in config.items()}
            [answer, *_] = await admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name, config)])
            return code(answer)

        done = await change(retention_ms="7200000", max_message_bytes="300")
        equal(done, errors.NoError, "altering")
        entries = await read()
        equal([entries[key][1] for key in ["retention.ms", "max.message.bytes", "cleanup.policy"]],
              ["7200000", "300", "delete"], "after AlterConfigs, which resets what is not said")
        try:
            await send(bootstrap, name, [(b"k", b"x" * 500, [], None)])
            raise AssertionError("the limit is not in force")
        except errors.MessageSizeTooLargeError:
            pass
        equal(await change(retention_ms="x"), errors.InvalidConfigurationError, "a bad value")
        equal(await change(no_such="1"), errors.InvalidConfigurationError, "a bad name")
        equal((await read())["retention.ms"][1], "7200000", "kept after refusals")
        broker = await read(ConfigResourceType.BROKER, "1")
        equal((broker["node.id"][1], bool(broker["node.id"][2])), ("1", True), "node.id")


async def delete_records(bootstrap):
    name = f"{PREFIX}-delete-records"
    place = TopicPartition(name, 1)
    async with connect(bootstrap) as admin:
        await make(admin, name, 2)
        await fill(bootstrap, name, 1, 100)

        async def low(before):
            wanted = {place: RecordsToDelete(before_offset=before)}
            return (await admin.delete_records(wanted))[place]

        equal(await low(40), 40, "low watermark")
        try:
            await low(101)
            raise AssertionError("deleted past the end")
        except errors.OffsetOutOfRangeError:
            pass
        equal(await low(10), 40, "low watermark after a lower request")
        records = await read(bootstrap, name, 1, 60, 3, auto_offset_reset="earliest")
        equal((records[0].offset, records[0].value), (40, b"40"), "first record")
        equal(await low(-1), 100, "low watermark after deleting all")
        await fill(bootstrap, name, 1, 1)
        equal(await ends(bootstrap, name, 1), (100, 101), "ends")


async def groups(bootstrap):
    """The client has no request that deletes a group or alters its offsets."""
    name = f"{PREFIX}-groups"
    zero, one = TopicPartition(name, 0), TopicPartition(name, 1)
    async with connect(bootstrap) as admin:
        await make(admin, name, 2)
        await fill(bootstrap, name, 1, 10)
        member = AIOKafkaConsumer(
            name, bootstrap_servers=bootstrap, group_id=name, client_id="me",
            enable_auto_commit=False, auto_offset_reset="earliest", session_timeout_ms=6000,
            heartbeat_interval_ms=500)
        await member.start()
        try:
            await asyncio.wait_for(member.getone(), 20)
            await member.commit({one: (7, "where we are: ☃")})
            holds((name, "consumer") in await admin.list_consumer_groups(), "not listed")
            [answer] = await admin.describe_consumer_groups([name])
            [(error, group, state, kind, protocol, members, *_)] = answer.groups
            equal((error, group, state, kind, protocol), (0, name, "Stable", "consumer",
                                                          "roundrobin"), "described group")
            equal([it[1] for it in members], ["me"], "client ids")
        finally:
            await member.stop()

        async def empty():
            [answer] = await admin.describe_consumer_groups([name])
            return answer.groups[0][2] == "Empty"

        await eventually("an empty group", empty)
        offsets = await admin.list_consumer_group_offsets(name, partitions=[zero, one])
        equal((offsets[one].offset, offsets[one].metadata), (7, "where we are: ☃"), "committed")
        equal(offsets[zero].offset, -1, "never committed")


async def cluster(bootstrap):
    async with connect(bootstrap) as admin:
        read = await admin.describe_cluster()
        holds(read["cluster_id"], "the cluster has no id")
        [broker] = read["brokers"]
        equal(f"{broker['host']}:{broker['port']}", bootstrap, "the broker's address")
        equal(read["controller_id"], broker["node_id"], "controller")


if __name__ == "__main__":
    suite.main(features.Features(CLIENT, Adapter).table() | {
        "admin-topics": feature(topics), "admin-configs": feature(configs),
        "delete-records": feature(delete_records), "admin-groups": feature(groups),
        "admin-cluster": feature(cluster),
    })
