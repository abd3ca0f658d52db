//! The configs that a broker can have: first-class ones, and those that give topics their defaults.
//!
//! Source: Kafka's `KafkaConfig.CONFIG_DEF`. Dynamic ones may be set for the cluster or for one
//! broker. Differs from Kafka: `listeners` cannot be changed while the broker runs.

use super::definition::{Definition, Kind, Limit, definitions};
use super::topic_table::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, FLUSH_MS_SYNONYMS, GZIP_LEVEL, LONG_MAX, LZ4_LEVEL,
    RETENTION_MS_SYNONYMS, ROLL_JITTER_MS_SYNONYMS, ROLL_MS_SYNONYMS, TIMESTAMP_TYPES, ZSTD_LEVEL,
};

const fn broker(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    documentation: &'static str,
) -> Definition {
    Definition::new(name, kind, default, documentation)
}

definitions! {
    ADVERTISED_LISTENERS = broker(
        "advertised.listeners", Kind::List, "",
        "The addresses that clients are told to connect to, as NAME://host:port; by default those \
         of listeners.",
    ).optional().read_only();
    AUTO_CREATE_TOPICS_ENABLE = broker(
        "auto.create.topics.enable", Kind::Boolean, "true",
        "Whether asking for the metadata of a topic that does not exist creates it.",
    ).read_only();
    BROKER_RACK = broker(
        "broker.rack", Kind::String, "",
        "Where the broker stands, such as a zone; clients see it in the cluster's metadata.",
    ).optional().read_only();
    CLUSTER_ID = broker(
        "cluster.id", Kind::String, "",
        "The id of the cluster: a fresh directory takes it, and one of another cluster is refused. \
         By default that of the directory, or one by chance.",
    ).optional().read_only();
    _ = broker(
        "compression.gzip.level", Kind::Int, "-1",
        "Default of the topic config of the same name.",
    ).limit(GZIP_LEVEL);
    _ = broker(
        "compression.lz4.level", Kind::Int, "9",
        "Default of the topic config of the same name.",
    ).limit(LZ4_LEVEL);
    _ = broker(
        "compression.type", Kind::String, "producer",
        "Default of the topic config of the same name.",
    ).limit(Limit::OneOf(COMPRESSION_TYPES));
    _ = broker(
        "compression.zstd.level", Kind::Int, "3",
        "Default of the topic config of the same name.",
    ).limit(ZSTD_LEVEL);
    CONNECTIONS_MAX_IDLE_MS = broker(
        "connections.max.idle.ms", Kind::Long, "600000",
        "A connection on which nothing was asked for so long is closed; -1 for never.",
    ).at_least(-1).read_only();
    CONTROLLER_LISTENER_NAMES = broker(
        "controller.listener.names", Kind::List, "",
        "Names in listeners that are for controllers; a broker is its own controller, so these are \
         not opened.",
    ).optional().read_only();
    DEFAULT_REPLICATION_FACTOR = broker(
        "default.replication.factor", Kind::Int, "1",
        "How many replicas the partitions of a topic get where its creator does not say.",
    ).limit(Limit::Between(1, 32767)).read_only();
    DELETE_TOPIC_ENABLE = broker(
        "delete.topic.enable", Kind::Boolean, "true",
        "Whether topics can be deleted at all.",
    ).read_only();
    FETCH_MAX_BYTES = broker(
        "fetch.max.bytes", Kind::Int, "57671680",
        "The most that one fetch is answered with, whatever the client asks for.",
    ).at_least(1024).read_only();
    GROUP_INITIAL_REBALANCE_DELAY_MS = broker(
        "group.initial.rebalance.delay.ms", Kind::Int, "3000",
        "How long a new group waits for more members before its first assignment.",
    ).at_least(0).read_only();
    GROUP_MAX_SESSION_TIMEOUT_MS = broker(
        "group.max.session.timeout.ms", Kind::Int, "1800000",
        "The longest session timeout that a member of a group may ask for.",
    ).at_least(1).read_only();
    GROUP_MAX_SIZE = broker(
        "group.max.size", Kind::Int, "2147483647",
        "How many members a group may have.",
    ).at_least(1).read_only();
    GROUP_MIN_SESSION_TIMEOUT_MS = broker(
        "group.min.session.timeout.ms", Kind::Int, "6000",
        "The shortest session timeout that a member of a group may ask for.",
    ).at_least(1).read_only();
    LISTENER_SECURITY_PROTOCOL_MAP = broker(
        "listener.security.protocol.map", Kind::List,
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "The protocol of each listener name, as NAME:PROTOCOL; only PLAINTEXT is served.",
    ).limit(Limit::NotEmpty).read_only();
    LISTENERS = broker(
        "listeners", Kind::List, "PLAINTEXT://:9092",
        "The addresses that the broker listens on, as NAME://host:port; an empty host is every \
         address of the machine.",
    ).limit(Limit::NotEmpty).read_only();
    LOG_CLEANER_BACKOFF_MS = broker(
        "log.cleaner.backoff.ms", Kind::Long, "15000",
        "How long the cleaner rests when there was nothing to compact.",
    ).at_least(0);
    LOG_CLEANER_DEDUPE_BUFFER_SIZE = broker(
        "log.cleaner.dedupe.buffer.size", Kind::Long, "134217728",
        "The most memory that compaction takes to remember the keys it has seen.",
    ).at_least(1_048_576);
    _ = broker(
        "log.cleaner.delete.retention.ms", Kind::Long, "86400000",
        "Default of the topic config delete.retention.ms.",
    ).at_least(0);
    LOG_CLEANER_IO_MAX_BYTES_PER_SECOND = broker(
        "log.cleaner.io.max.bytes.per.second", Kind::Double, "1.7976931348623157E308",
        "How many bytes compaction may read and write in a second.",
    );
    LOG_CLEANER_MAX_COMPACTION_LAG_MS = broker(
        "log.cleaner.max.compaction.lag.ms", Kind::Long, LONG_MAX,
        "Default of the topic config max.compaction.lag.ms.",
    ).at_least(1);
    _ = broker(
        "log.cleaner.min.cleanable.ratio", Kind::Double, "0.5",
        "Default of the topic config min.cleanable.dirty.ratio.",
    ).limit(Limit::Ratio);
    LOG_CLEANER_MIN_COMPACTION_LAG_MS = broker(
        "log.cleaner.min.compaction.lag.ms", Kind::Long, "0",
        "Default of the topic config min.compaction.lag.ms.",
    ).at_least(0);
    _ = broker(
        "log.cleanup.policy", Kind::List, "delete",
        "Default of the topic config cleanup.policy.",
    ).limit(Limit::EachOf(CLEANUP_POLICIES));
    LOG_DIR = broker(
        "log.dir", Kind::List, "/tmp/kafka-logs",
        "The directory of the data, where log.dirs is not set.",
    ).limit(Limit::NotEmpty).read_only();
    LOG_DIRS = broker(
        "log.dirs", Kind::List, "",
        "The directory of the data; one broker has one.",
    ).optional().limit(Limit::NotEmpty).read_only();
    _ = broker(
        "log.flush.interval.messages", Kind::Long, LONG_MAX,
        "Default of the topic config flush.messages.",
    ).at_least(1);
    _ = broker(
        "log.flush.interval.ms", Kind::Long, "",
        "Default of the topic config flush.ms.",
    ).optional().at_least(0).from(FLUSH_MS_SYNONYMS);
    LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS = broker(
        "log.flush.offset.checkpoint.interval.ms", Kind::Int, "60000",
        "How often it is written down up to where the logs are synced to disk.",
    ).at_least(0).read_only();
    _ = broker(
        "log.flush.scheduler.interval.ms", Kind::Long, LONG_MAX,
        "Stands in for log.flush.interval.ms where that is not set.",
    ).at_least(0).read_only();
    LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS = broker(
        "log.flush.start.offset.checkpoint.interval.ms", Kind::Int, "60000",
        "How often it is written down where the logs begin.",
    ).at_least(0).read_only();
    _ = broker(
        "log.index.interval.bytes", Kind::Int, "4096",
        "Default of the topic config index.interval.bytes.",
    ).at_least(0);
    _ = broker(
        "log.index.size.max.bytes", Kind::Int, "10485760",
        "Default of the topic config segment.index.bytes.",
    ).at_least(4);
    _ = broker(
        "log.message.timestamp.after.max.ms", Kind::Long, "3600000",
        "Default of the topic config message.timestamp.after.max.ms.",
    ).at_least(0);
    _ = broker(
        "log.message.timestamp.before.max.ms", Kind::Long, LONG_MAX,
        "Default of the topic config message.timestamp.before.max.ms.",
    ).at_least(0);
    _ = broker(
        "log.message.timestamp.type", Kind::String, "CreateTime",
        "Default of the topic config message.timestamp.type.",
    ).limit(Limit::OneOf(TIMESTAMP_TYPES));
    _ = broker(
        "log.retention.bytes", Kind::Long, "-1",
        "Default of the topic config retention.bytes.",
    );
    LOG_RETENTION_CHECK_INTERVAL_MS = broker(
        "log.retention.check.interval.ms", Kind::Long, "300000",
        "How often it is looked for segments that are old or many enough to delete.",
    ).at_least(1).read_only();
    _ = broker(
        "log.retention.hours", Kind::Int, "168",
        "Stands in for log.retention.ms where neither that nor log.retention.minutes is set.",
    ).read_only();
    _ = broker(
        "log.retention.minutes", Kind::Int, "",
        "Stands in for log.retention.ms where that is not set.",
    ).optional().read_only();
    _ = broker(
        "log.retention.ms", Kind::Long, "",
        "Default of the topic config retention.ms.",
    ).optional().at_least(-1).from(RETENTION_MS_SYNONYMS);
    _ = broker(
        "log.roll.hours", Kind::Int, "168",
        "Stands in for log.roll.ms where that is not set.",
    ).at_least(1).read_only();
    _ = broker(
        "log.roll.jitter.hours", Kind::Int, "0",
        "Stands in for log.roll.jitter.ms where that is not set.",
    ).at_least(0).read_only();
    _ = broker(
        "log.roll.jitter.ms", Kind::Long, "",
        "Default of the topic config segment.jitter.ms.",
    ).optional().at_least(0).from(ROLL_JITTER_MS_SYNONYMS);
    _ = broker(
        "log.roll.ms", Kind::Long, "",
        "Default of the topic config segment.ms.",
    ).optional().at_least(1).from(ROLL_MS_SYNONYMS);
    _ = broker(
        "log.segment.bytes", Kind::Int, "1073741824",
        "Default of the topic config segment.bytes.",
    ).at_least(1_048_576);
    _ = broker(
        "log.segment.delete.delay.ms", Kind::Long, "60000",
        "Default of the topic config file.delete.delay.ms.",
    ).at_least(0);
    MAX_CONNECTIONS = broker(
        "max.connections", Kind::Int, "2147483647",
        "How many connections the broker holds at once.",
    ).at_least(0);
    MAX_CONNECTIONS_PER_IP = broker(
        "max.connections.per.ip", Kind::Int, "2147483647",
        "How many connections the broker holds at once from one address.",
    ).at_least(0);
    MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS = broker(
        "max.incremental.fetch.session.cache.slots", Kind::Int, "1000",
        "How many fetch sessions the broker remembers.",
    ).at_least(0).read_only();
    MAX_REQUEST_PARTITION_SIZE_LIMIT = broker(
        "max.request.partition.size.limit", Kind::Int, "2000",
        "The most partitions that one DescribeTopicPartitions is answered with.",
    ).at_least(1).read_only();
    _ = broker(
        "message.max.bytes", Kind::Int, "1048588",
        "Default of the topic config max.message.bytes.",
    ).at_least(0);
    METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS = broker(
        "metadata.log.max.record.bytes.between.snapshots", Kind::Long, "20971520",
        "How many bytes of changes to the metadata are logged before a snapshot replaces them.",
    ).at_least(1).read_only();
    _ = broker(
        "min.insync.replicas", Kind::Int, "1",
        "Default of the topic config of the same name.",
    ).at_least(1);
    NODE_ID = broker(
        "node.id", Kind::Int, "",
        "The number of this broker in its cluster.",
    ).optional().at_least(0).read_only();
    NUM_PARTITIONS = broker(
        "num.partitions", Kind::Int, "1",
        "How many partitions a topic gets where its creator does not say.",
    ).at_least(1).read_only();
    OFFSET_METADATA_MAX_BYTES = broker(
        "offset.metadata.max.bytes", Kind::Int, "4096",
        "The longest text that a consumer may store with a committed offset.",
    ).at_least(0).read_only();
    OFFSETS_RETENTION_CHECK_INTERVAL_MS = broker(
        "offsets.retention.check.interval.ms", Kind::Long, "600000",
        "How often it is looked for committed offsets that have expired.",
    ).at_least(1).read_only();
    OFFSETS_RETENTION_MINUTES = broker(
        "offsets.retention.minutes", Kind::Int, "10080",
        "How long committed offsets are kept once their group is empty.",
    ).at_least(1).read_only();
    OFFSETS_TOPIC_NUM_PARTITIONS = broker(
        "offsets.topic.num.partitions", Kind::Int, "50",
        "How many partitions __consumer_offsets is created with.",
    ).at_least(1).read_only();
    OFFSETS_TOPIC_REPLICATION_FACTOR = broker(
        "offsets.topic.replication.factor", Kind::Short, "3",
        "How many replicas __consumer_offsets is created with.",
    ).at_least(1).read_only();
    OFFSETS_TOPIC_SEGMENT_BYTES = broker(
        "offsets.topic.segment.bytes", Kind::Int, "104857600",
        "The size at which a segment of __consumer_offsets is closed.",
    ).at_least(1_048_576).read_only();
    PROCESS_ROLES = broker(
        "process.roles", Kind::List, "",
        "What the process is for; a broker is its own controller.",
    ).optional().limit(Limit::EachOf(&["broker", "controller"])).read_only();
    PRODUCER_ID_EXPIRATION_MS = broker(
        "producer.id.expiration.ms", Kind::Int, "86400000",
        "How long a partition remembers a producer that is silent.",
    ).at_least(1);
    QUEUED_MAX_REQUEST_BYTES = broker(
        "queued.max.request.bytes", Kind::Long, "-1",
        "How many bytes of requests the broker holds at once; -1 for its own bound.",
    ).read_only();
    REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS = broker(
        "replica.high.watermark.checkpoint.interval.ms", Kind::Long, "5000",
        "How often the high watermarks are written down.",
    ).at_least(1).read_only();
    SOCKET_REQUEST_MAX_BYTES = broker(
        "socket.request.max.bytes", Kind::Int, "104857600",
        "The largest request that is taken.",
    ).at_least(1).read_only();
}
