//! What a topic's configs come to, as types: what the log and the append path work with.

use millrace_log::{CleanupPolicy, LogConfig};

use super::definition::Definition;
use super::error::ConfigError;
use super::layers::{Layers, Values, effective};
use super::lookup::find;
use super::topic_table as table;
use super::value::Value;
use super::{TOPIC_CONFIGS, layers::Setting};

/// The configs of one topic, resolved. Times are in milliseconds and never negative.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// What the topic's logs obey.
    pub log: LogConfig,
    /// The codec that batches are stored with.
    pub compression: CompressionType,
    /// The largest batch, as stored.
    pub max_message_bytes: u32,
    /// How far a timestamp may lie ahead of the clock; `None` for any.
    pub timestamp_after_max_ms: Option<i64>,
    /// How far a timestamp may lie behind the clock; `None` for any.
    pub timestamp_before_max_ms: Option<i64>,
    /// Whose clock stamps a record.
    pub timestamp_type: TimestampType,
    /// Replicas that must be in sync for acks=all.
    pub min_insync_replicas: u32,
}

/// The codec that a topic's batches are stored with, and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent them.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// gzip, at a level from 1 to 9 or the codec's own.
    Gzip {
        /// 1 to 9; `None` for the codec's own.
        level: Option<u8>,
    },
    /// snappy in xerial's frames.
    Snappy,
    /// lz4 frames.
    Lz4 {
        /// 1 to 17.
        level: u8,
    },
    /// zstd.
    Zstd {
        /// -131072 to 22.
        level: i32,
    },
}

/// Whose clock stamps a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

impl TopicConfig {
    /// Resolves the configs of a topic with these own values. Never fails: a stored value that is
    /// not allowed is passed over.
    pub fn resolve(topic: &Values, layers: &Layers<'_>) -> TopicConfig {
        let view = View { topic, layers };
        TopicConfig {
            log: view.log(),
            compression: view.compression(),
            max_message_bytes: view.size(&table::MAX_MESSAGE_BYTES),
            timestamp_after_max_ms: view.below_max(&table::MESSAGE_TIMESTAMP_AFTER_MAX_MS),
            timestamp_before_max_ms: view.below_max(&table::MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
            timestamp_type: match view.text(&table::MESSAGE_TIMESTAMP_TYPE).as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            min_insync_replicas: view.size(&table::MIN_INSYNC_REPLICAS),
        }
    }
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig::resolve(&Values::new(), &Layers::default())
    }
}

/// Checks the values that a topic is to have as its own: each for itself, then those that must
/// fit each other, with the layers below counted in.
///
/// # Errors
/// Names the config, its value and what is allowed.
pub fn check(topic: &Values, layers: &Layers<'_>) -> Result<(), ConfigError> {
    for (name, text) in topic {
        find(TOPIC_CONFIGS, name)?.parse(text)?;
    }
    check_together(topic, layers)
}

/// Checks those values of a topic that must fit each other.
pub(super) fn check_together(topic: &Values, layers: &Layers<'_>) -> Result<(), ConfigError> {
    let view = View { topic, layers };
    let smallest = view.integer(&table::MIN_COMPACTION_LAG_MS);
    let largest = view.integer(&table::MAX_COMPACTION_LAG_MS);
    if smallest > largest {
        return Err(ConfigError::Conflict {
            name: table::MIN_COMPACTION_LAG_MS.name,
            value: smallest.to_string(),
            other: table::MAX_COMPACTION_LAG_MS.name,
            other_value: largest.to_string(),
            rule: "a record cannot be too young and too old for compaction at once",
        });
    }
    Ok(())
}

/// One topic's values with what lies below them.
struct View<'a> {
    topic: &'a Values,
    layers: &'a Layers<'a>,
}

