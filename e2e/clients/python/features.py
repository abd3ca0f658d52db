"""Features of kafka-python and of aiokafka, whose producers and consumers are shaped alike.

An adapter hides what is not alike: `create(topic, partitions, config)`, `send(topic, rows, **config)`
which gives the places, `read(topic, partition, count, start, **config)`, `offsets_for_times`,
`ends(topic, partition)`, `topics()`. A row is (key, value, headers, timestamp[, partition]); places are
(partition, offset, timestamp). `offset_error` is the error of a read at an offset that is not there,
`too_large` that of a record above the limit.
"""

import time

import suite
from suite import equal, holds


def check_all(records, rows):
    equal(len(records), len(rows), "records")
    for at, (record, (key, value, headers, timestamp, *_)) in enumerate(zip(records, rows)):
        equal(record.offset, at, "offset")
        equal(record.key, key, f"key at {at}")
        equal(record.value, value, f"value at {at}")
        equal([tuple(header) for header in record.headers], headers, f"headers at {at}")
        equal((record.timestamp_type, record.timestamp), (0, timestamp), f"timestamp at {at}")


class Features:
    def __init__(self, client, adapter):
        self.client, self.adapter = client, adapter

    def table(self):
        named = {name: getattr(self, name.replace("-", "_")) for name in [
            "keys", "headers", "sizes", "too-large", "timestamps", "acks", "idempotence",
            "auto-create", "seek-time", "seek-offsets", "reads-others"]}
        return named | {f"codec-{name}": self.codec(name) for name in suite.CODECS}

    def codec(self, name):
        def feature(bootstrap):
            to = self.adapter(bootstrap)
            topic = f"{self.client}-codec-{name}"
            to.create(topic)
            rows = list(suite.dataset(self.client, name))
            places = to.send(topic, rows, compression_type=None if name == "none" else name)
            equal([place[:2] for place in places], [(0, at) for at in range(len(rows))], "places")
            check_all(to.read(topic, 0, len(rows)), rows)
        return feature

    def keys(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-keys"
        to.create(topic, 5)
        keyed = [(b"key-%d" % (i % 40), b"%d" % i, [], 1) for i in range(400)]
        nulls = [(None, b"n%d" % i, [], 1) for i in range(200)]
        places = to.send(topic, keyed + nulls)
        for (key, *_), (partition, *_) in zip(keyed, places):
            equal(partition, suite.partition_of(key, 5), f"partition of {key}")
        equal(len({partition for partition, *_ in places[400:]}), 5, "partitions of null keys")
        sent = {place[:2]: row for place, row in zip(places, keyed + nulls)}
        equal(len(sent), 600, "distinct places")
        for partition in range(5):
            count = sum(1 for place in sent if place[0] == partition)
            for record in to.read(topic, partition, count):
                want = sent[partition, record.offset]
                equal((record.key, record.value), want[:2], "key and value")

    def headers(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-headers"
        to.create(topic)
        rows = [
            (b"k", b"none", [], 1),
            (b"k", b"one", [("a", b"1")], 2),
            (b"k", b"again", [("a", b"1"), ("b", b"2"), ("a", b"3"), ("a", b"1")], 3),
            (b"k", b"odd", [("empty", b""), ("", bytes(range(256)))], 4),
            (None, b"utf-8", [("schlüssel-☃", "wert-☃".encode())], 5),
            (None, b"many", [(f"h{i}", b"x" * i) for i in range(200)], 6),
            (None, b"big", [("big", b"y" * 100_000)], 7),
        ]
        to.send(topic, rows)
        check_all(to.read(topic, 0, len(rows)), rows)

    def sizes(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-sizes"
        to.create(topic)
        big = bytes((i * 7 + i // 253) % 256 for i in range(1_048_000))
        rows = [
            (b"empty", b"", [], 1), (b"null", None, [], 2), (None, b"x", [], 3),
            (None, big, [], 4), (b"", b"", [], 5), (b"k", None, [], 6),
            (b"after", big[:500_000], [], 7),
        ]
        for row in rows:
            to.send(topic, [row], max_request_size=2_000_000)
        check_all(to.read(topic, 0, len(rows)), rows)
        # A fetch limit below the record's size must not hide the record (KIP-74).
        small = {"max_partition_fetch_bytes": 1000, "fetch_max_bytes": 1000}
        check_all(to.read(topic, 0, len(rows), **small), rows)

    def too_large(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-too-large"
        to.create(topic, 1, {"max.message.bytes": "10000"})
        to.send(topic, [(None, b"before", [], 1)])
        try:
            to.send(topic, [(None, b"x" * 20_000, [], 2)], max_request_size=2_000_000)
            raise AssertionError("a record above max.message.bytes was accepted")
        except to.too_large:
            pass
        [place] = to.send(topic, [(None, b"after", [], 3)])
        equal(place[:2], (0, 1), "place after the refusal")
        equal([record.value for record in to.read(topic, 0, 2)], [b"before", b"after"], "values")

    def timestamps(self, bootstrap):
        to = self.adapter(bootstrap)
        created, appended = f"{self.client}-create-time", f"{self.client}-append-time"
        to.create(created)
        to.create(appended, 1, {"message.timestamp.type": "LogAppendTime"})
        # Not in order: time never reorders a log.
        times = [suite.BASE_MS + shift for shift in (5, 3, 9, 9, 1, 1_000_000)]
        rows = [(None, b"%d" % at, [], at) for at in times]
        before, places = int(time.time() * 1000), []
        for compression in [None, "gzip"]:
            to.send(created, rows, compression_type=compression)
            places += to.send(appended, rows, compression_type=compression)
        after = int(time.time() * 1000)
        check_all(to.read(created, 0, 12), rows * 2)
        for record, place in zip(to.read(appended, 0, 12), places):
            equal(record.timestamp_type, 1, "timestamp type")
            equal(record.timestamp, place[2], "acknowledged time")
            at = record.timestamp
            holds(before <= at <= after, f"append time {at} outside of {before}..{after}")

    def acks(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-acks"
        to.create(topic, 3)
        for partition, wanted in enumerate([0, 1, "all"]):
            rows = [(None, b"%d" % i, [], i + 1, partition) for i in range(200)]
            # With acks=0 nobody tells that a new partition is not led yet: one record goes ahead.
            to.send(topic, rows[:1])
            places = to.send(topic, rows[1:], acks=wanted, enable_idempotence=False)
            if wanted != 0:
                wanted_places = [(partition, at) for at in range(1, 200)]
                equal([place[:2] for place in places], wanted_places, f"places, acks={wanted}")
            check_all(to.read(topic, partition, 200), rows)

    def idempotence(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-idempotence"
        to.create(topic, 2)
        rows = [(None, b"%d" % i, [], i + 1, i % 2) for i in range(5000)]
        places = to.send(topic, rows, enable_idempotence=True)
        equal([place[:2] for place in places], [(i % 2, i // 2) for i in range(5000)], "places")
        for partition in range(2):
            values = [int(record.value) for record in to.read(topic, partition, 2500)]
            equal(values, list(range(partition, 5000, 2)), "values in order, once each")

    def auto_create(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-auto-create"
        rows = [(b"k", b"v", [], 1)]
        [place] = to.send(topic, rows)
        equal(place[:2], (0, 0), "place")
        check_all(to.read(topic, 0, 1), rows)
        holds(topic in to.topics(), "the topic is not listed")

    def seek_time(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-seek-time"
        to.create(topic)
        base = suite.BASE_MS
        for start, compression in [(base, None), (base + 1000, "gzip")]:
            for part in range(10):
                rows = [(None, b"%d" % i, [], start + (part * 10 + i) * 10) for i in range(10)]
                to.send(topic, rows, compression_type=compression)
        for at, want in [(0, 0), (base, 0), (base + 1, 1), (base + 10, 1), (base + 555, 56),
                         (base + 1000, 100), (base + 1990, 199), (base + 1991, None)]:
            found = to.offset_for_time(topic, 0, at)
            if want is None:
                equal(found, None, f"offset of time base{at - base:+}")
            else:
                equal((found.offset, found.timestamp), (want, base + want * 10),
                      f"offset of time base{at - base:+}")
        [first, *_] = to.read(topic, 0, 144, start=56)
        equal((first.offset, first.timestamp), (56, base + 560), "record after the seek")

    def seek_offsets(self, bootstrap):
        to, topic = self.adapter(bootstrap), f"{self.client}-seek-offsets"
        to.create(topic)
        to.send(topic, [(None, b"%d" % i, [], 1) for i in range(100)])
        equal(to.ends(topic, 0), (0, 100), "ends")
        for isolation in ["read_uncommitted", "read_committed"]:
            for start in [0, 37, 99]:
                records = to.read(topic, 0, 100 - start, start=start, isolation_level=isolation)
                equal([int(r.value) for r in records], list(range(start, 100)), "values")
            try:
                to.read(topic, 0, 1, start=1000, isolation_level=isolation)
                raise AssertionError("read past the end")
            except to.offset_error:
                pass

    def reads_others(self, bootstrap):
        to = self.adapter(bootstrap)
        known = to.topics()
        for writer, codecs in suite.WRITERS.items():
            for name in codecs:
                topic = f"{writer}-codec-{name}"
                if topic in known:
                    rows = list(suite.dataset(writer, name))
                    check_all(to.read(topic, 0, len(rows)), rows)
