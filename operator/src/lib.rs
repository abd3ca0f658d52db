//! The operator: makes Kubernetes run what `Cluster` and `Topic` resources say.
//!
//! `cluster` looks after brokers and all that is around them, `topic` after topics; both observe,
//! plan (pure), execute and tell. `work` decides what is looked at when. The API of Kubernetes and
//! the way to brokers come in from outside, and tokio's clock is the only one, so that tests run
//! the operator as it is, above an API server in memory.

pub mod api;
pub mod brokers;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod conditions;
pub mod context;
pub mod error;
pub mod events;
pub mod health;
pub mod kind;
pub mod lease;
pub mod metrics;
pub mod names;
pub mod objects;
pub mod ownership;
pub mod process;
pub mod quantity;
pub mod resource;
pub mod same;
pub mod topic;
pub mod work;
