//! What every client is asked to do; each name is a line of the programs and a row of the matrix.

/// A feature that a client's own program checks and reports.
pub const SUITE: [(&str, &str); 22] = [
    ("codec-none", "records of all kinds, uncompressed: key, value, headers, time, offset"),
    ("codec-gzip", "the same with gzip, and stored so"),
    ("codec-snappy", "the same with snappy, and stored so"),
    ("codec-lz4", "the same with lz4, and stored so"),
    ("codec-zstd", "the same with zstd, and stored so"),
    ("keys", "keyed records in the key's partition, null keys spread"),
    ("headers", "headers: order, repeats, null, empty, binary, many, big"),
    ("sizes", "values near the limit, of one byte, empty, null; fetch limit below a record"),
    ("too-large", "a record above `max.message.bytes` refused, the next one taken"),
    ("timestamps", "CreateTime kept, LogAppendTime set"),
    ("acks", "acks 0, 1 and all"),
    ("idempotence", "idempotent producer: in order, once each"),
    ("auto-create", "topic created by producing to it, not where the client forbids it"),
    ("seek-time", "offsets by time, and reading from there"),
    ("seek-offsets", "first, last, middle; past the end is refused; both isolation levels"),
    ("admin-topics", "topics created, described, grown, deleted, created again; refusals"),
    ("admin-configs", "configs set, appended, deleted, read back, in force; refusals"),
    ("delete-records", "records deleted, low watermark, reading from there"),
    ("admin-groups", "groups listed, described, deleted; offsets read, altered, deleted"),
    ("admin-cluster", "cluster id, controller, brokers"),
    ("admin-more", "log dirs, producers, config resources, topic pages, member removal"),
    ("reads-others", "reads what every other client wrote with every codec"),
];

/// A feature that a test checks with several members of the client, see `tests/groups.rs`.
pub const GROUP: [(&str, &str); 8] = [
    ("group-join-leave", "members join and leave: one owner each, nothing lost or twice"),
    ("group-idle", "more members than partitions: the rest are idle, and take over"),
    ("group-crash", "a killed member's partitions move after its session"),
    ("group-stall", "a frozen member is replaced, its late commit refused, and joins again"),
    ("group-static", "a static member restarts without a rebalance"),
    ("group-static-double", "of two with one instance id, the older one is fenced"),
    ("group-cooperative", "only the partitions that move are revoked"),
    ("group-restart", "a new member goes on from the committed offset"),
];