impl View<'_> {
    fn value(&self, definition: &'static Definition) -> Option<Value> {
        let settings: Vec<Setting<'_>> = self.layers.topic_settings(self.topic, definition);
        effective(definition, &settings).map(|(value, _)| value)
    }

    fn integer(&self, definition: &'static Definition) -> i64 {
        match self.value(definition) {
            Some(Value::Integer(number)) => number,
            other => unreachable_type(definition, other.as_ref()),
        }
    }

    /// A number of type int that its limit keeps from being negative.
    fn size(&self, definition: &'static Definition) -> u32 {
        u32::try_from(self.integer(definition)).unwrap_or(0)
    }

    /// A number whose largest means "never".
    fn below_max(&self, definition: &'static Definition) -> Option<i64> {
        Some(self.integer(definition)).filter(|number| *number < i64::MAX)
    }

    fn double(&self, definition: &'static Definition) -> f64 {
        match self.value(definition) {
            Some(Value::Double(number)) => number,
            other => unreachable_type(definition, other.as_ref()),
        }
    }

    fn text(&self, definition: &'static Definition) -> String {
        match self.value(definition) {
            Some(Value::Text(text)) => text,
            other => unreachable_type(definition, other.as_ref()),
        }
    }

    fn list(&self, definition: &'static Definition) -> Vec<String> {
        match self.value(definition) {
            Some(Value::List(elements)) => elements,
            other => unreachable_type(definition, other.as_ref()),
        }
    }

    fn log(&self) -> LogConfig {
        let policies = self.list(&table::CLEANUP_POLICY);
        let has_policy = |wanted: &str| policies.iter().any(|policy| policy == wanted);
        LogConfig {
            segment_bytes: self.size(&table::SEGMENT_BYTES),
            segment_ms: self.integer(&table::SEGMENT_MS),
            segment_jitter_ms: self.integer(&table::SEGMENT_JITTER_MS),
            segment_index_bytes: self.size(&table::SEGMENT_INDEX_BYTES),
            index_interval_bytes: self.size(&table::INDEX_INTERVAL_BYTES),
            cleanup: CleanupPolicy {
                deletes: has_policy("delete"),
                compacts: has_policy("compact"),
            },
            retention_ms: Some(self.integer(&table::RETENTION_MS)).filter(|ms| *ms >= 0),
            retention_bytes: u64::try_from(self.integer(&table::RETENTION_BYTES)).ok(),
            file_delete_delay_ms: self.integer(&table::FILE_DELETE_DELAY_MS),
            flush_messages: self
                .below_max(&table::FLUSH_MESSAGES)
                .map_or(u64::MAX, i64::unsigned_abs),
            flush_ms: self.below_max(&table::FLUSH_MS),
            min_compaction_lag_ms: self.integer(&table::MIN_COMPACTION_LAG_MS),
            max_compaction_lag_ms: self.integer(&table::MAX_COMPACTION_LAG_MS),
            min_cleanable_dirty_ratio: self.double(&table::MIN_CLEANABLE_DIRTY_RATIO),
            delete_retention_ms: self.integer(&table::DELETE_RETENTION_MS),
        }
    }

    fn compression(&self) -> CompressionType {
        let level = |definition| self.integer(definition);
        match self.text(&table::COMPRESSION_TYPE).as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip {
                level: u8::try_from(level(&table::COMPRESSION_GZIP_LEVEL)).ok(),
            },
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4 {
                level: u8::try_from(level(&table::COMPRESSION_LZ4_LEVEL)).unwrap_or(9),
            },
            "zstd" => CompressionType::Zstd {
                level: i32::try_from(level(&table::COMPRESSION_ZSTD_LEVEL)).unwrap_or(3),
            },
            _ => CompressionType::Producer,
        }
    }
}

/// The tables' test parses every default, so that each definition has a value of its own kind.
fn unreachable_type(definition: &Definition, value: Option<&Value>) -> ! {
    panic!("config {} of type {:?} came out as {value:?}", definition.name, definition.kind)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use millrace_log::{CleanupPolicy, LogConfig};

    use super::{CompressionType, TimestampType, TopicConfig, check};
    use crate::config::{Layers, Values};

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_topic_without_configs_has_kafkas_defaults() {
        let config = TopicConfig::default();
        assert_eq!(config.log, LogConfig::default());
        assert_eq!(config.compression, CompressionType::Producer);
        assert_eq!(config.max_message_bytes, 1_048_588);
        assert_eq!(config.timestamp_after_max_ms, Some(3_600_000));
        assert_eq!(config.timestamp_before_max_ms, None);
        assert_eq!(config.timestamp_type, TimestampType::CreateTime);
        assert_eq!(config.min_insync_replicas, 1);
    }

    #[test]
    fn own_values_beat_those_of_the_broker() {
        let topic = values(&[("compression.type", "zstd"), ("cleanup.policy", "compact")]);
        let file = values(&[
            ("compression.type", "gzip"),
            ("compression.zstd.level", "-7"),
            ("log.retention.hours", "-1"),
            ("log.roll.hours", "2"),
        ]);
        let config = TopicConfig::resolve(&topic, &Layers { file: &file, ..Layers::default() });
        assert_eq!(config.compression, CompressionType::Zstd { level: -7 });
        assert_eq!(config.log.cleanup, CleanupPolicy { deletes: false, compacts: true });
        assert_eq!(config.log.retention_ms, None);
        assert_eq!(config.log.segment_ms, 7_200_000);
    }

    #[test]
    fn lags_that_contradict_each_other_are_refused() {
        let topic = values(&[("min.compaction.lag.ms", "10")]);
        let cluster = values(&[("log.cleaner.max.compaction.lag.ms", "5")]);
        assert_eq!(check(&topic, &Layers::default()), Ok(()));
        let layers = Layers { cluster: &cluster, ..Layers::default() };
        expect![[r#"
            "min.compaction.lag.ms=10 does not go with max.compaction.lag.ms=5: a record cannot be too young and too old for compaction at once"
        "#]]
        .assert_debug_eq(&check(&topic, &layers).unwrap_err().to_string());
    }
}
