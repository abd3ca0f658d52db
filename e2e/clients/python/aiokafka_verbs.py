"""aiokafka's `member` and `feed`; `roles.py` says what they speak."""

import asyncio
import sys
import time

from aiokafka import (
    AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition, errors,
)
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

import roles


class Member(ConsumerRebalanceListener):
    """The client has no word for partitions lost: it revokes them as if they were still its own."""

    def __init__(self, consumer, topic):
        self.consumer, self.topic = consumer, topic
        self.owned, self.positions = set(), {}

    async def commit(self):
        places = {TopicPartition(self.topic, p): o for p, o in sorted(self.positions.items())}
        if not places:
            roles.say("committed", "-")
            return
        try:
            await self.consumer.commit(places)
            roles.say("committed", ",".join(f"{p.partition}:{o}" for p, o in places.items()))
        except errors.KafkaError as error:
            roles.say("commit-failed", type(error).__name__)

    async def on_partitions_revoked(self, revoked):
        if self.owned:
            await self.commit()
        self.owned.clear()
        self.positions.clear()
        roles.say("revoked", roles.listed({place.partition for place in revoked}))

    async def on_partitions_assigned(self, assigned):
        self.owned = {place.partition for place in assigned}
        roles.say("assigned", roles.listed(self.owned))


async def member_async(bootstrap, group, topic, options):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, client_id=options.name,
        enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100,
        session_timeout_ms=options.session_ms, heartbeat_interval_ms=300,
        max_poll_interval_ms=60_000, group_instance_id=options.instance or None,
        partition_assignment_strategy=[RangePartitionAssignor], retry_backoff_ms=50)
    state = Member(consumer, topic)
    consumer.subscribe([topic], listener=state)
    await consumer.start()
    commands = roles.commands()
    while True:
        try:
            for records in (await consumer.getmany(timeout_ms=50)).values():
                for record in records:
                    # A batch may outlive a rebalance that came while it was handed over.
                    if record.partition in state.owned:
                        state.positions[record.partition] = record.offset + 1
                        roles.record(record.partition, record.offset, record.value)
        except errors.KafkaError as error:
            roles.say("error", type(error).__name__)
            await asyncio.sleep(0.05)
        command = next(commands)
        if command == "commit":
            await state.commit()
        elif command == "leave":
            await state.commit()
            await consumer.stop()
            roles.say("left")
            return


async def feed_async(bootstrap, topic, options):
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=options.linger_ms,
        compression_type=None if options.codec == "none" else options.codec,
        request_timeout_ms=300_000, retry_backoff_ms=20)
    await producer.start()
    lines = roles.lines(lambda: time.sleep(0.005))
    loop, told = asyncio.get_running_loop(), set()

    async def tell(future, value):
        try:
            place = await future
            roles.say("acked", place.partition, place.offset, value)
        except errors.KafkaError as error:
            roles.say("failed", type(error).__name__, value)

    while (line := await loop.run_in_executor(None, next, lines, None)) is not None:
        partition, value = line.split(" ", 1)
        future = await producer.send(topic, roles.padded(value, options.pad),
                                     partition=int(partition))
        task = asyncio.create_task(tell(future, value))
        told.add(task)
        task.add_done_callback(told.discard)
    await producer.stop()
    await asyncio.gather(*told)
    roles.say("left")


def member(*words):
    asyncio.run(member_async(*words))


def feed(*words):
    asyncio.run(feed_async(*words))


if __name__ == "__main__":
    roles.main(sys.argv[1:], member=member, feed=feed)
