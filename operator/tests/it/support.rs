//! The world of a test: an API server, a kubelet that runs production brokers, a user, an operator.

pub mod end_state;
pub mod history;
pub mod machines;
pub mod manifests;
pub mod network;
pub mod operator;
pub mod scenario;
pub mod small;
pub mod world;

pub use manifests::{cluster, topic};
pub use operator::Operator;
pub use world::World;
