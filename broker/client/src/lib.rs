//! A small Kafka client: one connection, one owner, requests in the order of their answers.
//!
//! It is what the project itself needs to talk to brokers (simulated clients, benchmarks, tests),
//! not a producer or consumer with a life of its own: it never retries, batches or rebalances.

mod admin;
mod connect;
mod connection;
mod error;
mod ownership;
mod router;

pub use admin::{Admin, Configs, TopicState};
pub use connect::{Connect, Stream, Tcp};
pub use connection::{Connection, Reply};
pub use error::ClientError;
pub use ownership::{Outcome, OwnedTopic, State, TopicChange};
pub use router::Router;
