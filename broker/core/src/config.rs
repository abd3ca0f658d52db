//! Configs of topics and of the broker, by Kafka's names: what exists, what a value may be, which
//! of several places wins, and how a change is applied.
//!
//! A config that Kafka knows and that would do nothing here is in a table as well: its default asks
//! for nothing and is taken, any other value is refused with the reason. The facts (names, types,
//! defaults, ranges, synonyms) are those of Apache Kafka 4.3. Files and flags are read by
//! `millrace-server`.

pub mod alter;
pub mod broker;
mod broker_table;
pub mod definition;
pub mod describe;
mod error;
pub mod layers;
pub mod listener;
mod lookup;
pub mod properties;
mod static_config;
pub mod topic;
mod topic_table;
mod value;
mod without_effect;

pub use broker::BrokerConfig;
pub use error::ConfigError;
pub use layers::{Layers, Source, Values};
pub use static_config::StaticConfig;
pub use topic::TopicConfig;
pub use value::Value;

/// The definitions of all topic configs, sorted by name.
pub static TOPIC_CONFIGS: &[definition::Definition] = topic_table::TABLE;
/// The definitions of all broker configs that have an effect, sorted by name.
pub static BROKER_CONFIGS: &[definition::Definition] = broker_table::TABLE;

/// The names of all broker configs of Kafka that are known here, with effect or without.
pub fn broker_names() -> impl Iterator<Item = &'static str> {
    broker_table::TABLE.iter().chain(without_effect::TABLE).map(|definition| definition.name)
}
