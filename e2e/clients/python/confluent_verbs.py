"""librdkafka's `member`, `feed` and `dump`; `roles.py` says what they speak."""

import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import roles


def member(bootstrap, group, topic, options):
    config = {
        "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 1,
        "auto.offset.reset": "earliest", "session.timeout.ms": options.session_ms,
        "heartbeat.interval.ms": 300, "partition.assignment.strategy": options.assignor,
        "fetch.wait.max.ms": 100, "client.id": options.name, "max.poll.interval.ms": 60_000,
        "reconnect.backoff.max.ms": 500,
    }
    if options.instance:
        config["group.instance.id"] = options.instance
    consumer, owned, positions = Consumer(config), set(), {}
    cooperative = options.assignor.startswith("cooperative")

    def commit():
        places = [TopicPartition(topic, p, positions[p]) for p in sorted(positions) if p in owned]
        if not places:
            roles.say("committed", "-")
            return
        try:
            done = consumer.commit(offsets=places, asynchronous=False)
            bad = [place.error for place in done if place.error]
            if bad:
                raise KafkaException(bad[0])
            roles.say("committed", ",".join(f"{p.partition}:{p.offset}" for p in done))
        except KafkaException as error:
            roles.say("commit-failed", error.args[0].name())

    def assigned(_, places):
        partitions = {place.partition for place in places}
        if cooperative:
            consumer.incremental_assign(places)
        else:
            owned.clear()
            consumer.assign(places)
        owned.update(partitions)
        roles.say("assigned", roles.listed(owned))

    def revoked(_, places):
        commit()
        released(places, "revoked")

    def released(places, word):
        partitions = {place.partition for place in places}
        owned.difference_update(partitions)
        for partition in partitions:
            positions.pop(partition, None)
        if cooperative:
            consumer.incremental_unassign(places)
        else:
            consumer.unassign()
        roles.say(word, roles.listed(partitions))

    consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked,
                       on_lost=lambda _, places: released(places, "lost"))
    commands = roles.commands()
    while True:
        message = consumer.poll(0.05)
        if message is not None and message.error():
            roles.say("error", message.error().name(), message.error().str())
        elif message is not None:
            positions[message.partition()] = message.offset() + 1
            roles.record(message.partition(), message.offset(), message.value())
        command = next(commands)
        if command == "commit":
            commit()
        elif command == "leave":
            consumer.close()
            roles.say("left")
            return


def feed(bootstrap, topic, options):
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": options.linger_ms,
        "log_level": 1,
        "message.timeout.ms": 300_000, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
        "retry.backoff.ms": 20, "retry.backoff.max.ms": 200, "compression.type": options.codec,
        "batch.num.messages": 100, "request.timeout.ms": 3000,
    })

    def report(error, message):
        value = roles.unpadded(message.value())
        if error:
            roles.say("failed", error.name(), value)
        else:
            roles.say("acked", message.partition(), message.offset(), value)

    for line in roles.lines(lambda: producer.poll(0.01)):
        partition, value = line.split(" ", 1)
        while True:
            try:
                producer.produce(topic, roles.padded(value, options.pad), partition=int(partition),
                                 on_delivery=report)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush(options.flush_s)
    roles.say("left")


def dump(bootstrap, topic, partitions):
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "dump", "auto.offset.reset": "error",
        "check.crcs": True, "enable.auto.commit": False, "fetch.wait.max.ms": 100,
        "isolation.level": "read_committed",
    })
    ends, places = {}, []
    for partition in range(partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        roles.say("bounds", partition, low, high)
        if low < high:
            ends[partition] = high
            places.append(TopicPartition(topic, partition, OFFSET_BEGINNING))
    consumer.assign(places)
    while ends:
        for message in consumer.consume(1000, 1.0):
            if message.error():
                raise KafkaException(message.error())
            partition, offset = message.partition(), message.offset()
            roles.record(partition, offset, message.value())
            if ends.get(partition) == offset + 1:
                del ends[partition]
    consumer.close()
    roles.say("left")


def drop(bootstrap, name):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # The group first: it is refused as long as members' sessions last.
    for future in admin.delete_consumer_groups([name]).values():
        future.result(20)
    for future in admin.delete_topics([name]).values():
        future.result(20)
    roles.say("left")


if __name__ == "__main__":
    roles.main(sys.argv[1:], member=member, feed=feed, dump=dump, drop=drop)
