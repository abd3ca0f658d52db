//! The configs that a topic can have. Each falls back to a broker config of the same meaning.
//!
//! Source: Kafka's `TopicConfig` and `ServerTopicConfigSynonyms`.

use super::definition::{
    Area, Definition, Kind, Limit, Synonym, definitions, hours, minutes, same,
};

/// Codecs that a topic may ask for.
pub(super) const COMPRESSION_TYPES: &[&str] =
    &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// What can happen to old records.
pub(super) const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
/// Whose clock stamps a record.
pub(super) const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];
/// Codec levels, as the codecs' own libraries number them.
pub(super) const GZIP_LEVEL: Limit = Limit::BetweenOr(1, 9, -1);
pub(super) const LZ4_LEVEL: Limit = Limit::Between(1, 17);
pub(super) const ZSTD_LEVEL: Limit = Limit::Between(-131_072, 22);

/// "never" or "unlimited" where a config counts up to it.
pub(super) const LONG_MAX: &str = "9223372036854775807";

pub(super) const FLUSH_MS_SYNONYMS: &[Synonym] =
    &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")];
pub(super) const RETENTION_MS_SYNONYMS: &[Synonym] =
    &[same("log.retention.ms"), minutes("log.retention.minutes"), hours("log.retention.hours")];
pub(super) const ROLL_JITTER_MS_SYNONYMS: &[Synonym] =
    &[same("log.roll.jitter.ms"), hours("log.roll.jitter.hours")];
pub(super) const ROLL_MS_SYNONYMS: &[Synonym] = &[same("log.roll.ms"), hours("log.roll.hours")];

const fn topic(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    synonyms: &'static [Synonym],
    documentation: &'static str,
) -> Definition {
    Definition::new(name, kind, default, documentation).from(synonyms)
}

