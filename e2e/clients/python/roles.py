"""The verbs that the Rust tests drive line by line, alike in every language.

    member BOOTSTRAP GROUP TOPIC [OPTION=VALUE ...]   consumes in a group
        says    assigned P,.. (all it owns now) | revoked P,.. | lost P,.. | record P OFFSET VALUE
                committed P:OFFSET,.. | commit-failed CODE | error CODE | left       (none is -)
        hears   commit | leave
        before it gives up partitions it commits what it has seen of them
    feed BOOTSTRAP TOPIC [OPTION=VALUE ...]           produces, idempotent, until it is acknowledged
        hears   P VALUE | leave          says    acked P OFFSET VALUE | failed CODE VALUE | left
    dump BOOTSTRAP TOPIC PARTITIONS                   reads all there is
        says    bounds P LOW HIGH | record P OFFSET VALUE | left
    drop BOOTSTRAP NAME                               deletes the topic and the group of that name
        says    left

A value that is fed is padded with dots to the size that option `pad` tells; records are said without.
"""

import queue
import sys
import threading


class Options:
    """Options of a verb, with what each is when left out."""

    def __init__(self, words):
        given = dict(word.split("=", 1) for word in words)
        self.name = given.pop("name", "member")
        self.assignor = given.pop("assignor", "range")
        self.instance = given.pop("instance", "")
        self.session_ms = int(given.pop("session-ms", "6000"))
        self.pad = int(given.pop("pad", "0"))
        self.linger_ms = int(given.pop("linger-ms", "5"))
        self.codec = given.pop("codec", "none")
        self.flush_s = int(given.pop("flush-s", "60"))
        if given:
            raise SystemExit(f"unknown options {sorted(given)}")


def say(*words):
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def listed(partitions):
    return ",".join(str(partition) for partition in sorted(partitions)) or "-"


def padded(value, size):
    return value.encode().ljust(size, b".")


def unpadded(value):
    return (value or b"").rstrip(b".").decode()


def record(partition, offset, value):
    say("record", partition, offset, unpadded(value))


def _reader():
    inbox = queue.Queue()

    def read():
        for line in sys.stdin:
            inbox.put(line.strip())
        inbox.put("leave")

    threading.Thread(target=read, daemon=True).start()
    return inbox


def commands():
    """Gives the next command, or None at once when there is none yet."""
    inbox = _reader()
    while True:
        try:
            yield inbox.get_nowait()
        except queue.Empty:
            yield None


def lines(idle):
    """Gives each line up to `leave`; calls `idle` while there is none."""
    inbox = _reader()
    while True:
        try:
            line = inbox.get_nowait()
        except queue.Empty:
            idle()
            continue
        if line == "leave":
            return
        yield line


def main(words, **verbs):
    verb, bootstrap, *rest = words
    if verb == "member":
        group, topic, *options = rest
        verbs[verb](bootstrap, group, topic, Options(options))
    elif verb == "feed":
        topic, *options = rest
        verbs[verb](bootstrap, topic, Options(options))
    elif verb == "drop":
        verbs[verb](bootstrap, *rest)
    else:
        topic, partitions = rest
        verbs[verb](bootstrap, topic, int(partitions))
