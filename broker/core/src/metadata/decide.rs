//! What each command changes, or why it is refused: one file per command.
//!
//! A command on several topics or resources answers for each of them; what is right is done even
//! if others are refused.

pub mod adopt_topics;
pub mod allocate_producer_ids;
pub mod alter_configs;
pub mod apply_topics;
pub mod automatic_topics;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod name_cluster;
pub mod register_broker;

use millrace_types::BrokerId;

use super::record::Record;
use crate::config::{BrokerConfig, StaticConfig};

/// The change that a command makes, and what to answer once it is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<R> {
    /// The change; empty if there is nothing to change.
    pub records: Vec<Record>,
    /// The answer.
    pub reply: R,
}

/// What decisions rest on besides the image: the broker that decides and its configs.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The broker.
    pub broker: BrokerId,
    /// What it was started with.
    pub file: &'a StaticConfig,
    /// What its configs come to.
    pub config: &'a BrokerConfig,
}
