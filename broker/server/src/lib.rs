//! The shell of the broker: sockets, tasks, disk, clock. It asks `millrace-core` what to answer and
//! does it.
//!
//! Everything here takes the world from [`env::Env`] and waits only on tokio, so that the simulator
//! runs this crate, not a model of it. The binary is in `main.rs`.

pub mod ailing;
pub mod api;
pub mod blocking;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod console;
pub mod coordinator_log;
pub mod dev;
pub mod env;
pub mod follower;
pub mod group;
pub mod health;
pub mod measured_disk;
pub mod metadata;
pub mod metrics;
pub mod net;
pub mod pace;
pub mod partition;
pub mod partitions;
pub mod process;
pub mod random;
pub mod readiness;
pub mod refusal;
pub mod reply;
pub mod server;
pub mod settings;
pub mod tasks;
pub mod telemetry;
pub mod unpacking;
pub mod variables;