definitions! {
    CLEANUP_POLICY = topic(
        "cleanup.policy", Kind::List, "delete", &[same("log.cleanup.policy")],
        "What happens to old records: delete drops whole segments by age and size, compact keeps \
         the latest record of each key. With both, both; with none, records stay for ever.",
    ).limit(Limit::EachOf(CLEANUP_POLICIES));
    COMPRESSION_GZIP_LEVEL = topic(
        "compression.gzip.level", Kind::Int, "-1", &[same("compression.gzip.level")],
        "How hard gzip tries where the broker compresses; -1 is the codec's own default.",
    ).limit(GZIP_LEVEL);
    COMPRESSION_LZ4_LEVEL = topic(
        "compression.lz4.level", Kind::Int, "9", &[same("compression.lz4.level")],
        "How hard lz4 tries where the broker compresses.",
    ).limit(LZ4_LEVEL);
    COMPRESSION_TYPE = topic(
        "compression.type", Kind::String, "producer", &[same("compression.type")],
        "The codec that batches are stored with; producer stores each as it was sent.",
    ).limit(Limit::OneOf(COMPRESSION_TYPES));
    COMPRESSION_ZSTD_LEVEL = topic(
        "compression.zstd.level", Kind::Int, "3", &[same("compression.zstd.level")],
        "How hard zstd tries where the broker compresses.",
    ).limit(ZSTD_LEVEL);
    DELETE_RETENTION_MS = topic(
        "delete.retention.ms", Kind::Long, "86400000", &[same("log.cleaner.delete.retention.ms")],
        "How long compaction keeps a tombstone, so that slow readers still learn of the deletion.",
    ).at_least(0);
    FILE_DELETE_DELAY_MS = topic(
        "file.delete.delay.ms", Kind::Long, "60000", &[same("log.segment.delete.delay.ms")],
        "How long a file that is no longer part of the log stays on disk for those who read it.",
    ).at_least(0);
    FLUSH_MESSAGES = topic(
        "flush.messages", Kind::Long, LONG_MAX, &[same("log.flush.interval.messages")],
        "After how many records the log is synced to disk; 1 syncs before each answer.",
    ).at_least(1);
    FLUSH_MS = topic(
        "flush.ms", Kind::Long, LONG_MAX, FLUSH_MS_SYNONYMS,
        "After how many milliseconds records that were not synced yet are synced to disk.",
    ).at_least(0);
    _ = Definition::unserved("follower.replication.throttled.replicas", Kind::List, "", Area::Replication);
    INDEX_INTERVAL_BYTES = topic(
        "index.interval.bytes", Kind::Int, "4096", &[same("log.index.interval.bytes")],
        "About how many bytes of records lie between two entries of the offset index.",
    ).at_least(0);
    _ = Definition::unserved("leader.replication.throttled.replicas", Kind::List, "", Area::Replication);
    _ = Definition::unserved("local.retention.bytes", Kind::Long, "-2", Area::TieredStorage);
    _ = Definition::unserved("local.retention.ms", Kind::Long, "-2", Area::TieredStorage);
    MAX_COMPACTION_LAG_MS = topic(
        "max.compaction.lag.ms", Kind::Long, LONG_MAX, &[same("log.cleaner.max.compaction.lag.ms")],
        "A record older than this is compacted even if little of the log is worth it.",
    ).at_least(1);
    MAX_MESSAGE_BYTES = topic(
        "max.message.bytes", Kind::Int, "1048588", &[same("message.max.bytes")],
        "The largest batch that is taken, as compressed by the producer and with its header.",
    ).at_least(0);
    MESSAGE_TIMESTAMP_AFTER_MAX_MS = topic(
        "message.timestamp.after.max.ms", Kind::Long, "3600000",
        &[same("log.message.timestamp.after.max.ms")],
        "How far a producer's timestamp may lie ahead of the broker's clock.",
    ).at_least(0);
    MESSAGE_TIMESTAMP_BEFORE_MAX_MS = topic(
        "message.timestamp.before.max.ms", Kind::Long, LONG_MAX,
        &[same("log.message.timestamp.before.max.ms")],
        "How far a producer's timestamp may lie behind the broker's clock.",
    ).at_least(0);
    MESSAGE_TIMESTAMP_TYPE = topic(
        "message.timestamp.type", Kind::String, "CreateTime", &[same("log.message.timestamp.type")],
        "Whose clock stamps a record: the producer's (CreateTime) or the broker's (LogAppendTime).",
    ).limit(Limit::OneOf(TIMESTAMP_TYPES));
    MIN_CLEANABLE_DIRTY_RATIO = topic(
        "min.cleanable.dirty.ratio", Kind::Double, "0.5", &[same("log.cleaner.min.cleanable.ratio")],
        "Compaction starts once this part of the log has never been compacted.",
    ).limit(Limit::Ratio);
    MIN_COMPACTION_LAG_MS = topic(
        "min.compaction.lag.ms", Kind::Long, "0", &[same("log.cleaner.min.compaction.lag.ms")],
        "A record younger than this is not compacted.",
    ).at_least(0);
    MIN_INSYNC_REPLICAS = topic(
        "min.insync.replicas", Kind::Int, "1", &[same("min.insync.replicas")],
        "How many replicas must be in sync for a write with acks=all to be taken.",
    ).at_least(1);
    _ = Definition::unserved("preallocate", Kind::Boolean, "false", Area::Workings);
    _ = Definition::unserved("remote.log.copy.disable", Kind::Boolean, "false", Area::TieredStorage);
    _ = Definition::unserved("remote.log.delete.on.disable", Kind::Boolean, "false", Area::TieredStorage);
    _ = Definition::unserved("remote.storage.enable", Kind::Boolean, "false", Area::TieredStorage);
    RETENTION_BYTES = topic(
        "retention.bytes", Kind::Long, "-1", &[same("log.retention.bytes")],
        "Segments are deleted while the partition is larger than this; -1 for no limit.",
    );
    RETENTION_MS = topic(
        "retention.ms", Kind::Long, "604800000", RETENTION_MS_SYNONYMS,
        "Segments whose latest record is older than this are deleted; -1 for no limit.",
    ).at_least(-1);
    SEGMENT_BYTES = topic(
        "segment.bytes", Kind::Int, "1073741824", &[same("log.segment.bytes")],
        "The size at which a segment is closed and the next one started.",
    ).at_least(1_048_576);
    SEGMENT_INDEX_BYTES = topic(
        "segment.index.bytes", Kind::Int, "10485760", &[same("log.index.size.max.bytes")],
        "The size of an index file at which its segment is closed.",
    ).at_least(4);
    SEGMENT_JITTER_MS = topic(
        "segment.jitter.ms", Kind::Long, "0", ROLL_JITTER_MS_SYNONYMS,
        "Up to this much is taken off segment.ms by chance, so that not all segments close at once.",
    ).at_least(0);
    SEGMENT_MS = topic(
        "segment.ms", Kind::Long, "604800000", ROLL_MS_SYNONYMS,
        "The age at which a segment is closed even if it is not full.",
    ).at_least(1);
    _ = Definition::unserved("unclean.leader.election.enable", Kind::Boolean, "false", Area::Replication);
}
