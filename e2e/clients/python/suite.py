"""What every Python client program shares: the features' runner and the data that is compared.

A program hands `main` a table feature -> function(bootstrap) and prints one line per feature,
`feature: ok` or `feature: FAIL reason`. The data must be the same, byte for byte, in every language:
see `dataset`.
"""

import sys
import time
import traceback

BASE_MS = 1_700_000_000_000
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Every client writes these topics in its codec features, so that every other one can read them.
WRITERS = {
    "confluent-kafka": CODECS,
    "aiokafka": CODECS,
    "kafka-python": CODECS,
    "java": CODECS,
    "kafkajs": CODECS,
    "franz-go": CODECS,
}


def dataset(client, codec, count=300):
    """The records of topic `CLIENT-codec-CODEC`: (key, value, headers, timestamp) in offset order."""
    for i in range(count):
        key = None if i % 3 == 0 else b"key-%d" % (i % 7)
        value = b"%s %s %d " % (client.encode(), codec.encode(), i) + b"millrace " * (i % 40)
        headers = [("i", b"%d" % i), ("i", b""), ("codec", codec.encode())]
        yield key, value, headers, BASE_MS + i * 10


def murmur2(data):
    """The hash by which Java's default partitioner places a key."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little")
        k = (k * m) & mask
        k ^= k >> 24
        k = (k * m) & mask
        h = ((h * m) & mask) ^ k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def partition_of(key, partitions):
    """The partition in which a key must land."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def equal(got, want, what):
    """Fails with both values, shortened, unless they are equal."""
    if got != want:
        raise AssertionError(f"{what}: got {got!r:.300}, want {want!r:.300}")


def holds(condition, what):
    """Fails with `what` unless the condition holds."""
    if not condition:
        raise AssertionError(what)


def eventually(what, check, seconds=20.0):
    """Calls `check` until it gives something true; for what a broker does in its own time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what} (last: {answer!r})")
        time.sleep(0.05)


def main(features):
    """Runs the features named on the command line after the bootstrap address."""
    bootstrap, *names = sys.argv[1:]
    for name in names:
        try:
            if name not in features:
                raise AssertionError("the program knows no such feature")
            features[name](bootstrap)
            print(f"{name}: ok", flush=True)
        except Exception as error:  # noqa: BLE001 the reason becomes the feature's line
            traceback.print_exc()
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"{name}: FAIL {reason[:400]}", flush=True)
