"""kafka-python's `member` and `feed`; `roles.py` says what they speak."""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition, errors
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

import roles


class Member(AsyncConsumerRebalanceListener):
    def __init__(self, consumer, topic):
        self.consumer, self.topic = consumer, topic
        self.owned, self.positions = set(), {}

    def places(self):
        return {TopicPartition(self.topic, partition): OffsetAndMetadata(offset, "", -1)
                for partition, offset in sorted(self.positions.items())}

    def told(self, error=None):
        if error:
            roles.say("commit-failed", type(error).__name__)
        else:
            places = ",".join(f"{p}:{o}" for p, o in sorted(self.positions.items()))
            roles.say("committed", places or "-")

    def commit(self):
        try:
            if self.positions:
                self.consumer.commit(self.places(), timeout_ms=10_000)
            self.told()
        except errors.KafkaError as error:
            self.told(error)

    async def on_partitions_revoked(self, revoked):
        # This runs on the client's own thread, where a commit must not block.
        try:
            if self.positions:
                await self.consumer.commit_async(self.places())
            self.told()
        except errors.KafkaError as error:
            self.told(error)
        self.released("revoked", revoked)

    async def on_partitions_lost(self, lost):
        self.released("lost", lost)

    def released(self, word, places):
        partitions = {place.partition for place in places}
        self.owned -= partitions
        for partition in partitions:
            self.positions.pop(partition, None)
        roles.say(word, roles.listed(partitions))

    async def on_partitions_assigned(self, assigned):
        self.owned |= {place.partition for place in assigned}
        roles.say("assigned", roles.listed(self.owned))


def member(bootstrap, group, topic, options):
    cooperative = options.assignor.startswith("cooperative")
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, client_id=options.name,
        enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100,
        session_timeout_ms=options.session_ms, heartbeat_interval_ms=300,
        max_poll_interval_ms=60_000, group_instance_id=options.instance or None,
        partition_assignment_strategy=[
            CooperativeStickyAssignor if cooperative else RangePartitionAssignor])
    state = Member(consumer, topic)
    consumer.subscribe([topic], listener=state)
    # It must know the topic before it joins: a leader that learns of it meanwhile joins again, and
    # drops what it is assigned when a poll ends before that join does (kafka-python 3.0.12).
    consumer.partitions_for_topic(topic)
    commands = roles.commands()
    while True:
        try:
            for records in consumer.poll(50).values():
                for record in records:
                    state.positions[record.partition] = record.offset + 1
                    roles.record(record.partition, record.offset, record.value)
        except errors.KafkaError as error:
            roles.say("error", type(error).__name__)
        command = next(commands)
        if command == "commit":
            state.commit()
        elif command == "leave":
            state.commit()
            consumer.close(autocommit=False)
            roles.say("left")
            return


def feed(bootstrap, topic, options):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=options.linger_ms,
        compression_type=None if options.codec == "none" else options.codec,
        delivery_timeout_ms=300_000, request_timeout_ms=3000, retry_backoff_ms=20,
        reconnect_backoff_ms=20, reconnect_backoff_max_ms=200)

    def told(value):
        return lambda place: roles.say("acked", place.partition, place.offset, value)

    def failed(value):
        return lambda error: roles.say("failed", type(error).__name__, value)


    for line in roles.lines(lambda: time.sleep(0.005)):
        partition, value = line.split(" ", 1)
        future = producer.send(topic, roles.padded(value, options.pad), partition=int(partition))
        future.add_callback(told(value)).add_errback(failed(value))
    producer.flush(options.flush_s)
    producer.close()
    roles.say("left")


if __name__ == "__main__":
    roles.main(sys.argv[1:], member=member, feed=feed)
