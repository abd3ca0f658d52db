//! Configs of topics and of the broker, by Kafka's names: what exists, what a value may be, which
//! of several places wins, and how a change is applied.
//!
//! Only configs that have an effect in this broker are in the tables; a config that Kafka knows and
//! that would do nothing here is refused with that reason. The facts (names, types, defaults,
//! ranges, synonyms) are those of Apache Kafka 4.3. Files and flags are read by `millrace-server`.

pub mod alter;
pub mod broker;
mod broker_table;
pub mod definition;
pub mod describe;
mod error;
mod kafka_names;
pub mod layers;
pub mod listener;
pub mod properties;
mod static_config;
pub mod topic;
mod topic_table;
mod value;

pub use broker::BrokerConfig;
pub use error::ConfigError;
pub use layers::{Layers, Source, Values};
pub use static_config::StaticConfig;
pub use topic::TopicConfig;
pub use value::Value;

/// The definitions of all topic configs, sorted by name.
pub static TOPIC_CONFIGS: &[definition::Definition] = topic_table::TABLE;
/// The definitions of all broker configs, sorted by name.
pub static BROKER_CONFIGS: &[definition::Definition] = broker_table::TABLE;
